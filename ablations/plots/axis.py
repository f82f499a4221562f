"""Figure of the design `axis`, from its tables alone."""

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd
from matplotlib.lines import Line2D

from ablations.axis.tables import COMPARED
from ablations.axis.values import TITLES
from ablations.design import Drawing
from ablations.plots.flat import FLAT_REACH, is_flat
from embedllm.figures.style import COLOURS, house_style, new_figure
from embedllm.titles import METRIC_NAMES

ENDS = ("difference", "low", "high", "question_low", "question_high")
"""Columns that a panel shows."""
VERDICT_COLOURS = {"better": "blue", "worse": "vermillion"}
ROOM = 16
"""Letters that fit below a panel side by side; tick labels that have more are turned."""


@house_style()
def draw(tables: Mapping[str, pd.DataFrame]) -> list[Drawing]:
    """Differences to the centre: a row of panels per metric, a column per axis; nothing without results."""
    effect, level, facts = tables["effect"], tables["level"], tables["facts"].iloc[0]
    if effect.empty:
        return []
    axes_shown = list(dict.fromkeys(effect["axis"]))
    figure, panels = new_figure(
        "double", height=1.55 * len(COMPARED) + 0.7, ncols=len(axes_shown), nrows=len(COMPARED), sharey="row",
        sharex="col", squeeze=False,
    )  # fmt: skip
    for column, axis in enumerate(axes_shown):
        ticks = level[level["axis"] == axis].sort_values("place")
        for row, metric in enumerate(COMPARED):
            panel = panels[row, column]
            _panel(
                panel,
                effect[(effect["axis"] == axis) & (effect["metric"] == metric)],
                ticks,
                METRIC_NAMES[metric].scale,
            )
            if column == 0:
                panel.set_ylabel(METRIC_NAMES[metric].difference.replace(" difference", "\ndifference"))
            if column == len(axes_shown) - 1:
                panel.annotate(
                    METRIC_NAMES[metric].better,
                    (1.02, 0.5),
                    xycoords="axes fraction",
                    rotation=270,
                    va="center",
                    ha="left",
                    fontsize=7,
                )
        panels[0, column].set_title(TITLES[axis])
        turned = ticks["label"].str.len().sum() > ROOM
        panels[-1, column].set_xticks(ticks["place"], ticks["label"], rotation=90 if turned else 0)
    for row, metric in enumerate(COMPARED):
        if is_flat(effect.loc[effect["metric"] == metric, list(ENDS)]):
            reach = METRIC_NAMES[metric].scale * FLAT_REACH
            panels[row, 0].set_ylim(-reach, reach)
    figure.legend(handles=_legend(), loc="outside upper center", ncols=5)
    return [
        Drawing(
            "effects",
            figure,
            effect,
            f"Each value minus the centre ({facts['centre']}, black diamond at 0) on {facts['test_questions']:,} test "
            f"questions, paired over {facts['seeds']} seeds; values evenly spaced. Dark bars: 95 % t interval over "
            "seeds; light bars: 95 % bootstrap interval over questions and seeds; neither is adjusted. Blue better, "
            "vermillion worse: Holm-adjusted p < 0.05 over seeds and over questions; grey, half filled: over seeds "
            "only; open: not distinguishable from the centre.",
        )
    ]


def _legend() -> list[Line2D]:
    """What the marks mean, without a number."""
    grey = COLOURS["grey"]
    marks = [Line2D([], [], marker="D", color=COLOURS["ink"], linestyle="none", markersize=4.5, label="centre")]
    fill: Literal["full", "left"]
    for label, colour, face, fill in (
        ("better", COLOURS["blue"], COLOURS["blue"], "full"),
        ("worse", COLOURS["vermillion"], COLOURS["vermillion"], "full"),
        ("over seeds only", grey, grey, "left"),
        ("not distinguishable", grey, "white", "full"),
    ):
        marks.append(
            Line2D(
                [], [], marker="o", linestyle="none", markersize=4.6, label=label, color=colour, markerfacecolor=face,
                markerfacecoloralt="white", fillstyle=fill,
            )
        )  # fmt: skip
    return marks


def _panel(panel: Any, rows: pd.DataFrame, ticks: pd.DataFrame, scale: float) -> None:
    panel.axhline(0, color=COLOURS["ink"], linewidth=0.8)
    panel.plot(ticks.loc[ticks["centre"], "place"], [0], "D", color=COLOURS["ink"], markersize=4.5, zorder=4)
    for row in rows.to_dict("records"):
        colour = COLOURS[VERDICT_COLOURS.get(row["verdict"], "grey")]
        x, value = row["place"], scale * row["difference"]
        panel.vlines(
            x, scale * row["question_low"], scale * row["question_high"], color=colour, linewidth=3.2, alpha=0.28
        )
        panel.vlines(x, scale * row["low"], scale * row["high"], color=colour, linewidth=1.2)
        panel.plot(
            x, value, "o", color=colour, markeredgecolor=colour, markersize=4.6, zorder=3,
            fillstyle="left" if row["verdict"] == "these questions" else "full",
            markerfacecolor=colour if row["verdict"] not in ("not distinguishable", "one seed") else "white",
            markerfacecoloralt="white",
        )  # fmt: skip
    panel.set_xlim(-0.6, len(ticks) - 0.4)
    panel.grid(axis="x", visible=False)
