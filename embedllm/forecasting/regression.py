"""Forecast of benchmark accuracy: linear regression from model features, tested on models left out (paper §5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embedllm.errors import ConfigError, DataError
from embedllm.forecasting.folds import ModelFolds
from embedllm.forecasting.kendall import kendall_tau
from embedllm.forecasting.least_squares import Ridge, predict_folds_each

LEVEL = 0.05
"""Level of Kendall's test on each fold, as in the paper."""


@dataclass(frozen=True)
class Forecast:
    """Forecasts of one benchmark's accuracy for the test models of every fold.

    Folds overlap, so their values are no independent sample: quantiles over folds are a *spread*, not a confidence
    interval. `evaluation.paired.corrected_interval` corrects for the overlap.
    """

    folds: ModelFolds
    """Models fitted on and tested on; indices into the features' rows."""
    predictions: np.ndarray
    """float64 of shape (repeats, test models), forecast accuracy."""
    truths: np.ndarray
    """float64 of shape (repeats, test models), accuracy observed."""
    tau: np.ndarray
    """float64 of shape (repeats,), Kendall's tau-b; NaN where it is undefined."""
    p_value: np.ndarray
    """float64 of shape (repeats,), two-sided; NaN where tau is undefined."""
    mse: np.ndarray
    """float64 of shape (repeats,), mean squared error over the test models, in squared accuracy (0 to 1)."""
    mse_of_mean: np.ndarray
    """The same for the training models' mean accuracy as the forecast of all."""
    notes: tuple[str, ...] = ()
    """Reductions, in plain language: models left out, folds without a defined tau."""

    @property
    def significant(self) -> int:
        """Folds with positive tau and p below :data:`LEVEL`; a fold without a defined tau is not among them."""
        return int(((self.p_value < LEVEL) & (self.tau > 0)).sum())

    @property
    def undefined(self) -> int:
        """Folds where all forecasts or all accuracies of the test models are equal."""
        return int(np.isnan(self.tau).sum())


def summarize(forecasts: Sequence[Forecast]) -> dict[str, object]:
    """One flat row about forecasts of the same benchmark on the same folds, as from several seeds' features.

    - `significant`: mean of :attr:`Forecast.significant` over forecasts; `significant_sd`: its standard deviation.
    - `undefined`: mean of :attr:`Forecast.undefined`.
    - `tau_median`, `tau_low`, `tau_high`: median, 5 % and 95 % quantile of tau over all folds: a spread.
    - `rmse`: in accuracy (0 to 1); `mse_total`: squared errors summed over folds, mean over forecasts.
    - `skill`: 1 - MSE / MSE of forecasting the mean; above 0 is better than the mean, NaN for constant data.
    - `repeats`, `train_models`, `test_models`, `seeds`, and `notes`, each once.
    """
    folds = forecasts[0].folds
    counts = np.array([forecast.significant for forecast in forecasts], dtype=np.float64)
    tau = np.concatenate([forecast.tau for forecast in forecasts])
    tau = tau[~np.isnan(tau)]
    low, median, high = np.quantile(tau, [0.05, 0.5, 0.95]) if tau.size else [np.nan] * 3
    errors = np.array([forecast.mse.sum() for forecast in forecasts])
    reference = sum(float(forecast.mse_of_mean.sum()) for forecast in forecasts)
    return {
        "repeats": folds.repeats,
        "train_models": folds.train.shape[1],
        "test_models": folds.test.shape[1],
        "seeds": len(forecasts),
        "significant": float(counts.mean()),
        "significant_sd": float(counts.std(ddof=1)) if len(counts) > 1 else float("nan"),
        "undefined": float(np.mean([forecast.undefined for forecast in forecasts])),
        "tau_median": float(median),
        "tau_low": float(low),
        "tau_high": float(high),
        "rmse": float(np.sqrt(errors.mean() / folds.repeats)),
        "mse_total": float(errors.mean()),
        "skill": 1 - float(errors.sum()) / reference if reference > 0 else float("nan"),
        "notes": "; ".join(dict.fromkeys(note for forecast in forecasts for note in forecast.notes)),
    }


def forecast_each(
    features: np.ndarray,
    accuracy: np.ndarray,
    ridges: Sequence[Ridge],
    *,
    repeats: int = 100,
    test_share: float = 0.2,
    seed: int = 0,
    trained: np.ndarray | None = None,
) -> list[Forecast]:
    """Learn a benchmark's accuracy from model features on some models, test it on the others, many times.

    The same seed and the same models with a known accuracy give the same folds for every feature set: results pair.

    Args:
        features: float of shape (models, width): embeddings trained without the benchmark, or a baseline's.
        accuracy: float of shape (models,) in [0, 1]; NaN for a model never graded on the benchmark, which is left out.
        ridges: penalties to forecast with; several cost little more than one. 0.0 is plain linear regression, as the
            paper says; with more features than training models (232 and 90 in the paper) it is the minimum-norm one,
            which fits the training models exactly. `"loo"` is ridge regression with the penalty chosen by
            leave-one-out on the training models, the more robust choice.
        repeats: number of random divisions of the models; the paper's 100.
        test_share: share of the models tested on (the paper gives none); at least five models are.
        seed: seed of the divisions.
        trained: bool of shape (models,): models that the features were learned for. The embedding of any other is
            nothing but its initialisation, and the model is left out; None = all.

    Returns:
        A forecast per penalty.

    Raises:
        DataError: for shapes that differ, NaN features, accuracies outside [0, 1], or too few models.
        ConfigError: see :meth:`ModelFolds.draw` and :func:`predict_folds_each`.
    """
    usable = _usable_models(features, accuracy, trained)
    folds = ModelFolds.draw(usable, repeats=repeats, test_share=test_share, seed=seed)
    notes = []
    if left_out := int((~np.isnan(accuracy)).sum()) - len(usable):
        notes.append(
            f"{left_out} of {len(accuracy)} models have no graded answer to a training question, so that nothing was "
            "learned about them, and are left out"
        )
    forecasts = [
        evaluate_forecast(of_ridge[0], accuracy, folds)
        for of_ridge in predict_folds_each(features, accuracy[None], folds, ridges)
    ]
    return [replace(forecast, notes=(*notes, *forecast.notes)) for forecast in forecasts]


