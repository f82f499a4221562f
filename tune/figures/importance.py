"""Which axes of the search decide how good a trial is, and whether there are enough trials to say so.

PED-ANOVA (Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
Subspaces", IJCAI 2023) as in Optuna: how far the best trials' values on an axis are from those of all trials.
"""

import random
from collections.abc import Container, Sequence
from dataclasses import dataclass

import optuna
import pandas as pd
from matplotlib.figure import Figure
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from embedllm.figures import COLOURS, house_style, new_figure
from tune.config import SweepConfig
from tune.figures.axes import TITLES, SearchedAxis, searched_axes
from tune.figures.selection import NotDrawn, equal_budget, quantity_title
from tune.records import TrialRecord

NAME = "importance"
TITLE = "Importance of the searched axes"
EVALUATOR = "PED-ANOVA"
MIN_TRIALS = 20
"""Fewer comparable trials than this rank the axes by chance."""
MIN_BEST = 5
"""Trials the best group has at least, as PED-ANOVA's documentation asks for."""
SUBSAMPLES = 40
SUBSAMPLE_SHARE = 0.8


@dataclass(frozen=True)
class AxisImportance:
    """One bar.

    Args:
        axis: name of the axis.
        importance: share of the whole, all axes together 1.
        low: 10th percentile of the importance over subsamples of the trials.
        high: 90th percentile.
    """

    axis: str
    importance: float
    low: float
    high: float


@dataclass(frozen=True)
class ImportanceInfo:
    """What the figure shows.

    Args:
        objective: the metric.
        trials: number of comparable trials.
        epochs: the budget they share.
        best: number of trials in the best group, whose values are set against those of all.
        sampler: how the trials were proposed.
        axes: most important first.
    """

    objective: str
    trials: int
    epochs: int
    best: int
    sampler: str
    axes: Sequence[AxisImportance]

    def table(self) -> pd.DataFrame:
        """One row per axis."""
        rows = [(axis.axis, axis.importance, axis.low, axis.high, EVALUATOR, self.trials) for axis in self.axes]
        return pd.DataFrame(rows, columns=["axis", "importance", "low", "high", "evaluator", "trials"])

    def caption(self) -> str:
        """What is to be seen, by which method, from how many trials."""
        text = (
            f"Importance of the searched axes for {quantity_title(self.objective)}: {EVALUATOR} on n = {self.trials} "
            f"complete trials of {self.epochs} epochs each, the best {self.best} against all. Whiskers: 10th to 90th "
            f"percentile over {SUBSAMPLES} subsamples of {SUBSAMPLE_SHARE:.0%} of the trials."
        )
        if self.sampler in ("tpe", "cmaes"):
            text += (
                f" Trials of the sampler {self.sampler} crowd where results were good, so an axis it settled early "
                "looks unimportant; trials of `--sampler random` do not have that bias."
            )
        return text


def importance_info(records: Sequence[TrialRecord], config: SweepConfig) -> ImportanceInfo | NotDrawn:
    """What :func:`draw_importance` draws; refused below :data:`MIN_TRIALS` comparable trials of equal budget."""
    epochs, trials = equal_budget(records, config.objective)
    if len(trials) < MIN_TRIALS:
        have = f"there are {len(trials)}" + (f" (of {epochs} epochs)" if trials else "")
        return NotDrawn(
            NAME,
            TITLE,
            f"it needs {MIN_TRIALS} complete trials of equal budget and {have}: with fewer, which axis comes first is "
            "mostly chance",
        )
    axes = searched_axes(config, trials)
    if len(axes) < 2:
        return NotDrawn(NAME, TITLE, "it needs at least two axes on which the trials differ")
    sign = 1 if config.direction == "minimize" else -1
    losses = [sign * trial.metrics[config.objective] for trial in trials]
    study = _as_study(axes, losses)
    everything = study.get_trials(deepcopy=False)
    whole = _importances(study, everything)
    generator = random.Random(0)
    size = round(SUBSAMPLE_SHARE * len(trials))
    subsamples = [_importances(study, generator.sample(everything, size)) for _ in range(SUBSAMPLES)]
    bars = []
    for axis, importance in whole.items():
        spread = sorted(subsample[axis] for subsample in subsamples)
        bars.append(AxisImportance(axis, importance, spread[SUBSAMPLES // 10], spread[-1 - SUBSAMPLES // 10]))
    bars.sort(key=lambda bar: -bar.importance)
    return ImportanceInfo(config.objective, len(trials), epochs, _best_count(len(trials)), config.sampler, bars)


def _best_count(trials: int) -> int:
    return max(MIN_BEST, round(0.1 * trials))


class _Chosen(optuna.Study):
    """Some trials of a study. Copying them into one of their own takes longer than evaluating them."""

    def __init__(self, study: optuna.Study, trials: list[FrozenTrial]) -> None:
        super().__init__(study.study_name, study._storage)
        self._chosen = trials

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """The chosen ones, all of them complete."""
        return self._chosen


def _as_study(axes: Sequence[SearchedAxis], losses: Sequence[float]) -> optuna.Study:
    """The trials as Optuna's evaluators want them."""
    study = optuna.create_study(direction="minimize")
    distributions = {axis.name: _distribution(axis) for axis in axes}
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={axis.name: axis.values[index] for axis in axes}, distributions=distributions, value=loss
            )
            for index, loss in enumerate(losses)
        ]
    )
    return study


def _importances(study: optuna.Study, trials: list[FrozenTrial]) -> dict[str, float]:
    """Axis name -> importance from some of the study's trials."""
    evaluator = PedAnovaImportanceEvaluator(target_quantile=_best_count(len(trials)) / len(trials))
    return get_param_importances(_Chosen(study, trials), evaluator=evaluator)


def _distribution(axis: SearchedAxis) -> BaseDistribution:
    if axis.categories:
        return CategoricalDistribution(axis.categories)
    if all(isinstance(value, int) for value in axis.values):
        return IntDistribution(int(axis.low), int(axis.high), log=axis.scale == "log")
    return FloatDistribution(axis.low, axis.high, log=axis.scale == "log")


@house_style()
def draw_importance(info: ImportanceInfo) -> Figure:
    """Bars, the longest on top."""
    figure, axes = new_figure("single", height=0.75 + 0.27 * len(info.axes))
    places = range(len(info.axes))
    lengths = [bar.importance for bar in info.axes]
    axes.barh(places, lengths, height=0.62, color=COLOURS["sky"], edgecolor=COLOURS["blue"])
    for place, bar in enumerate(info.axes):
        axes.plot([bar.low, bar.high], [place, place], "|-", color=COLOURS["ink"], linewidth=0.9, markersize=5)
        text = f"{bar.importance:.2f}"
        end = max(bar.importance, bar.high)
        axes.annotate(text, (end, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_yticks(places, [TITLES[bar.axis] for bar in info.axes])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_xlim(0, 1.2 * max(max(bar.importance, bar.high) for bar in info.axes))
    axes.invert_yaxis()
    axes.set_xlabel(f"importance ({EVALUATOR}, n = {info.trials})")
    return figure
