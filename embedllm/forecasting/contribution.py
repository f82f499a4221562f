"""The contribution matrix (paper §6.2): how much questions of benchmark i help to forecast accuracy on benchmark j."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from embedllm.errors import DataError
from embedllm.evaluation.paired import ROUNDING, holm, t_interval
from embedllm.forecasting.folds import ModelFolds
from embedllm.forecasting.least_squares import Ridge, predict_folds_each


@dataclass(frozen=True)
class ContributionMatrix:
    """C[i, j] = total test MSE of forecasting j without i and j, minus that without j alone; positive: i helps.

    "Total" is the sum over the folds, as in the paper: with 100 folds, 100 times the mean. Diagonals are NaN.
    """

    benchmarks: tuple[str, ...]
    contribution: np.ndarray
    """float64 of shape (contributors, targets), mean over seeds."""
    low: np.ndarray
    """Lower end of each cell's interval, same shape."""
    high: np.ndarray
    """Upper end of each cell's interval, same shape."""
    p_value: np.ndarray
    """Two-sided, of each cell alone, same shape; with several seeds no smaller than that of the t test over seeds."""
    p_adjusted: np.ndarray
    """Holm-adjusted over all cells, same shape."""
    full_mse: np.ndarray
    """float64 of shape (targets,), total test MSE with only the target left out, mean over seeds."""
    seeds: int
    repeats: int
    confidence: float

    def table(self) -> pd.DataFrame:
        """One row per cell off the diagonal: contributor, target, contribution, low, high, p_value, p_adjusted."""
        off = [(i, j) for i in range(len(self.benchmarks)) for j in range(len(self.benchmarks)) if i != j]
        rows = [
            {
                "contributor": self.benchmarks[i],
                "target": self.benchmarks[j],
                "contribution": self.contribution[i, j],
                "low": self.low[i, j],
                "high": self.high[i, j],
                "p_value": self.p_value[i, j],
                "p_adjusted": self.p_adjusted[i, j],
                "full_mse": self.full_mse[j],
                "seeds": self.seeds,
                "repeats": self.repeats,
            }
            for i, j in off
        ]
        return pd.DataFrame(rows)


def contribution_matrices(
    benchmarks: Sequence[str],
    features: Mapping[frozenset[str], np.ndarray],
    accuracy: np.ndarray,
    ridges: Sequence[Ridge],
    *,
    repeats: int = 100,
    test_share: float = 0.2,
    seed: int = 0,
    confidence: float = 0.95,
    trained: Mapping[frozenset[str], np.ndarray] | None = None,
) -> list[ContributionMatrix]:
    """Compare forecasts of every benchmark from features trained with and without each other one.

    Every forecast of a target uses the same folds, so the two errors of a cell pair. Interval and p-value of a cell are
    those of :func:`total_interval`.

    Args:
        benchmarks: names, at least two; rows and columns of the result.
        features: {j} -> features trained without j, and {i, j} -> without both, for all pairs: float of shape
            (seeds, models, width), or (models, width) for one seed.
        accuracy: float of shape (models, benchmarks) in [0, 1], columns as `benchmarks`; NaN where a model was never
            graded, which leaves it out of that target's folds.
        ridges, repeats, test_share, seed: see :func:`forecasting.forecast_each`.
        confidence: coverage of each cell's interval.
        trained: for the same keys as `features`, bool of shape (models,): models that those features were learned for.
            A target is forecast for models with all the features that its cells compare; None = all have them.

    Returns:
        A matrix per penalty.

    Raises:
        DataError: for fewer than two benchmarks, missing or misshapen features, or too few models.
    """
    names = tuple(benchmarks)
    stacked = _checked(names, features, accuracy, trained)
    usable = {name: ~np.isnan(accuracy[:, j]) for j, name in enumerate(names)}
    for left_out, learned in trained.items() if trained else ():
        for name in usable.keys() & left_out if left_out in stacked else ():
            usable[name] &= learned
    folds = {
        name: ModelFolds.draw(np.flatnonzero(kept), repeats=repeats, test_share=test_share, seed=seed)
        for name, kept in usable.items()
    }
    errors = _errors(names, stacked, np.nan_to_num(accuracy.T), folds, ridges)
    return [_compare(names, of_ridge, folds, len(next(iter(stacked.values()))), confidence) for of_ridge in errors]


Errors = dict[tuple[frozenset[str], str], np.ndarray]
"""(benchmarks left out, target) -> mean squared test error: float64 of shape (seeds, repeats)."""


def _errors(
    names: tuple[str, ...],
    stacked: Mapping[frozenset[str], np.ndarray],
    known: np.ndarray,
    folds: Mapping[str, ModelFolds],
    ridges: Sequence[Ridge],
) -> list[Errors]:
    """Of every penalty, the errors of every forecast that the matrix compares."""
    errors: list[Errors] = [{} for _ in ridges]
    for left_out, per_seed in stacked.items():
        # Targets with the same folds share the algebra of the features.
        for group in _by_folds([name for name in names if name in left_out], folds):
            truths, fold = known[[names.index(name) for name in group]], folds[group[0]]
            predictions = [predict_folds_each(one, truths, fold, ridges) for one in per_seed]
            for place, of_ridge in enumerate(errors):
                squared = [np.square(one[place] - truths[:, fold.test]).mean(axis=2) for one in predictions]
                for target, name in enumerate(group):
                    of_ridge[left_out, name] = np.stack([error[target] for error in squared])
    return errors


