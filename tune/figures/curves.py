"""Learning curves of the best trials against the paper's recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from embedllm.figures import (
    COLOURS,
    METHOD_COLOURS,
    METHOD_LINES,
    METHOD_TITLES,
    count_on_log_axis,
    house_style,
    new_figure,
)
from tune.config import SweepConfig
from tune.figures.selection import NONE_COMPLETE, NotDrawn, best_first, comparable_trials, quantity_title
from tune.labels import config_label
from tune.records import TrialRecord
from tune.results.leaderboard import baseline_record

NAME = "curves"
TITLE = "Learning curves"
SHOWN = 5
METRICS = ("val_log_loss", "val_accuracy")
STYLES = (("blue", "-"), ("vermillion", "--"), ("green", "-."), ("orange", ":"), ("purple", "-"))
VISIBLE_DROP = 0.3
"""Share of the way from the first epoch to the last that the vertical axis shows: its end, where curves differ."""


@dataclass(frozen=True)
class Curve:
    """One trial's curves.

    Args:
        role: `trial` or `baseline`.
        trial: its number.
        label: its configuration in a few characters.
        values: metric -> one value per epoch, the mean over seeds.
        best_epoch: 1-based epoch whose parameters were kept.
    """

    role: str
    trial: int
    label: str
    values: dict[str, Sequence[float]]
    best_epoch: int | None


@dataclass(frozen=True)
class CurvesInfo:
    """What the figure shows: the best trials, the best first, then the baseline where it has finished."""

    curves: Sequence[Curve]

    def table(self) -> pd.DataFrame:
        """One row per trial and epoch: role, trial, epoch, a column per metric, kept."""
        rows = [
            {"role": curve.role, "trial": curve.trial, "epoch": epoch}
            | {metric: values[epoch - 1] for metric, values in curve.values.items()}
            | {"kept": epoch == curve.best_epoch}
            for curve in self.curves
            for epoch in range(1, max(map(len, curve.values.values())) + 1)
        ]
        return pd.DataFrame(rows)

    def caption(self) -> str:
        """What is to be seen."""
        trials = [curve for curve in self.curves if curve.role == "trial"]
        text = f"Validation metrics after every epoch, mean over seeds: the best {len(trials)} trials"
        if len(trials) < len(self.curves):
            text += " against the paper's recipe on the same data"
        return text + (
            ". Dots: the epoch whose parameters were kept. The axis of epochs is logarithmic; "
            "the first, worst values lie beyond the vertical axis."
        )


def curves_info(records: Sequence[TrialRecord], config: SweepConfig) -> CurvesInfo | NotDrawn:
    """What :func:`draw_curves` draws."""
    trials = best_first(comparable_trials(records, config.objective), config)
    if not trials:
        return NotDrawn(NAME, TITLE, NONE_COMPLETE)
    chosen = [trial for trial in trials[:SHOWN] if all(trial.curves.get(metric) for metric in METRICS)]
    if not chosen:
        return NotDrawn(NAME, TITLE, "the best trials have no values per epoch")
    baseline = baseline_record(records, config.objective)
    if baseline is not None and all(baseline.curves.get(metric) for metric in METRICS):
        chosen.append(baseline)
    return CurvesInfo([_curve(record) for record in chosen])


def _curve(record: TrialRecord) -> Curve:
    values = {metric: record.curves[metric] for metric in METRICS}
    return Curve(record.role, record.trial, config_label(record.config), values, record.best_epoch)


@house_style()
def draw_curves(info: CurvesInfo) -> Figure:
    """A panel per metric, one legend for both."""
    figure, panels = new_figure("double", height=3.2, ncols=len(METRICS))
    for panel, metric in zip(panels, METRICS, strict=True):
        _draw_panel(panel, info, metric)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def visible_values(values: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Lowest and highest value a panel shows: every last value, and the end of the way there.

    Args:
        values: of each curve, by epoch; all falling, or all rising.
    """
    every = [value for curve in values for value in curve]
    first, last = median(curve[0] for curve in values), [curve[-1] for curve in values]
    if median(last) <= first:
        return min(every), max(last) + VISIBLE_DROP * max(first - max(last), 0)
    return min(last) - VISIBLE_DROP * max(min(last) - first, 0), max(every)


def _draw_panel(panel: Axes, info: CurvesInfo, metric: str) -> None:
    for position, curve in enumerate(info.curves):
        colour, line = METHOD_COLOURS["paper"], METHOD_LINES["paper"]
        label = f"{METHOD_TITLES['paper']}: {curve.label}"
        if curve.role == "trial":
            name, line = STYLES[position]
            colour, label = COLOURS[name], f"trial {curve.trial}: {curve.label}"
        values = curve.values[metric]
        panel.plot(range(1, len(values) + 1), values, color=colour, linestyle=line, linewidth=1.3, label=label)
        if curve.best_epoch is not None and curve.best_epoch <= len(values):
            panel.plot(curve.best_epoch, values[curve.best_epoch - 1], "o", color=colour, markersize=4.5, zorder=5)
    low, high = visible_values([curve.values[metric] for curve in info.curves])
    margin = 0.05 * (high - low)
    if margin > 0:
        panel.set_ylim(low - margin, high + margin)
    count_on_log_axis(panel, "epoch")
    panel.set_ylabel(quantity_title(metric))
