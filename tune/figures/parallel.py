"""Parallel coordinates: every trial a line through its values on all searched axes, coloured by the objective."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from embedllm.figures import COLOURS, house_style, new_figure, sequential_cmap
from tune.config import SweepConfig
from tune.figures.axes import SearchedAxis, log_ticks, number_label, searched_axes, shortened
from tune.figures.selection import (
    NONE_COMPLETE,
    NotDrawn,
    best_first,
    better_word,
    comparable_trials,
    quantity_title,
    visible_limit,
)
from tune.records import TrialRecord

NAME = "parallel"
TITLE = "Parallel coordinates"
HIGHLIGHTED = 3
SPREAD = 0.025
"""Half-width, as a share of the axis, over which lines through one category are spread."""
STEPS = 24
"""Points per curve between two axes."""


@dataclass(frozen=True)
class ParallelInfo:
    """What the figure shows.

    Args:
        objective: the metric.
        direction: `minimize` or `maximize`.
        trials: numbers of the trials, the best first.
        values: the objective of each.
        axes: the searched axes; their values belong to `trials`.
        limit: the worst objective the last axis reaches to; worse trials end on it.
    """

    objective: str
    direction: str
    trials: Sequence[int]
    values: Sequence[float]
    axes: Sequence[SearchedAxis]
    limit: float

    def table(self) -> pd.DataFrame:
        """One row per trial, the best first: its number, a column per axis, the objective."""
        columns: dict[str, Sequence[object]] = {"trial": self.trials} | {axis.name: axis.values for axis in self.axes}
        return pd.DataFrame(columns | {self.objective: self.values})

    def caption(self) -> str:
        """What is to be seen."""
        best = min(HIGHLIGHTED, len(self.trials))
        text = (
            f"The {len(self.trials)} complete trials as lines through their values on each searched axis; the darker, "
            f"the better {quantity_title(self.objective)} ({better_word(self.direction)} is better). "
            f"The best {best} are thick."
        )
        beyond = sum(self.depth(value) > 1 for value in self.values)
        if beyond:
            text += f" {beyond} far worse than the others end on the edge of the last axis."
        return text

    def depth(self, value: float) -> float:
        """How far a value of the objective is from the best, as a share of the last axis; above 1 beyond its end."""
        span = abs(self.limit - self.values[0])
        return abs(value - self.values[0]) / span if span else 0.0


def parallel_info(records: Sequence[TrialRecord], config: SweepConfig) -> ParallelInfo | NotDrawn:
    """What :func:`draw_parallel` draws."""
    trials = best_first(comparable_trials(records, config.objective), config)
    if not trials:
        return NotDrawn(NAME, TITLE, NONE_COMPLETE)
    axes = searched_axes(config, trials)
    if len(axes) < 2:
        return NotDrawn(NAME, TITLE, "it needs at least two axes on which the complete trials differ")
    values = [trial.metrics[config.objective] for trial in trials]
    limit = visible_limit(values, config.direction)
    numbers = [trial.trial for trial in trials]
    return ParallelInfo(
        config.objective, config.direction, numbers, values, axes, values[-1] if limit is None else limit
    )


@house_style()
def draw_parallel(info: ParallelInfo) -> Figure:
    """Smooth lines, the best drawn last; the objective is the last axis, its better end on top."""
    figure, axes = new_figure("double", height=3.3)
    depths = np.minimum([info.depth(value) for value in info.values], 1)
    heights = np.column_stack([_heights(axis, info.trials) for axis in info.axes] + [1 - depths])
    colours = sequential_cmap()(Normalize(0, 1)(0.12 + 0.88 * (1 - depths)))
    where, curves = _smooth(heights)
    for position in reversed(range(len(info.trials))):
        thick = position < HIGHLIGHTED
        axes.plot(
            where,
            curves[position],
            color=colours[position],
            linewidth=2.0 if thick else 0.8,
            alpha=0.95 if thick else 0.7,
        )
    _rulers(axes, info)
    return figure


def _heights(axis: SearchedAxis, trials: Sequence[int]) -> np.ndarray:
    """Where the trials cross an axis, from 0 to 1; those of one category side by side."""
    shares = np.array([axis.share(value) for value in axis.values])
    if not axis.categories:
        return shares
    order = np.argsort(np.argsort(trials)) / max(len(trials) - 1, 1)
    return SPREAD + (1 - 2 * SPREAD) * shares + SPREAD * (2 * order - 1)


def _smooth(heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Curves through the crossings, level at each axis: positions (points,), heights (trials, points)."""
    share = np.arange(STEPS) / STEPS
    bend = share * share * (3 - 2 * share)
    pieces = heights[:, :-1, None] + (heights[:, 1:, None] - heights[:, :-1, None]) * bend
    where = (np.arange(heights.shape[1] - 1)[:, None] + share).ravel()
    curves = np.concatenate([pieces.reshape(len(heights), -1), heights[:, -1:]], axis=1)
    return np.append(where, heights.shape[1] - 1), curves


def _rulers(axes: Axes, info: ParallelInfo) -> None:
    """A vertical ruler with ticks per axis, instead of the figure's own axes."""
    rulers = [(axis.title, _ticks(axis)) for axis in info.axes]
    ends = sorted((info.values[0], info.limit))
    marks = [mark for mark in MaxNLocator(5).tick_values(*ends) if ends[0] <= mark <= ends[1]]
    rulers.append((quantity_title(info.objective), [(1 - info.depth(mark), f"{mark:g}") for mark in marks]))
    for place, (title, ticks) in enumerate(rulers):
        axes.plot([place, place], [0, 1], color=COLOURS["ink"], linewidth=0.8, zorder=5)
        last = place == len(rulers) - 1
        for height, label in ticks:
            axes.plot([place, place + 0.02], [height, height], color=COLOURS["ink"], linewidth=0.6, zorder=5)
            axes.annotate(
                label,
                (place + 0.03, height),
                va="center",
                fontsize=6.5,
                zorder=6,
                bbox=None if last else {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
            )
        axes.annotate(
            title.replace(" ", "\n", 1), (place, 1.05), ha="center", va="bottom", fontsize=7.5, fontweight="bold"
        )
    axes.set(xlim=(-0.1, len(rulers) - 0.55), ylim=(-0.04, 1.2))
    axes.axis("off")


def _ticks(axis: SearchedAxis) -> list[tuple[float, str]]:
    """Height and label of each tick of a ruler."""
    if axis.categories:
        return [
            (SPREAD + (1 - 2 * SPREAD) * axis.share(value), shortened(label))
            for value, label in zip(axis.categories, axis.labels, strict=True)
        ]
    if axis.scale == "log":
        return [(axis.share(mark), label) for mark, label in log_ticks(axis.low, axis.high)]
    marks = [mark for mark in MaxNLocator(5).tick_values(axis.low, axis.high) if axis.low <= mark <= axis.high]
    return [(axis.share(mark), number_label(mark)) for mark in marks]
