"""Figures of the held-out design, from its tables alone."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ablations.design import Drawing
from ablations.held_out.findings import FEATURE_TITLES
from ablations.held_out.names import LONGEST, short_names
from ablations.held_out.questions import AGAINST, LEAVING_OUT
from ablations.plots.flat import FLAT_REACH, is_flat
from ablations.question_intervals import MINIMUM_QUESTIONS
from ablations.sentences import ONE_SEED
from embedllm.figures import (
    COLOURS,
    METHOD_COLOURS,
    METHOD_MARKERS,
    METHOD_TITLES,
    diverging_cmap,
    house_style,
    new_figure,
    text_colour_on,
)
from tune.labels import seeds_text

METRICS = {"accuracy": ("accuracy", 1), "log_loss": ("log-loss (nats)", -1), "routing_micro": ("routing accuracy", 1)}
FEATURE_STYLES = {
    "embedding": ("blue", "o"),
    "function": ("purple", "D"),
    "raw_accuracies": ("vermillion", "s"),
    "pca": ("green", "^"),
    "mean_of_others": ("grey", "X"),
}
PANELS_ACROSS = 4
TITLE_ROOM = 72
"""Characters of titles that fit side by side above the panels of a figure of double width."""
LABEL_ROOM = 80
"""Characters that fit side by side below a figure of double width."""
BARS = ("embedllm", "model_mean", "lookup", "knn", "logistic")
FEW_BARS = ("embedllm", "model_mean")
NO_INTERVALS = f"No intervals: each benchmark has fewer than {MINIMUM_QUESTIONS} test questions"
MOST_BENCHMARKS = 6
"""With more benchmarks the bars show :data:`FEW_BARS` only; the paired differences show all methods."""


@house_style()
def draw(tables: Mapping[str, pd.DataFrame]) -> list[Drawing]:
    """Those figures for which there are rows."""
    drawings = []
    if len(tables["questions"]):
        drawings += [_bars(tables["questions"]), _differences(tables["differences"])]
    if len(tables["forecast"]):
        drawings += [_counts(tables["forecast"]), _scatter(tables["forecast_models"], tables["forecast"])]
    for regression, rows in (
        tables["contributions"].groupby("regression", sort=False) if len(tables["contributions"]) else []
    ):
        drawings.append(_contributions(rows, str(regression)))
    return drawings


def _bars(questions: pd.DataFrame) -> Drawing:
    benchmarks = list(dict.fromkeys(questions["benchmark"]))
    wanted = BARS if len(benchmarks) <= MOST_BENCHMARKS else FEW_BARS
    methods = [name for name in wanted if name in set(questions["method"])]
    figure, axes = new_figure("double", height=1.9 * len(METRICS) + 0.5, nrows=len(METRICS), sharex=True)
    present = set(zip(questions["method"], questions["trained"], strict=True))
    bars = [bar for method in methods for bar in ((method, "with"), (method, "without")) if bar in present]
    width = 0.84 / len(bars)
    for axis, (metric, (label, _)) in zip(axes, METRICS.items(), strict=True):
        rows = questions[(questions["metric"] == metric) & questions["method"].isin(methods)]
        for place, (method, trained) in enumerate(bars):
            found = rows[(rows["method"] == method) & (rows["trained"] == trained)].set_index("benchmark")
            found = found.reindex(benchmarks)
            x = np.arange(len(benchmarks)) + (place - (len(bars) - 1) / 2) * width
            colour, solid = METHOD_COLOURS[method], trained == "without"
            axis.bar(
                x, found["value"], width, color=colour if solid else "white", edgecolor=colour, linewidth=0.7,
                label=f"{METHOD_TITLES[method]}{', left out' if solid else ', trained on'}",
            )  # fmt: skip
            reach = _reach(found, "value", "low", "high")
            axis.errorbar(x, found["value"], reach, fmt="none", ecolor=COLOURS["ink"], elinewidth=0.6, capsize=0.8)
        axis.set_ylabel(label)
        low, high = float(rows["low"].fillna(rows["value"]).min()), float(rows["high"].fillna(rows["value"]).max())
        margin = 0.08 * (high - low) or 0.05
        axis.set_ylim(max(0.0, low - margin), min(1.0, high + margin) if metric != "log_loss" else high + margin)
        axis.grid(axis="x", visible=False)
    labels = short_names(benchmarks)
    tilted = any((len(left) + len(right)) / 2 + 1 > LABEL_ROOM / len(labels) for left, right in pairwise(labels))
    axes[-1].set_xticks(
        range(len(benchmarks)), labels, rotation=30 if tilted else 0, ha="right" if tilted else "center"
    )
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=min(3, len(methods)))
    sizes = questions[questions["metric"] == "accuracy"].groupby("benchmark")["questions"].max()
    intervals = (
        f"Bars: 95 % percentile interval over {_resampled(questions)}"
        if questions["low"].notna().any()
        else NO_INTERVALS
    )
    return Drawing(
        "questions",
        figure,
        questions[questions["metric"].isin(METRICS)],
        "Predictions on each benchmark's test questions by methods trained with it (open bars) and without any "
        f"question of it (filled); {_between(sizes.min(), sizes.max())} questions per benchmark, "
        f"{seeds_text(questions['seeds'].max())} of EmbedLLM. Axes do not start at zero. {intervals}; for comparisons "
        "see the paired differences.",
    )


def _differences(differences: pd.DataFrame) -> Drawing:
    rows = differences[differences["metric"].isin(METRICS)]
    benchmarks = list(dict.fromkeys(rows["benchmark"]))[::-1]
    figure, grid = new_figure(
        "double", height=min(9.4, 2.2 + 0.8 * len(benchmarks)), nrows=2, ncols=len(METRICS), sharey=True
    )
    for line, comparison in enumerate((LEAVING_OUT, AGAINST)):
        of_comparison = rows[rows["comparison"] == comparison]
        methods = [name for name in METHOD_TITLES if name in set(of_comparison["method"])]
        for axis, (metric, (label, sign)) in zip(grid[line], METRICS.items(), strict=True):
            for place, method in enumerate(methods):
                one = of_comparison[(of_comparison["metric"] == metric) & (of_comparison["method"] == method)]
                y = np.array([benchmarks.index(name) for name in one["benchmark"]])
                y = y + (place - (len(methods) - 1) / 2) * 0.8 / len(methods)
                _dots(axis, one, y, method)
            axis.axvline(0, color=COLOURS["ink"], linewidth=0.8)
            axis.set_xlabel(f"difference in {label}\n{'→' if sign > 0 else '←'} better")
            axis.set_yticks(range(len(benchmarks)), short_names(benchmarks))
            axis.set_ylim(-0.6, len(benchmarks) - 0.4)
            axis.locator_params(axis="x", nbins=4)
            if is_flat(of_comparison.loc[of_comparison["metric"] == metric, ["difference", "low", "high"]]):
                axis.set_xlim(-FLAT_REACH, FLAT_REACH)
        grid[line][0].set_title(
            "left out − trained on, same method" if line == 0 else "EmbedLLM − other method, benchmark left out of both"
        )
    handles, labels = grid[0][0].get_legend_handles_labels()
    beyond = (
        f"beyond the luck of questions ({ONE_SEED})"
        if rows["seeds"].max() == 1
        else "over questions and, where EmbedLLM takes part, by the t test paired over seeds too"
    )
    intervals = (
        f"95 % percentile intervals over {_resampled(rows)}; filled marks differ from zero {beyond}, after "
        "Holm's adjustment over the benchmarks, open ones do not"
        if rows["low"].notna().any()
        else f"{NO_INTERVALS}; no difference is tested, so all marks are open"
    )
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return Drawing(
        "differences",
        figure,
        rows,
        "Paired differences per benchmark. Above: what leaving the benchmark out of training changes, for each method. "
        f"Below: EmbedLLM against each other method where neither was trained on the benchmark. {intervals}.",
    )


def _dots(axis: Any, rows: pd.DataFrame, y: np.ndarray, method: str) -> None:
    colour, marker = METHOD_COLOURS[method], METHOD_MARKERS[method]
    reach = _reach(rows, "difference", "low", "high")
    axis.errorbar(rows["difference"], y, xerr=reach, fmt="none", ecolor=colour, elinewidth=0.9, capsize=1.5)
    sure = rows["sure"].to_numpy()
    axis.plot([], [], marker, color=colour, label=METHOD_TITLES[method])
    for chosen, face in ((sure, colour), (~sure, "white")):
        axis.plot(rows["difference"][chosen], y[chosen], marker, color=colour, markerfacecolor=face)


def _counts(forecast: pd.DataFrame) -> Drawing:
    order = forecast[(forecast["features"] == "embedding") & (forecast["regression"] == "ridge")]
    benchmarks = order.sort_values("tau_median")["benchmark"].tolist()
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
            reach = _reach(rows, "tau_median", "tau_low", "tau_high")
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
        "overlapping splits, not confidence intervals; on the right ± sd over seeds of EmbedLLM, cut at none and all.",
    )


def _scatter(models: pd.DataFrame, forecast: pd.DataFrame) -> Drawing:
    shown = models[models["regression"] == "ridge"]
    benchmarks = list(dict.fromkeys(shown["benchmark"]))
    across = min(PANELS_ACROSS, len(benchmarks))
    titles = short_names(benchmarks, min(LONGEST, TITLE_ROOM // across))
    down = -(-len(benchmarks) // across)
    figure, axes = new_figure("double", height=1.85 * down + 0.15, nrows=down, ncols=across, squeeze=False)
    stats = forecast[(forecast["features"] == "embedding") & (forecast["regression"] == "ridge")].set_index("benchmark")
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
            0.04, 0.96, f"τ {tau}, {row['significant']:.0f}/{row['repeats']}\nrmse {row['rmse']:.3f}",
            transform=axis.transAxes, va="top", fontsize=6.5,
        )  # fmt: skip
        axis.locator_params(nbins=4)
    figure.supxlabel("accuracy on the benchmark")
    figure.supylabel("forecast without it")
    return Drawing(
        "forecast_models",
        figure,
        shown,
        "Each model's accuracy on a benchmark against its forecast by ridge regression from embeddings trained without "
        "the benchmark; mean over the splits where the model was tested, and over seeds. In the panels: median τ over "
        "splits, splits with τ > 0 and p < 0.05, and root mean square error. Dashed: perfect forecast. Where "
        "nothing can be forecast the points fall slightly: the mean of the others is lower when a good model is left "
        "out.",
    )


def _contributions(rows: pd.DataFrame, regression: str) -> Drawing:
    names = list(dict.fromkeys([*rows["contributor"], *rows["target"]]))
    size = len(names)
    cells = rows.pivot(index="contributor", columns="target", values="contribution").loc[names, names]
    sums = cells.sum(axis=1), cells.sum(axis=0)
    table = np.full((size + 1, size + 1), np.nan)
    table[:size, :size] = cells
    table[:size, size], table[size, :size] = sums
    figure, axis = new_figure("double", height=1.6 + 0.42 * (size + 1))
    reach = float(np.nanmax(np.abs(cells.to_numpy()))) or 1.0
    colours, total_reach = diverging_cmap(), float(np.nanmax(np.abs(np.concatenate(sums)))) or 1.0
    shown = table / reach
    shown[size, :], shown[:, size] = table[size, :] / total_reach, table[:, size] / total_reach
    image = axis.imshow(np.ma.masked_invalid(shown), cmap=colours, vmin=-1, vmax=1, aspect="auto")
    marks = {(r["contributor"], r["target"]): _mark(r) for _, r in rows.iterrows()}
    for i, j in np.argwhere(np.isfinite(table)):
        mark = marks.get((names[i], names[j]), "") if i < size and j < size else ""
        axis.text(
            j, i, f"{_number(table[i, j])}{mark}", ha="center", va="center", fontsize=6.5 if size <= 10 else 5.5,
            color=text_colour_on(colours((shown[i, j] + 1) / 2)),
        )  # fmt: skip
    axis.axhline(size - 0.5, color="white", linewidth=3)
    axis.axvline(size - 0.5, color="white", linewidth=3)
    labels = [*short_names(names), "sum"]
    axis.set_xticks(range(size + 1), labels, rotation=35, ha="right")
    axis.set_yticks(range(size + 1), labels)
    axis.set_xlabel("benchmark that is forecast")
    axis.set_ylabel("benchmark that is added to training")
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, shrink=0.8, pad=0.02)
    bar.set_ticks([-1, 0, 1], labels=[f"hurts\n−{reach:.2g}", "0", f"helps\n+{reach:.2g}"])
    bar.set_label(f"squared error saved, sum over {rows['repeats'].max()} splits")
    return Drawing(
        f"contributions_{regression}",
        figure,
        rows,
        f"Contribution matrix by {regression} regression: total squared error of the forecast (sum over "
        f"{rows['repeats'].max()} splits, squared accuracy) without the row's benchmark minus with it, "
        f"{seeds_text(rows['seeds'].max())}; positive: the row helps to forecast the column. * the 95 % interval of "
        "the cell excludes zero, ** also after Holm's adjustment over all cells. Sums have colours of their own scale "
        "and no interval.",
    )


def _reach(rows: pd.DataFrame, middle: str, low: str, high: str) -> np.ndarray:
    """Lengths of error bars below and above, (2, rows)."""
    return np.abs(rows[[low, high]].to_numpy(dtype=np.float64) - rows[[middle]].to_numpy(dtype=np.float64)).T


def _resampled(rows: pd.DataFrame) -> str:
    """What the bootstrap intervals of these rows are over."""
    return "resamples of questions" if rows["seeds"].max() == 1 else "joint resamples of questions and seeds"


def _between(low: float, high: float) -> str:
    """`6`, or `6 to 9` where they differ."""
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def _number(value: float) -> str:
    """Two decimals without the leading zero, so that fifteen columns fit."""
    return f"{value:+.2f}".replace("0.", ".", 1).replace("-", "−")


def _mark(row: "pd.Series[float]") -> str:
    if row["p_adjusted"] < 0.05:
        return "**"
    return "*" if row["low"] > 0 or row["high"] < 0 else ""
