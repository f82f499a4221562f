"""Figures of the design `training-size`, from its tables alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ablations.design import Drawing
from embedllm.evaluation.scaling_law import MIN_SEEDS
from embedllm.figures.style import (
    COLOURS,
    METHOD_COLOURS,
    METHOD_LINES,
    METHOD_MARKERS,
    METHOD_TITLES,
    count_on_log_axis,
    house_style,
    new_figure,
)
from embedllm.titles import METRIC_NAMES
from tune.labels import seeds_text

CURVES = ("accuracy", "log_loss", "ece", "routing_micro")
LIMITS = {"log_loss": (0, None)}
"""What a metric can be, where that is not from 0 to 1: an interval that symmetry takes beyond is cut there."""
SUBJECT = "embedllm"
LEVEL = 0.05
DODGE = 0.035
"""Sideways shift between methods, as a share of a decade, so that error bars do not cover each other."""


@house_style()
def draw(tables: Mapping[str, pd.DataFrame]) -> list[Drawing]:
    """Curves; the fitted laws where there are any; differences to EmbedLLM where methods are compared."""
    if tables["curve"].empty:
        return []
    facts = tables["facts"].iloc[0]
    drawings = [_curves(tables["curve"], facts)]
    if len(tables["law_curve"]) or len(tables["paper"]):
        drawings.append(_laws(tables, facts))
    if len(tables["difference"]):
        drawings.append(_differences(tables["difference"], facts))
    return drawings


def _curves(curve: pd.DataFrame, facts: "pd.Series[Any]") -> Drawing:
    shown = curve[curve["metric"].isin(CURVES)]
    figure, axes = new_figure("double", height=5.4, ncols=2, nrows=2)
    for axis, metric in zip(axes.flat, CURVES, strict=True):
        for method, rows in _by_method(shown[shown["metric"] == metric]):
            sizes = rows["training_questions"].to_numpy()
            axis.plot(sizes, rows["mean"], METHOD_LINES[method], label=METHOD_TITLES[method], **_style(method))
            low, high = (rows[end].clip(*LIMITS.get(metric, (0, 1))) for end in ("low", "high"))
            axis.fill_between(sizes, low, high, color=METHOD_COLOURS[method], alpha=0.13, linewidth=0)
        if metric in ("accuracy", "log_loss") and not np.isnan(facts[f"bayes_{metric}"]):
            axis.axhline(facts[f"bayes_{metric}"], color=COLOURS["ink"], linewidth=0.9, linestyle=(0, (1, 2)))
            axis.annotate(
                "true probabilities", (1, facts[f"bayes_{metric}"]), xycoords=("axes fraction", "data"),
                xytext=(0, 2 if metric == "log_loss" else -2), textcoords="offset points", ha="right",
                va="bottom" if metric == "log_loss" else "top", fontsize=7,
            )  # fmt: skip
        count_on_log_axis(axis, "training questions")
        axis.set_ylabel(METRIC_NAMES[metric].axis)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return Drawing(
        "curves",
        figure,
        shown,
        f"{facts['models']} models, {facts['test_questions']:,} test questions. Mean over {seeds_text(facts['seeds'])}"
        + ("; bands: pointwise 95 % t interval over seeds, sampling of the test questions not included, cut at "
           "impossible values. Baselines trained on all questions are deterministic, so they have no band there."
           if _bands(facts) else "; no bands with one seed."),
    )  # fmt: skip


def _laws(tables: Mapping[str, pd.DataFrame], facts: "pd.Series[Any]") -> Drawing:
    law, lines, curve, paper = tables["law"], tables["law_curve"], tables["curve"], tables["paper"]
    methods = [name for name in METHOD_TITLES if name in {*lines["method"], *paper["method"], SUBJECT}]
    figure, axes = new_figure("double", height=3.2, ncols=2)
    for axis, metric in zip(axes, ("accuracy", "log_loss"), strict=True):
        points = curve[(curve["metric"] == metric) & curve["method"].isin(methods)]
        for method, rows in _by_method(points):
            reach = (rows["high"] - rows["mean"]).fillna(0)
            axis.errorbar(
                rows["training_questions"], rows["mean"], reach, linestyle="none", label=METHOD_TITLES[method],
                elinewidth=0.8, **_style(method),
            )  # fmt: skip
            fitted = lines[(lines["method"] == method) & (lines["metric"] == metric)]
            if len(fitted):
                _law_line(axis, fitted, method, metric)
        if metric == "accuracy":
            for method, rows in _by_method(paper):
                axis.plot(
                    rows["training_questions"], rows["accuracy"], METHOD_MARKERS[method], color="white",
                    markeredgecolor=METHOD_COLOURS[method], markeredgewidth=1, markersize=5,
                    label=f"{METHOD_TITLES[method]}, paper's Table 1",
                )  # fmt: skip
            _mark_needed(axis, law)
        axis.axvline(facts["train_questions"], color=COLOURS["grey"], linewidth=0.7, linestyle=(0, (4, 3)))
        count_on_log_axis(axis, "training questions")
        axis.set_ylabel(METRIC_NAMES[metric].axis)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return Drawing(
        "scaling_law",
        figure,
        lines,
        f"Points: mean over {seeds_text(facts['seeds'])}{' with 95 % t interval' if _bands(facts) else ''}."
        + (" Lines: error rate (log-loss) = c + a·n⁻ᵇ with n training questions, fitted to the means, where these fall "
           f"by more than the noise and determine b{_shaded(lines)}." if len(lines) else "")
        + f" Dashed grey: the full set, {facts['train_questions']:,} questions"
        + ("; right of it is extrapolation." if len(lines) else ".")
        + _about_needed(_needed_row(law)),
    )  # fmt: skip


def _shaded(lines: pd.DataFrame) -> str:
    """What the bands around the laws are; with two seeds there are none."""
    if lines["low"].isna().all():
        return f"; no bootstrap interval with fewer than {MIN_SEEDS} seeds"
    return "; shaded: 95 % bootstrap interval over seeds and misfit"


def _about_needed(row: pd.DataFrame) -> str:
    """The mark below the curves, and the bar around it where it has an interval."""
    if row.empty:
        return ""
    mark = "Mark" if row["within_low"].isna().all() else "Bar"
    interval = "" if mark == "Mark" else ", with its interval"
    return f" {mark} at the bottom: where EmbedLLM's fit comes within 0.5 points of the full set{interval}."


def _law_line(axis: Any, fitted: pd.DataFrame, method: str, metric: str) -> None:
    def shown(name: str) -> pd.Series:
        return 1 - fitted[name] if metric == "accuracy" else fitted[name]

    colour, inside = METHOD_COLOURS[method], ~fitted["extrapolated"].astype(bool)
    axis.plot(fitted["training_questions"][inside], shown("loss")[inside], color=colour, linewidth=1.1)
    axis.plot(fitted["training_questions"][~inside], shown("loss")[~inside], ":", color=colour, linewidth=1.1)
    axis.fill_between(fitted["training_questions"], shown("low"), shown("high"), color=colour, alpha=0.14, linewidth=0)


def _needed_row(law: pd.DataFrame) -> pd.DataFrame:
    return law[(law["method"] == SUBJECT) & (law["metric"] == "accuracy") & law["within"].notna()]


def _mark_needed(axis: Any, law: pd.DataFrame) -> None:
    for row in _needed_row(law).to_dict("records"):
        place, colour = axis.get_xaxis_transform(), METHOD_COLOURS[SUBJECT]
        low, high = np.nan_to_num([row["within_low"], row["within_high"]], nan=row["within"])
        axis.plot([low, high], [0.035, 0.035], color=colour, linewidth=3, alpha=0.35, transform=place)
        axis.plot([row["within"]], [0.035], "|", color=colour, markersize=8, markeredgewidth=1.6, transform=place)
        axis.text(
            row["within"], 0.075, f"{row['within']:,.0f} questions", transform=place, fontsize=7, ha="center",
            color=colour,
        )  # fmt: skip


def _differences(difference: pd.DataFrame, facts: "pd.Series[Any]") -> Drawing:
    figure, axes = new_figure("double", height=3.2, ncols=2)
    methods = [name for name in METHOD_TITLES if name in set(difference["versus"])]
    for axis, metric in zip(axes, ("accuracy", "log_loss"), strict=True):
        name = METRIC_NAMES[metric]
        rows = difference[difference["metric"] == metric]
        axis.axhline(0, color=COLOURS["ink"], linewidth=0.8)
        for place, method in enumerate(methods):
            mine = rows[rows["versus"] == method]
            sizes = mine["training_questions"] * 10 ** (DODGE * (place - (len(methods) - 1) / 2))
            values, colour = name.scale * mine["difference"], METHOD_COLOURS[method]
            axis.errorbar(
                sizes, values, name.scale * (mine["high"] - mine["difference"]).fillna(0), fmt="none", ecolor=colour,
                elinewidth=0.9,
            )  # fmt: skip
            axis.plot(
                sizes, values, METHOD_LINES[method], color=colour, linewidth=0.8, alpha=0.7,
            )  # fmt: skip
            for clear in (True, False):
                chosen = (mine["p_adjusted"] < LEVEL) == clear
                axis.plot(
                    sizes[chosen], values[chosen], METHOD_MARKERS[method], markeredgecolor=colour, zorder=3,
                    color=colour if clear else "white", label=f"against {METHOD_TITLES[method]}" if clear else None,
                )  # fmt: skip
        count_on_log_axis(axis, "training questions")
        axis.set_ylabel(name.difference)
        axis.set_title(name.better.replace(": ", ": EmbedLLM "))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return Drawing(
        "differences",
        figure,
        difference,
        f"EmbedLLM minus each other method on the same {facts['test_questions']:,} test questions, paired over "
        f"{seeds_text(facts['seeds'])}; bars: 95 % t interval, not adjusted. Filled: Holm-adjusted p < {LEVEL} over "
        "all sizes and methods of a panel; open: not distinguishable.",
    )


def _by_method(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    known = set(rows["method"])
    return [
        (name, rows[rows["method"] == name].sort_values("training_questions"))
        for name in METHOD_TITLES
        if name in known
    ]


def _style(method: str) -> dict[str, Any]:
    return {"color": METHOD_COLOURS[method], "marker": METHOD_MARKERS[method], "markersize": 3.6}


def _bands(facts: "pd.Series[Any]") -> bool:
    return bool(facts["seeds"] > 1)
