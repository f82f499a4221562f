"""Figures of the held-out design, from its tables alone."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ablations.design import Drawing
from ablations.held_out.names import short_names
from ablations.held_out.questions import AGAINST, LEAVING_OUT
from ablations.plots.flat import FLAT_REACH, is_flat
from ablations.plots.held_out_forecasts import draw_contributions, draw_counts, draw_forecasts, error_bars
from ablations.question_intervals import MINIMUM_QUESTIONS
from ablations.sentences import ONE_SEED
from embedllm.figures import (
    COLOURS,
    METHOD_COLOURS,
    METHOD_MARKERS,
    METHOD_TITLES,
    house_style,
    new_figure,
)
from embedllm.titles import METRIC_NAMES
from tune.labels import seeds_text

MEASURED = ("accuracy", "log_loss", "routing_micro")
LABEL_ROOM = 80
"""Characters that fit side by side below a figure of double width."""
BARS = ("embedllm", "model_mean", "lookup", "knn", "logistic")
FEW_BARS = ("embedllm", "model_mean")
NO_INTERVALS = f"No intervals: each benchmark has fewer than {MINIMUM_QUESTIONS} test questions"
MOST_SHOWN = 30
"""With more benchmarks the figures of predictions show those with most test questions."""
MOST_BENCHMARKS = 6
"""With more benchmarks the levels show :data:`FEW_BARS` only; the paired differences show all methods."""


@house_style()
def draw(tables: Mapping[str, pd.DataFrame]) -> list[Drawing]:
    """Those figures for which there are rows."""
    drawings = []
    if len(tables["questions"]):
        shown, told = _most_tested(tables["questions"])
        levels, differences = (
            tables[name][tables[name]["benchmark"].isin(shown)] for name in ("questions", "differences")
        )
        whole = [tables[name][tables[name]["metric"].isin(MEASURED)] for name in ("questions", "differences")]
        drawn = [_levels(levels), _differences(differences)]
        drawings += [
            replace(drawing, table=table, caption=drawing.caption + told)
            for drawing, table in zip(drawn, whole, strict=True)
        ]
    if len(tables["forecast"]):
        drawings += [draw_counts(tables["forecast"]), draw_forecasts(tables["forecast_models"], tables["forecast"])]
    for regression, rows in (
        tables["contributions"].groupby("regression", sort=False) if len(tables["contributions"]) else []
    ):
        drawings.append(draw_contributions(rows, str(regression)))
    return drawings


def _most_tested(questions: pd.DataFrame) -> tuple[list[str], str]:
    """The benchmarks that there is room for, and a sentence on the others."""
    sizes = questions.groupby("benchmark", sort=False)["questions"].max()
    if len(sizes) <= MOST_SHOWN:
        return list(sizes.index), ""
    kept = sizes.sort_values(ascending=False, kind="stable").index[:MOST_SHOWN]
    return list(kept), (
        f" Shown are the {MOST_SHOWN} of {len(sizes)} benchmarks with most test questions; the figure's table has all."
    )


def _levels(questions: pd.DataFrame) -> Drawing:
    benchmarks = list(dict.fromkeys(questions["benchmark"]))
    wanted = BARS if len(benchmarks) <= MOST_BENCHMARKS else FEW_BARS
    methods = [name for name in wanted if name in set(questions["method"])]
    figure, axes = new_figure("double", height=1.9 * len(MEASURED) + 0.5, nrows=len(MEASURED), sharex=True)
    present = set(zip(questions["method"], questions["trained"], strict=True))
    bars = [bar for method in methods for bar in ((method, "with"), (method, "without")) if bar in present]
    width = 0.84 / len(bars)
    for axis, metric in zip(axes, MEASURED, strict=True):
        rows = questions[(questions["metric"] == metric) & questions["method"].isin(methods)]
        for place, (method, trained) in enumerate(bars):
            found = rows[(rows["method"] == method) & (rows["trained"] == trained)].set_index("benchmark")
            found = found.reindex(benchmarks)
            x = np.arange(len(benchmarks)) + (place - (len(bars) - 1) / 2) * width
            colour, solid = METHOD_COLOURS[method], trained == "without"
            reach = error_bars(found, "value", "low", "high")
            axis.errorbar(x, found["value"], reach, fmt="none", ecolor=colour, elinewidth=0.8, capsize=0.8)
            # Not bars: an axis that does not start at zero would make their lengths mislead.
            axis.plot(
                x, found["value"], METHOD_MARKERS[method], color=colour if solid else "white", markeredgecolor=colour,
                markersize=3.8, label=f"{METHOD_TITLES[method]}{', left out' if solid else ', trained on'}",
            )  # fmt: skip
        axis.set_ylabel(METRIC_NAMES[metric].axis)
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
        f"Lines: 95 % percentile interval over {_resampled(questions)}"
        if questions["low"].notna().any()
        else NO_INTERVALS
    )
    return Drawing(
        "questions",
        figure,
        questions[questions["metric"].isin(MEASURED)],
        "Predictions on each benchmark's test questions by methods trained with it (open marks) and without any "
        f"question of it (filled); {_between(sizes.min(), sizes.max())} questions per benchmark, "
        f"{seeds_text(questions['seeds'].max())} of EmbedLLM. Axes do not start at zero. {intervals}; for comparisons "
        f"see the paired differences.{_bare(questions)}",
    )


def _differences(differences: pd.DataFrame) -> Drawing:
    rows = differences[differences["metric"].isin(MEASURED)]
    benchmarks = list(dict.fromkeys(rows["benchmark"]))[::-1]
    figure, grid = new_figure(
        "double", height=min(9.4, 2.2 + 0.8 * len(benchmarks)), nrows=2, ncols=len(MEASURED), sharey=True
    )
    for line, comparison in enumerate((LEAVING_OUT, AGAINST)):
        of_comparison = rows[rows["comparison"] == comparison]
        methods = [name for name in METHOD_TITLES if name in set(of_comparison["method"])]
        for axis, metric in zip(grid[line], MEASURED, strict=True):
            name = METRIC_NAMES[metric]
            for place, method in enumerate(methods):
                one = of_comparison[(of_comparison["metric"] == metric) & (of_comparison["method"] == method)]
                y = np.array([benchmarks.index(name) for name in one["benchmark"]])
                y = y + (place - (len(methods) - 1) / 2) * 0.8 / len(methods)
                _dots(axis, one, y, method, name.scale)
            axis.axvline(0, color=COLOURS["ink"], linewidth=0.8)
            axis.set_xlabel(f"{name.difference}\n{'→' if name.higher_is_better else '←'} better")
            axis.set_yticks(range(len(benchmarks)), short_names(benchmarks))
            axis.set_ylim(-0.6, len(benchmarks) - 0.4)
            axis.locator_params(axis="x", nbins=4)
            if is_flat(of_comparison.loc[of_comparison["metric"] == metric, ["difference", "low", "high"]]):
                axis.set_xlim(-name.scale * FLAT_REACH, name.scale * FLAT_REACH)
        grid[line][0].set_title(
            "left out − trained on, same method" if line == 0 else "EmbedLLM − other method, benchmark left out of both"
        )
    handles, labels = grid[0][0].get_legend_handles_labels()
    beyond = (
        f"over questions ({ONE_SEED})"
        if rows["seeds"].max() == 1
        else "over questions and, where EmbedLLM is involved, also by the paired t test over seeds"
    )
    intervals = (
        f"95 % percentile intervals over {_resampled(rows)}; filled marks differ significantly from zero "
        f"{beyond}, after Holm adjustment over the benchmarks; open marks do not"
        if rows["low"].notna().any()
        else f"{NO_INTERVALS}; no difference is tested, so all marks are open"
    )
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return Drawing(
        "differences",
        figure,
        rows,
        "Paired differences per benchmark. Above: what leaving the benchmark out of training changes, for each method. "
        f"Below: EmbedLLM against each other method where neither was trained on the benchmark. "
        f"{intervals}.{_bare(rows)}",
    )


def _dots(axis: Any, rows: pd.DataFrame, y: np.ndarray, method: str, scale: int) -> None:
    colour, marker = METHOD_COLOURS[method], METHOD_MARKERS[method]
    reach, values = scale * error_bars(rows, "difference", "low", "high"), scale * rows["difference"]
    axis.errorbar(values, y, xerr=reach, fmt="none", ecolor=colour, elinewidth=0.9, capsize=1.5)
    sure = rows["sure"].to_numpy()
    axis.plot([], [], marker, color=colour, label=METHOD_TITLES[method])
    for chosen, face in ((sure, colour), (~sure, "white")):
        axis.plot(values[chosen], y[chosen], marker, color=colour, markerfacecolor=face)


def _resampled(rows: pd.DataFrame) -> str:
    """What the bootstrap intervals of these rows are over."""
    return "resamples of questions" if rows["seeds"].max() == 1 else "joint resamples of questions and seeds"


def _bare(rows: pd.DataFrame) -> str:
    """Which marks have no interval, where others do."""
    if rows["low"].isna().any() and rows["low"].notna().any():
        return f" Marks without a bar: fewer than {MINIMUM_QUESTIONS} test questions."
    return ""


def _between(low: float, high: float) -> str:
    """`6`, or `6 to 9` where they differ."""
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
