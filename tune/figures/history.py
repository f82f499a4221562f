"""The search as it went: every trial's objective in order, the best so far, and the paper's recipe."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from embedllm.figures import COLOURS, METHOD_COLOURS, METHOD_LINES, METHOD_TITLES, house_style, new_figure
from tune.config import SweepConfig
from tune.figures.selection import NONE_COMPLETE, NotDrawn, better_word, quantity_title, visible_limit
from tune.records import TrialRecord
from tune.results.leaderboard import baseline_record, is_comparable

NAME = "history"
TITLE = "History of the search"


@dataclass(frozen=True)
class HistoryPoint:
    """One trial.

    Args:
        trial: its number.
        state: COMPLETE, PRUNED or FAIL.
        value: the objective; None where its full budget was not reached.
        best: the best value up to and including this trial; None before the first.
    """

    trial: int
    state: str
    value: float | None
    best: float | None


@dataclass(frozen=True)
class HistoryInfo:
    """What the figure shows.

    Args:
        objective: the metric.
        direction: `minimize` or `maximize`.
        points: finished trials by number.
        baseline: the paper's recipe on the same data; None where it has not finished.
    """

    objective: str
    direction: str
    points: Sequence[HistoryPoint]
    baseline: float | None

    def count(self, state: str) -> int:
        """Number of trials in a state."""
        return sum(point.state == state for point in self.points)

    def table(self) -> pd.DataFrame:
        """One row per trial, and one for the baseline."""
        rows = [("trial", point.trial, point.state, point.value, point.best) for point in self.points]
        if self.baseline is not None:
            rows.append(("baseline", 0, "COMPLETE", self.baseline, None))
        return pd.DataFrame(rows, columns=["role", "trial", "state", self.objective, "best_so_far"])

    def caption(self) -> str:
        """What is to be seen."""
        text = f"The search, trial by trial: {quantity_title(self.objective)} ({better_word(self.direction)} is better)"
        text += ", mean over seeds, and the best so far."
        unfinished = [f"{self.count(state)} {word}" for state, word in _UNFINISHED.items() if self.count(state)]
        if unfinished:
            text += f" Marks on the upper edge: {' and '.join(unfinished)} trials, which have no value to compare."
        if self.baseline is not None:
            text += f" Dashed: the paper's recipe on the same data, {self.baseline:.4f}."
        return text


_UNFINISHED = {"PRUNED": "pruned", "FAIL": "failed"}


def history_info(records: Sequence[TrialRecord], config: SweepConfig) -> HistoryInfo | NotDrawn:
    """What :func:`draw_history` draws. Lost trials, which were run again, and running ones are left out."""
    better = min if config.direction == "minimize" else max
    best: float | None = None
    points = []
    for record in sorted(records, key=lambda record: record.trial):
        if record.role != "trial" or record.state == "RUNNING" or record.lost:
            continue
        value = record.metrics[config.objective] if is_comparable(record, config.objective) else None
        if value is not None:
            best = value if best is None else better(best, value)
        points.append(HistoryPoint(record.trial, record.state, value, best))
    if best is None:
        return NotDrawn(NAME, TITLE, NONE_COMPLETE)
    baseline = baseline_record(records, config.objective)
    value = None if baseline is None else baseline.metrics[config.objective]
    return HistoryInfo(config.objective, config.direction, points, value)


@house_style()
def draw_history(info: HistoryInfo) -> Figure:
    """Points of complete trials, a step line of the best, marks of unfinished trials along the upper edge."""
    figure, axes = new_figure("double", height=2.9)
    values = {point.trial: point.value for point in info.points if point.value is not None}
    limit = visible_limit(list(values.values()), info.direction)
    sign = 1 if info.direction == "minimize" else -1
    inside = {trial: value for trial, value in values.items() if limit is None or sign * value <= sign * limit}
    axes.plot(
        list(inside), list(inside.values()), "o", color=COLOURS["sky"], markersize=3.5, label="complete", zorder=3
    )
    beyond = [trial for trial in values if trial not in inside]
    if beyond:
        marker = "^" if info.direction == "minimize" else "v"
        axes.plot(beyond, [limit] * len(beyond), marker, color=COLOURS["sky"], label="complete, beyond the axis")
    steps = [(point.trial, point.best) for point in info.points if point.best is not None]
    axes.step(
        *zip(*steps, strict=True), where="post", color=COLOURS["blue"], linewidth=1.6, label="best so far", zorder=4
    )
    if info.baseline is not None:
        style = {"color": METHOD_COLOURS["paper"], "linestyle": METHOD_LINES["paper"], "linewidth": 1.1}
        axes.axhline(info.baseline, label=METHOD_TITLES["paper"], zorder=2, **style)
    edge = axes.get_xaxis_transform()  # trials along the axis, heights as shares of it
    for state, marker, colour in (("PRUNED", "|", COLOURS["grey"]), ("FAIL", "x", COLOURS["vermillion"])):
        marked = [point.trial for point in info.points if point.state == state]
        if marked:
            at = [1.03] * len(marked)
            axes.plot(marked, at, marker, color=colour, transform=edge, clip_on=False, label=_UNFINISHED[state])
    axes.set(xlabel="trial", ylabel=quantity_title(info.objective))
    axes.margins(x=0.02, y=0.08)
    axes.xaxis.get_major_locator().set_params(integer=True)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 6))
    return figure
