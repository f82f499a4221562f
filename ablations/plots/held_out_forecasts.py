"""Figures of the held-out design about forecasts of accuracy and contributions to them."""

from typing import Any

import numpy as np
import pandas as pd

from ablations.design import Drawing
from ablations.held_out.findings import FEATURE_TITLES
from ablations.held_out.names import LONGEST, short_names
from embedllm.figures import COLOURS, diverging_cmap, new_figure, text_colour_on
from tune.labels import seeds_text

FEATURE_STYLES = {
    "embedding": ("blue", "o"),
    "function": ("purple", "D"),
    "raw_accuracies": ("vermillion", "s"),
    "pca": ("green", "^"),
    "mean_of_others": ("grey", "X"),
}
PANELS_ACROSS = 4
MOST_SHOWN = 20
"""With more benchmarks the figures of forecasts show so many, evenly from the worst forecast to the best."""
MOST_NUMBERED = 15
"""A contribution matrix of more benchmarks has no room for numbers."""
TITLE_ROOM = 72
"""Characters of titles that fit side by side above the panels of a figure of double width."""


def draw_counts(forecast: pd.DataFrame) -> Drawing:
    """How well models are ranked, and in how many splits significantly, per benchmark, features and regression."""
    order = forecast[(forecast["features"] == "embedding") & (forecast["regression"] == "ridge")]
    benchmarks = _spread(order.sort_values("tau_median")["benchmark"].tolist())
    figure, grid = new_figure("double", height=min(9.4, 1.6 + 0.76 * len(benchmarks)), nrows=2, ncols=2, sharey=True)
    repeats = int(forecast["repeats"].max())
    for line, (regression, title) in enumerate(
        (("linear", "linear regression (paper)"), ("ridge", "ridge regression"))
    ):
        left, right = grid[line]
        for place, (features, (colour, marker)) in enumerate(FEATURE_STYLES.items()):
            rows = forecast[(forecast["features"] == features) & (forecast["regression"] == regression)]
            rows = rows.set_index("benchmark").reindex(benchmarks)
            y = np.arange(len(benchmarks)) + (2 - place) * 0.17
            style: dict[str, Any] = {"fmt": marker, "color": COLOURS[colour], "elinewidth": 0.9, "capsize": 1.5}
            reach = error_bars(rows, "tau_median", "tau_low", "tau_high")
            left.errorbar(rows["tau_median"], y, xerr=reach, label=FEATURE_TITLES[features], **style)
            spread = rows["significant_sd"].fillna(0)
            ends = np.stack([spread.clip(upper=rows["significant"]), spread.clip(upper=repeats - rows["significant"])])
            right.errorbar(rows["significant"], y, xerr=ends, **style)
        left.axvline(0, color=COLOURS["ink"], linewidth=0.8)
        left.set_title(title)
        left.set_xlabel("Kendall's τ, median and 5–95 % of splits")
        right.set_xlabel(f"splits with τ > 0, p < 0.05 (of {repeats})")
        right.set_xlim(-0.03 * repeats, 1.03 * repeats)
        left.set_yticks(range(len(benchmarks)), short_names(benchmarks))
        left.set_ylim(-0.6, len(benchmarks) - 0.4)
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return Drawing(
        "forecast",
        figure,
        forecast,
        f"Forecast of each benchmark's accuracy for models the regression did not see: {repeats} random splits, "
        f"{forecast['train_models'].max()} models to learn from and {forecast['test_models'].max()} to test on, the "
        "same splits for all features, none of which saw the benchmark. Bars on the left are the spread over "
        "overlapping splits, not confidence intervals; on the right, ± sd over seeds of EmbedLLM, clipped at none and "
        f"all.{_of_all(len(benchmarks), len(order))}",
    )


