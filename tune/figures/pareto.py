"""The Pareto front of a sweep with several objectives: what each costs in terms of the others."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from embedllm.figures import (
    COLOURS,
    METHOD_COLOURS,
    METHOD_LINES,
    METHOD_MARKERS,
    METHOD_TITLES,
    house_style,
    new_figure,
)
from tune.config import SweepConfig
from tune.figures.axes import number_label, roomy_log_ticks
from tune.figures.selection import NONE_COMPLETE, NotDrawn, better_word, quantity_title, sentence, visible_limit
from tune.records import TrialRecord
from tune.results.leaderboard import baseline_record
from tune.results.pareto import comparable_trials, compares_budgets, objective_value, pareto_front
from tune.search.objectives import COSTS, Objective

NAME = "pareto"
TITLE = "Pareto front"
COUNTS = ("training_questions", "embedding_dim", "epochs", "parameters")
LABEL_SPACE = (20, 11)
"""Points, across and up, that a trial's number takes."""

BESIDE = 45
"""Points of a panel's place that ticks, labels and legend take."""

NARROW = 200
"""Points across, below which a panel has room for few ticks."""


@dataclass(frozen=True)
class ParetoPoint:
    """One trial, or the baseline.

    Args:
        role: `trial` or `baseline`.
        trial: its number.
        epochs: its full budget; only points of the same budget are compared.
        values: one per objective; NaN where the baseline has none.
        front: whether no other trial is as good in all objectives and better in one.
    """

    role: str
    trial: int
    epochs: int
    values: tuple[float, ...]
    front: bool


@dataclass(frozen=True)
class ParetoInfo:
    """What the figure shows: the objectives, every complete trial by number, and the baseline where it has finished."""

    objectives: Sequence[Objective]
    points: Sequence[ParetoPoint]
    baseline: ParetoPoint | None

    @property
    def front(self) -> list[ParetoPoint]:
        """The points of the front, the best in the first objective first."""
        sign = self.objectives[0].sign
        return sorted((point for point in self.points if point.front), key=lambda point: sign * point.values[0])

    def visible(self, which: int) -> tuple[float, float]:
        """Lowest and highest value of an objective that is shown: front, baseline, and what is not far worse."""
        objective = self.objectives[which]
        values = [point.values[which] for point in self.points]
        needed = [point.values[which] for point in self.front]
        if self.baseline is not None and math.isfinite(self.baseline.values[which]):
            needed.append(self.baseline.values[which])
        limit = None if objective.name in COSTS else visible_limit(values, objective.direction)
        needed += values if limit is None else [value for value in values if objective.sign * (value - limit) <= 0]
        return min(needed), max(needed)

    @property
    def beyond(self) -> int:
        """Number of trials that are not shown because they are far worse than the others in an objective."""
        ranges = [self.visible(which) for which in range(len(self.objectives))]
        return sum(
            any(not low <= value <= high for value, (low, high) in zip(point.values, ranges, strict=True))
            for point in self.points
        )

    def table(self) -> pd.DataFrame:
        """One row per trial, the front first, and one for the baseline: role, trial, epochs, the objectives, front."""
        rest = [point for point in self.points if not point.front]
        points = [*self.front, *rest, *([self.baseline] if self.baseline is not None else [])]
        names = [objective.name for objective in self.objectives]
        if "epochs" in names:
            names[names.index("epochs")] = "epochs_objective"
        rows = [(point.role, point.trial, point.epochs, *point.values, point.front) for point in points]
        frame = pd.DataFrame(rows, columns=["role", "trial", "epochs", *names, "front"])
        counts = [name for name in names if name.removesuffix("_objective") in COUNTS]
        return frame.astype(dict.fromkeys(counts, "Int64"))

    def caption(self) -> str:
        """What is to be seen."""
        goals = [f"{quantity_title(goal.name)} ({better_word(goal.direction)} is better)" for goal in self.objectives]
        text = (
            f"{sentence(', '.join(goals[:-1]))} and {goals[-1]} of the {len(self.points)} complete trials. "
            f"Filled: the Pareto front, {len(self.front)} trials; no other is at least as good as one of them in all "
            "objectives and better in one. Numbers are those of the trials."
        )
        if len(self.objectives) == 2:
            text += " The line is the best that can be reached at each cost."
        if len({point.epochs for point in self.front}) > 1 and not compares_budgets(self.objectives):
            text += " Trials with different numbers of epochs are not compared: each number has a front of its own."
        if self.beyond:
            text += f" {self.beyond} far worse than the others lie beyond the axes."
        if self.baseline is not None:
            text += " The paper's recipe on the same data is not a candidate: it was not part of the search."
        return text


