"""The objective against every searched axis, a panel each: where good values lie, and where a range ends too soon."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from embedllm.figures import (
    COLOURS,
    METHOD_COLOURS,
    METHOD_LINES,
    house_style,
    new_figure,
    sequential_cmap,
)
from tune.config import SweepConfig
from tune.figures.axes import SearchedAxis, log_ticks, searched_axes, shortened
from tune.figures.selection import (
    NONE_COMPLETE,
    NotDrawn,
    best_first,
    better_word,
    comparable_trials,
    quantity_title,
    sentence,
    visible_limit,
)
from tune.records import TrialRecord
from tune.results.leaderboard import baseline_record

NAME = "slice"
TITLE = "Objective against each axis"
COLUMNS = 4
JITTER = 0.18
"""Half-width over which trials of one category are spread, so that they can be told apart."""
GOLDEN = 0.618034
"""Multiples of the golden ratio spread evenly over an interval; a trial always lands in the same place."""


@dataclass(frozen=True)
class SliceInfo:
    """What the figure shows.

    Args:
        objective: the metric.
        direction: `minimize` or `maximize`.
        trials: numbers of the trials, ascending.
        values: the objective of each.
        axes: the searched axes; their values belong to `trials`.
        best: position of the best trial.
        baseline: the paper's recipe on the same data; None where it has not finished.
    """

    objective: str
    direction: str
    trials: Sequence[int]
    values: Sequence[float]
    axes: Sequence[SearchedAxis]
    best: int
    baseline: float | None

    def table(self) -> pd.DataFrame:
        """One row per trial: its number, the objective, and a column per axis."""
        columns: dict[str, Sequence[object]] = {"trial": self.trials, self.objective: self.values}
        return pd.DataFrame(columns | {axis.name: axis.values for axis in self.axes})

    def caption(self) -> str:
        """What is to be seen."""
        text = (
            f"{sentence(quantity_title(self.objective))} ({better_word(self.direction)} is better) of the "
            f"{len(self.trials)} complete trials against each searched axis; later trials are darker, the best is "
            "ringed, triangles lie beyond the axis. Good trials at the end of a range suggest a wider one."
        )
        if self.baseline is not None:
            text += f" Dashed: the paper's recipe on the same data, {self.baseline:.4f}."
        return text


def slice_info(records: Sequence[TrialRecord], config: SweepConfig) -> SliceInfo | NotDrawn:
    """What :func:`draw_slice` draws."""
    trials = comparable_trials(records, config.objective)
    if not trials:
        return NotDrawn(NAME, TITLE, NONE_COMPLETE)
    axes = searched_axes(config, trials)
    if not axes:
        return NotDrawn(NAME, TITLE, "the complete trials do not differ on any axis")
    baseline = baseline_record(records, config.objective)
    return SliceInfo(
        config.objective,
        config.direction,
        [trial.trial for trial in trials],
        [trial.metrics[config.objective] for trial in trials],
        axes,
        trials.index(best_first(trials, config)[0]),
        None if baseline is None else baseline.metrics[config.objective],
    )


@house_style()
def draw_slice(info: SliceInfo) -> Figure:
    """Panels in rows of :data:`COLUMNS`, one vertical axis for all."""
    columns = 3 if len(info.axes) in (5, 6) else min(COLUMNS, len(info.axes))
    rows = math.ceil(len(info.axes) / columns)
    width: Literal["single", "double"] = "double" if columns > 2 else "single"
    figure, grid = new_figure(width, height=1.95 * rows + 0.3, ncols=columns, nrows=rows, sharey=True, squeeze=False)
    panels = list(grid.flat)
    for panel, axis in zip(panels, info.axes, strict=False):
        points = _draw_panel(panel, info, axis)
    for unused in panels[len(info.axes) :]:
        unused.remove()
    for row in grid:
        row[0].set_ylabel(quantity_title(info.objective))
    bar = figure.colorbar(points, ax=panels[: len(info.axes)], shrink=0.8, aspect=30, pad=0.01)
    bar.set_label("trial")
    bar.outline.set_visible(False)
    return figure


def _draw_panel(panel: Axes, info: SliceInfo, axis: SearchedAxis) -> PathCollection:
    """The trials on one axis; those far worse than most are triangles on the edge."""
    values = np.asarray(info.values)
    places = np.array([axis.place(value) for value in axis.values])
    if axis.categories:
        places += JITTER * (2 * (np.asarray(info.trials) * GOLDEN % 1) - 1)
    limit = visible_limit(info.values, info.direction)
    sign = 1 if info.direction == "minimize" else -1
    beyond = np.zeros(len(values), bool) if limit is None else sign * values > sign * limit
    colours = np.asarray(info.trials)
    norm = Normalize(colours.min(), colours.max())
    marker = "^" if info.direction == "minimize" else "v"
    for which, shape, heights in ((beyond, marker, np.full(len(values), limit)), (~beyond, "o", values)):
        points = panel.scatter(
            places[which],
            heights[which],
            s=15,
            c=colours[which],
            norm=norm,
            cmap=sequential_cmap(),
            marker=shape,
            edgecolors=COLOURS["grey"],
            linewidths=0.3,
            zorder=3,
        )
    best = info.best
    panel.plot(
        places[best], values[best], "o", markersize=8, markerfacecolor="none", color=COLOURS["vermillion"], zorder=4
    )
    if info.baseline is not None:
        panel.axhline(info.baseline, color=METHOD_COLOURS["paper"], linestyle=METHOD_LINES["paper"], linewidth=0.9)
    if axis.categories:
        panel.set_xticks(range(len(axis.categories)), [shortened(label) for label in axis.labels])
        panel.set_xlim(-0.5, len(axis.categories) - 0.5)
        panel.grid(False, axis="x")
    elif axis.scale == "log":
        panel.set_xscale("log")
        panel.set_xticks(*zip(*log_ticks(axis.low, axis.high, most=4), strict=True))
        panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel(axis.title)
    panel.margins(x=0.06)
    return points