def draw_forecasts(models: pd.DataFrame, forecast: pd.DataFrame) -> Drawing:
    """Forecasts by ridge regression on the embedding against accuracies, a panel per benchmark."""
    shown = models[models["regression"] == "ridge"]
    every = list(dict.fromkeys(shown["benchmark"]))
    stats = forecast[(forecast["features"] == "embedding") & (forecast["regression"] == "ridge")].set_index("benchmark")
    chosen = set(_spread(stats.loc[every].sort_values("tau_median").index.tolist()))
    benchmarks = [name for name in every if name in chosen]
    across = min(PANELS_ACROSS, len(benchmarks))
    titles = short_names(benchmarks, min(LONGEST, TITLE_ROOM // across))
    down = -(-len(benchmarks) // across)
    figure, axes = new_figure("double", height=1.85 * down + 0.15, nrows=down, ncols=across, squeeze=False)
    for number, axis in enumerate(axes.flat):
        if number >= len(benchmarks):
            axis.set_visible(False)
            continue
        name = benchmarks[number]
        rows, row = shown[shown["benchmark"] == name], stats.loc[name]
        values = pd.concat([rows["accuracy"], rows["forecast"]])
        low, high = float(values.min()), float(values.max())
        margin = 0.06 * (high - low) or 0.05
        limits = (low - margin, high + margin)
        axis.plot(limits, limits, color=COLOURS["grey"], linewidth=0.8, linestyle="--")
        axis.plot(rows["accuracy"], rows["forecast"], "o", color=COLOURS["blue"], markersize=2.6, alpha=0.75)
        axis.set_xlim(limits)
        axis.set_ylim(limits)
        axis.set_title(titles[number])
        tau = "not defined" if np.isnan(row["tau_median"]) else f"{row['tau_median']:.2f}"
        axis.text(
            0.04, 0.96, f"τ {tau}, {row['significant']:.0f}/{row['repeats']}\nRMSE {row['rmse']:.3f}",
            transform=axis.transAxes, va="top", fontsize=6.5,
        )  # fmt: skip
        axis.locator_params(nbins=4)
    counts = shown.groupby("benchmark")["model"].nunique()
    few, most = counts.min(), counts.max()
    models_text = f"each of {most} models" if few == most else f"each of {few} to {most} models"
    figure.supxlabel("accuracy on the benchmark")
    figure.supylabel("forecast without it")
    return Drawing(
        "forecast_models",
        figure,
        shown,
        f"Accuracy on a benchmark of {models_text} against its forecast by ridge regression from embeddings trained "
        "without the benchmark; mean over the splits where the model was tested, and over seeds. In the panels: "
        "median τ over splits, splits with τ > 0 and p < 0.05, and root mean square error (RMSE). Dashed: perfect "
        "forecast. Where nothing can be forecast, the points slope slightly downwards: the mean of the others is lower "
        f"when a good model is left out.{_of_all(len(benchmarks), len(every))}",
    )


def draw_contributions(rows: pd.DataFrame, regression: str) -> Drawing:
    """The contribution matrix of one kind of regression, with the sums of its rows and columns."""
    names = list(dict.fromkeys([*rows["contributor"], *rows["target"]]))
    size = len(names)
    cells = rows.pivot(index="contributor", columns="target", values="contribution").loc[names, names]
    sums = cells.sum(axis=1), cells.sum(axis=0)
    table = np.full((size + 1, size + 1), np.nan)
    table[:size, :size] = cells
    table[:size, size], table[size, :size] = sums
    numbered = size <= MOST_NUMBERED
    figure, axis = new_figure("double", height=1.6 + 0.42 * (min(size, MOST_NUMBERED) + 1))
    reach = float(np.nanmax(np.abs(cells.to_numpy()))) or 1.0
    colours, total_reach = diverging_cmap(), float(np.nanmax(np.abs(np.concatenate(sums)))) or 1.0
    shown = table / reach
    shown[size, :], shown[:, size] = table[size, :] / total_reach, table[:, size] / total_reach
    image = axis.imshow(np.ma.masked_invalid(shown), cmap=colours, vmin=-1, vmax=1, aspect="auto")
    marks = {(r["contributor"], r["target"]): _mark(r) for _, r in rows.iterrows()}
    for i, j in np.argwhere(np.isfinite(table)):
        mark = marks.get((names[i], names[j]), "") if i < size and j < size else ""
        written = f"{_number(table[i, j])}{mark}" if numbered else mark
        axis.text(
            j, i, written, ha="center", va="center", fontsize=6.5 if size <= 10 else 5.5,
            color=text_colour_on(colours((shown[i, j] + 1) / 2)),
        )  # fmt: skip
    axis.axhline(size - 0.5, color="white", linewidth=3)
    axis.axvline(size - 0.5, color="white", linewidth=3)
    labels = [*short_names(names), "sum"]
    small = {} if numbered else {"fontsize": 5.5}
    axis.set_xticks(range(size + 1), labels, rotation=35 if numbered else 60, ha="right", **small)
    axis.set_yticks(range(size + 1), labels, **small)
    axis.set_xlabel("benchmark forecast")
    axis.set_ylabel("benchmark added to training")
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, shrink=0.8, pad=0.02)
    bar.set_ticks([-1, 0, 1], labels=[f"hurts\n−{reach:.2f}", "0", f"helps\n+{reach:.2f}"])
    bar.set_label(f"squared error saved, sum over {rows['repeats'].max()} splits")
    return Drawing(
        f"contributions_{regression}",
        figure,
        rows,
        f"Contribution matrix by {regression} regression: total squared error of the forecast (sum over "
        f"{rows['repeats'].max()} splits, squared accuracy) without the row's benchmark minus with it, "
        f"{seeds_text(rows['seeds'].max())}; positive: the row helps to forecast the column. * the 95 % interval of "
        "the cell excludes zero, ** also after Holm adjustment over all cells. Sums have a colour scale of their own "
        f"and no interval.{'' if numbered else ' The numbers are in the table of the figure.'}",
    )


def _spread(ordered: list[str]) -> list[str]:
    """All of them, or :data:`MOST_SHOWN` evenly spaced from the first to the last."""
    if len(ordered) <= MOST_SHOWN:
        return ordered
    return [ordered[place] for place in np.linspace(0, len(ordered) - 1, MOST_SHOWN).round().astype(int)]


def _of_all(shown: int, benchmarks: int) -> str:
    """Which benchmarks a figure shows, where there is no room for all."""
    if shown == benchmarks:
        return ""
    return (
        f" Shown are {shown} of {benchmarks} benchmarks, evenly from the worst ranked to the best (by ridge regression "
        "on the embedding); the figure's table has all."
    )


def error_bars(rows: pd.DataFrame, middle: str, low: str, high: str) -> np.ndarray:
    """Lengths of error bars below and above, (2, rows)."""
    return np.abs(rows[[low, high]].to_numpy(dtype=np.float64) - rows[[middle]].to_numpy(dtype=np.float64)).T


def _number(value: float) -> str:
    """Two decimals without the leading zero, so that fifteen columns fit."""
    return f"{value:+.2f}".replace("0.", ".", 1).replace("-", "−")


def _mark(row: "pd.Series[float]") -> str:
    if row["p_adjusted"] < 0.05:
        return "**"
    return "*" if row["low"] > 0 or row["high"] < 0 else ""