def _compare(
    names: tuple[str, ...], errors: Errors, folds: Mapping[str, ModelFolds], seeds: int, confidence: float
) -> ContributionMatrix:
    count = len(names)
    contribution, low, high, p_value = (np.full((count, count), np.nan) for _ in range(4))
    for i, contributor in enumerate(names):
        for j, target in enumerate(names):
            if i == j:
                continue
            gain = errors[frozenset({contributor, target}), target] - errors[frozenset({target}), target]
            cell = total_interval(gain, folds[target].test_train_ratio, confidence)
            contribution[i, j], low[i, j], high[i, j], p_value[i, j] = cell
    return ContributionMatrix(
        benchmarks=names,
        contribution=contribution,
        low=low,
        high=high,
        p_value=p_value,
        p_adjusted=holm(p_value.ravel()).reshape(count, count),
        full_mse=np.array([errors[frozenset({name}), name].sum(axis=1).mean() for name in names]),
        seeds=seeds,
        repeats=next(iter(folds.values())).repeats,
        confidence=confidence,
    )


def total_interval(gain: np.ndarray, ratio: float, confidence: float = 0.95) -> tuple[float, float, float, float]:
    """Sum over folds, mean over seeds, with an interval that holds the luck of models and of training.

    Two tests have to agree, and the wider interval and the larger p-value are returned, so that the interval excludes 0
    exactly where p is below 1 - confidence:

    - of models and seeds together. The variance is the sum of two parts, with Welch-Satterthwaite degrees of freedom:
      between seeds (of the mean over folds), and between folds (of the mean over seeds) with the correction of Nadeau &
      Bengio (2003) for their overlap;
    - of seeds alone: the t test of the seeds' totals. Two or three seeds often agree by luck. The first test then takes
      the luck of training for nothing, and its degrees of freedom for those of the folds; alone it would claim too
      much, and most of all at the small levels of Holm's adjustment.

    With one seed the luck of training is in neither. Ends and p-value are NaN where there is no spread to judge by: one
    fold, the same difference other than 0 everywhere, or the same total for every seed.

    Args:
        gain: float of shape (seeds, repeats), differences of mean squared errors of accuracies.
        ratio: models tested per model trained on.
        confidence: coverage of the interval, in (0, 1).

    Returns:
        The total, the interval's ends, and the two-sided p-value.
    """
    # Accuracies are in [0, 1]: errors that differ by less differ by rounding.
    gain = np.where(np.abs(gain) <= ROUNDING**2, 0.0, gain)
    seeds, repeats = gain.shape
    total = float(gain.sum(axis=1).mean())
    if repeats < 2:
        return total, np.nan, np.nan, np.nan
    parts = [(gain.mean(axis=0).var(ddof=1) * (1 / repeats + ratio), repeats - 1)]
    if seeds > 1:
        parts.append((gain.mean(axis=1).var(ddof=1) / seeds, seeds - 1))
    variance = sum(part for part, _ in parts)
    error = repeats * float(np.sqrt(variance))
    if not gain.any():
        return 0.0, 0.0, 0.0, 1.0
    if not error > ROUNDING * abs(total):
        return total, np.nan, np.nan, np.nan
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    reach = float(stdtrit(freedom, (1 + confidence) / 2)) * error
    p_value = float(2 * stdtr(freedom, -abs(total) / error))
    if seeds > 1:
        over_seeds = t_interval(gain.sum(axis=1), confidence)
        # `np.maximum`, unlike `max`, keeps the NaN of seeds without a spread.
        reach = float(np.maximum(reach, over_seeds.high - over_seeds.mean))
        p_value = float(np.maximum(p_value, over_seeds.p_value))
    return total, total - reach, total + reach, p_value


def _by_folds(names: list[str], folds: Mapping[str, ModelFolds]) -> list[list[str]]:
    groups: list[list[str]] = []
    for name in names:
        for group in groups:
            if np.array_equal(folds[group[0]].test, folds[name].test):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def _checked(
    names: tuple[str, ...],
    features: Mapping[frozenset[str], np.ndarray],
    accuracy: np.ndarray,
    trained: Mapping[frozenset[str], np.ndarray] | None,
) -> dict[frozenset[str], np.ndarray]:
    """The features needed, each (seeds, models, width), or a DataError naming all that does not fit."""
    needed = [frozenset({name}) for name in names]
    needed += [frozenset({first, second}) for k, first in enumerate(names) for second in names[k + 1 :]]
    problems = []
    if len(names) < 2:
        problems.append(f"{len(names)} benchmark is given; one can contribute to another only where there are two")
    if missing := [left_out for left_out in needed if left_out not in features]:
        shown = "; ".join(" and ".join(sorted(one)) for one in missing[:3])
        problems.append(f"features are missing for {len(missing)} sets of benchmarks left out, among them {shown}")
    if accuracy.ndim != 2 or accuracy.shape[1] != len(names):
        problems.append(f"`accuracy` has shape {accuracy.shape}; it must be (models, {len(names)} benchmarks)")
    stacked = {
        one: features[one] if features[one].ndim == 3 else features[one][None] for one in needed if one in features
    }
    leading = {array.shape[:2] for array in stacked.values()}
    if len(leading) > 1 or any(models != len(accuracy) for _, models in leading):
        problems.append(f"features have (seeds, models) {sorted(leading)}; all must agree, with {len(accuracy)} models")
    if not all(np.isfinite(array).all() for array in stacked.values()):
        problems.append("features hold values that are not finite numbers")
    if trained is not None and any(one not in trained or trained[one].shape != accuracy.shape[:1] for one in needed):
        problems.append(f"`trained` must have ({len(accuracy)} models,) for every set of benchmarks left out")
    if problems:
        raise DataError("the contribution matrix", problems)
    return stacked