def pareto_info(records: Sequence[TrialRecord], config: SweepConfig) -> ParetoInfo | NotDrawn:
    """What :func:`draw_pareto` draws."""
    objectives = config.goals
    if len(objectives) < 2:
        hint = "`--objectives val_log_loss:min,training_questions:min` asks how many evaluations are needed"
        return NotDrawn(NAME, TITLE, f"the sweep has one objective; {hint}")
    trials = sorted(comparable_trials(records, objectives), key=lambda record: record.trial)
    if not trials:
        return NotDrawn(NAME, TITLE, NONE_COMPLETE)
    front = {record.trial for record in pareto_front(records, objectives)}
    baseline = baseline_record(records, objectives[0].name)
    return ParetoInfo(
        objectives,
        [_point(record, objectives, record.trial in front) for record in trials],
        None if baseline is None else _point(baseline, objectives, False),
    )


def _point(record: TrialRecord, objectives: Sequence[Objective], front: bool) -> ParetoPoint:
    values = [objective_value(record, objective.name) for objective in objectives]
    known = tuple(math.nan if value is None else value for value in values)
    return ParetoPoint(record.role, record.trial, record.config.epochs, known, front)


@house_style()
def draw_pareto(info: ParetoInfo) -> Figure:
    """A panel per pair of objectives: the first of the pair upwards, the second to the right."""
    pairs = list(itertools.combinations(range(len(info.objectives)), 2))
    columns = min(len(pairs), 3)
    rows = math.ceil(len(pairs) / columns)
    height = 3.4 if len(pairs) == 1 else 2.5 * rows + 0.3
    figure, grid = new_figure("double", height=height, ncols=columns, nrows=rows, squeeze=False)
    for panel, pair in zip(grid.flat, pairs, strict=False):
        _draw_panel(panel, info, *pair)
    for unused in list(grid.flat)[len(pairs) :]:
        unused.remove()
    # A baseline without a value in some objective is a diamond here and a line there.
    known = [panel.get_legend_handles_labels() for panel in grid.flat[: len(pairs)]]
    by_look = {
        (label, handle.get_marker()): (handle, label) for each in known for handle, label in zip(*each, strict=True)
    }
    handles, labels = zip(*by_look.values(), strict=True)
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _draw_panel(panel: Axes, info: ParetoInfo, upward: int, rightward: int) -> None:
    rest = [point for point in info.points if not point.front]
    for points, filled, edge, label in (
        (rest, "white", COLOURS["grey"], "dominated"),
        (info.front, COLOURS["blue"], COLOURS["blue"], "Pareto front"),
    ):
        across, up = [[point.values[which] for point in points] for which in (rightward, upward)]
        panel.plot(across, up, "o", markersize=4.5, markerfacecolor=filled, markeredgecolor=edge, label=label, zorder=4)
    for which, axis in ((rightward, panel.xaxis), (upward, panel.yaxis)):
        _scale(panel, axis, info, which)
    if len(info.objectives) == 2:
        for steps in _steps(info):
            across, up = [[point.values[which] for point in steps] for which in (rightward, upward)]
            panel.step(across, up, where="post", color=COLOURS["blue"], linewidth=1.2, zorder=3)
    if info.baseline is not None:
        _draw_baseline(panel, info.baseline.values[rightward], info.baseline.values[upward])
    _name_front(panel, info, upward, rightward)