def evaluate_forecast(predictions: np.ndarray, accuracy: np.ndarray, folds: ModelFolds) -> Forecast:
    """Judge forecasts, float of shape (repeats, test models), against `accuracy` of shape (models,)."""
    truths = accuracy[folds.test]
    tau, p_value = kendall_tau(predictions, truths)
    means = accuracy[folds.train].mean(axis=1, keepdims=True)
    notes = []
    if left_out := int(np.isnan(accuracy).sum()):
        notes.append(f"{left_out} of {len(accuracy)} models have no graded answer on the benchmark and are left out")
    constant = int((np.ptp(truths, axis=1) == 0).sum())
    if constant:
        notes.append(
            f"in {constant} of {folds.repeats} splits all test models have the same accuracy: there is no order to "
            "forecast, and the split counts as not significant"
        )
    if flat := int(np.isnan(tau).sum()) - constant:
        notes.append(
            f"in {flat} of {folds.repeats} splits all test models get the same forecast, which counts as not "
            "significant"
        )
    return Forecast(
        folds=folds,
        predictions=predictions,
        truths=truths,
        tau=tau,
        p_value=p_value,
        mse=np.square(predictions - truths).mean(axis=1),
        mse_of_mean=np.square(means - truths).mean(axis=1),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class SignificanceNull:
    """How many folds are significant where features and accuracy have nothing to do with each other."""

    observed: int
    """Significant folds with the accuracies as they are."""
    counts: np.ndarray
    """int64 of shape (permutations,), significant folds with accuracies shuffled among the models."""

    @property
    def p_value(self) -> float:
        """(1 + permutations with at least as many) / (1 + permutations)."""
        return float(1 + (self.counts >= self.observed).sum()) / (1 + len(self.counts))


def permutation_null_each(
    features: np.ndarray,
    accuracy: np.ndarray,
    ridges: Sequence[Ridge],
    *,
    permutations: int = 200,
    repeats: int = 100,
    test_share: float = 0.2,
    seed: int = 0,
    trained: np.ndarray | None = None,
) -> list[SignificanceNull]:
    """Shuffle the accuracies among the models and forecast again: the paper's count under no relation.

    The folds share models, so the count is *not* binomial: by luck alone it can be far above 2.5 of 100. The p-value
    of the count, unlike that of one fold, is a valid test of "the features tell something about the benchmark".

    Args:
        features, accuracy, ridges, repeats, test_share, seed: see :func:`forecast_each`.
        permutations: number of shuffles; the p-value cannot be below 1 / (1 + permutations).

    Returns:
        A null per penalty, all with the same shuffles.

    Raises:
        ConfigError: for permutations below 1.
    """
    if permutations < 1:
        raise ConfigError(f"permutations must be at least 1 but is {permutations}")
    usable = _usable_models(features, accuracy, trained)
    folds = ModelFolds.draw(usable, repeats=repeats, test_share=test_share, seed=seed)
    generator = np.random.default_rng((seed, 1))
    shuffled = np.full((permutations + 1, len(accuracy)), np.nan)
    shuffled[:, usable] = accuracy[usable]
    shuffled[1:, usable] = generator.permuted(shuffled[1:, usable], axis=1)
    nulls = []
    for predictions in predict_folds_each(features, shuffled, folds, ridges):
        tau, p_value = kendall_tau(_as_rows(predictions), _as_rows(shuffled[:, folds.test]))
        counts = ((p_value < LEVEL) & (tau > 0)).reshape(permutations + 1, repeats).sum(axis=1)
        nulls.append(SignificanceNull(int(counts[0]), counts[1:]))
    return nulls


def _as_rows(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, values.shape[-1])


def _usable_models(features: np.ndarray, accuracy: np.ndarray, trained: np.ndarray | None) -> np.ndarray:
    """Indices of the models whose accuracy is known and features learned, or a DataError for what does not fit."""
    problems = []
    if features.ndim != 2 or accuracy.shape != features.shape[:1]:
        problems.append(
            f"`features` has shape {features.shape} and `accuracy` {accuracy.shape}; they must be (models, width) and "
            "(models,)"
        )
    if not np.isfinite(features).all():
        problems.append(f"`features` holds {int((~np.isfinite(features)).sum())} values that are not finite numbers")
    if np.any((accuracy < 0) | (accuracy > 1)):
        problems.append("`accuracy` must be in [0, 1], or NaN where it is not known")
    if trained is not None and trained.shape != accuracy.shape:
        problems.append(f"`trained` has shape {trained.shape}; it must be (models,) as `accuracy`, {accuracy.shape}")
    if problems:
        raise DataError("the forecast", problems)
    known = ~np.isnan(accuracy)
    return np.flatnonzero(known if trained is None else known & trained)