def _steps(info: ParetoInfo) -> list[list[ParetoPoint]]:
    """The front of each budget, from the cheapest in the second objective on."""
    apart = not compares_budgets(info.objectives)
    fronts: dict[int, list[ParetoPoint]] = {}
    for point in sorted(info.front, key=lambda point: info.objectives[1].sign * point.values[1]):
        fronts.setdefault(point.epochs if apart else 0, []).append(point)
    return list(fronts.values())


def _scale(panel: Axes, axis: Axis, info: ParetoInfo, which: int) -> None:
    """Costs over more than a decade on a logarithmic axis; of metrics the part where trials are not far worse."""
    name, across = info.objectives[which].name, axis is panel.xaxis
    axis.set_label_text(quantity_title(name))
    points = _size(panel)[0 if across else 1]
    margin = (LABEL_SPACE[0 if across else 1] + 6) / points  # a trial's number beside the outermost point
    low, high = info.visible(which)
    set_limits = panel.set_xlim if across else panel.set_ylim
    if name in COSTS and 0 < 10 * low < high:
        (panel.set_xscale if across else panel.set_yscale)("log")
        room = (high / low) ** margin
        set_limits(low / room, high * room)
        places, labels = zip(*roomy_log_ticks(low, high, points), strict=True)
        axis.set_ticks(places, labels)
        axis.set_minor_formatter(NullFormatter())
        axis.set_label_text(f"{quantity_title(name)} (log scale)")
        return
    if name in COSTS:
        axis.set_major_locator(MaxNLocator(nbins=4 if points < NARROW else 8, integer=name in COUNTS))
        axis.set_major_formatter(FuncFormatter(lambda value, _: number_label(value)))
    if high > low:
        set_limits(low - margin * (high - low), high + margin * (high - low))


def _size(panel: Axes) -> tuple[float, float]:
    """Points across and up that a panel has, about: its place without what is written beside its axes."""
    rows, columns = panel.get_subplotspec().get_gridspec().get_geometry()  # type: ignore[union-attr]
    width, height = panel.figure.get_size_inches()  # type: ignore[union-attr]
    return 72 * width / columns - BESIDE, 72 * height / rows - BESIDE


def _name_front(panel: Axes, info: ParetoInfo, upward: int, rightward: int) -> None:
    """Trial numbers beside the front, on its side where no trial can be; those that would overlap are left out."""
    width, height = _size(panel)
    right, above = -info.objectives[rightward].sign, -info.objectives[upward].sign
    to_share = panel.transData + panel.transAxes.inverted()
    named: list[tuple[float, float]] = []
    for point in sorted(info.front, key=lambda point: point not in (info.front[0], info.front[-1])):
        across, up = to_share.transform((point.values[rightward], point.values[upward])) * (width, height)
        if any(abs(across - x) < LABEL_SPACE[0] and abs(up - y) < LABEL_SPACE[1] for x, y in named):
            continue
        named.append((across, up))
        text = panel.annotate(
            str(point.trial),
            (point.values[rightward], point.values[upward]),
            xytext=(4 * right, 4 * above),
            textcoords="offset points",
            ha="left" if right > 0 else "right",
            va="bottom" if above > 0 else "top",
            fontsize=7,
            zorder=6,
        )
        text.set_path_effects([withStroke(linewidth=2, foreground="white")])


def _draw_baseline(panel: Axes, across: float, up: float) -> None:
    """A diamond, or a line where the baseline has no value in one of the two: it used all training questions."""
    colour, label = METHOD_COLOURS["paper"], METHOD_TITLES["paper"]
    if math.isfinite(across) and math.isfinite(up):
        panel.plot(across, up, METHOD_MARKERS["paper"], color=colour, linestyle="none", label=label, zorder=4)
    elif math.isfinite(up):
        panel.axhline(up, color=colour, linestyle=METHOD_LINES["paper"], linewidth=0.9, label=label, zorder=2)
    elif math.isfinite(across):
        panel.axvline(across, color=colour, linestyle=METHOD_LINES["paper"], linewidth=0.9, label=label, zorder=2)
