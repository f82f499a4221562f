"""Linear regressions on every fold of the models at once: minimum-norm least squares or ridge.

All algebra runs in the principal components of each fold's centred training features: there the components are
uncorrelated, so that the regression for any penalty is one division, and leave-one-out errors have a closed form.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from embedllm.errors import ConfigError
from embedllm.forecasting.folds import ModelFolds

Ridge = float | Literal["loo"]
"""0: minimum-norm least squares; positive: that penalty; `loo`: a penalty chosen per fold by leave-one-out error."""

PENALTY_GRID = np.logspace(-5, 3, 25)
"""Penalties tried by `loo`, in units of the fold's mean component variance."""

BLOCK_FLOATS = 2**24
"""Numbers of the folds' Gram matrices held at a time; bounds the memory to a few times 128 MB."""


def predict_folds_each(
    features: np.ndarray, targets: np.ndarray, folds: ModelFolds, ridges: Sequence[Ridge]
) -> list[np.ndarray]:
    """Fit on each fold's training models, with an intercept, and predict its test models.

    With fewer training models than features least squares has many solutions; the one of minimum norm is taken, as
    `numpy.linalg.lstsq` and scikit-learn's `LinearRegression` do.

    Args:
        features: float of shape (models, width).
        targets: float of shape (targets, models); the algebra of the features is shared by all.
        folds: models to fit on and to predict.
        ridges: penalties on the squared coefficients (not on the intercept) as scikit-learn's `Ridge(alpha)`, or `loo`;
            they share the algebra of the features as well.

    Returns:
        Per penalty, float64 of shape (targets, repeats, test models).

    Raises:
        ConfigError: for a negative or unknown penalty.
    """
    for ridge in ridges:
        if ridge != "loo" and not (isinstance(ridge, (int, float)) and 0 <= ridge < np.inf):
            raise ConfigError(f"ridge must be 0 or positive, or 'loo', but is {ridge!r}")
    features, targets = np.asarray(features, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    noise = _rounding(features)
    features = features - features.mean(axis=0)
    size = folds.train.shape[1]
    block = max(1, BLOCK_FLOATS // (min(size, features.shape[1]) * size))
    parts: list[list[np.ndarray]] = [[] for _ in ridges]
    for start in range(0, folds.repeats, block):
        train, test = folds.train[start : start + block], folds.test[start : start + block]
        components = _components(features, noise, train, test)
        for own, ridge in zip(parts, ridges, strict=True):
            own.append(_predict_block(*components, targets[:, train], ridge))
    return [np.concatenate(own, axis=1) for own in parts]


def _rounding(features: np.ndarray) -> float:
    """Variance below which a component is rounding error of the features."""
    return float(np.finfo(np.float64).eps * max(features.shape) * np.square(features).sum(axis=1).max(initial=0.0))


def _predict_block(
    scores: np.ndarray, test_scores: np.ndarray, variance: np.ndarray, known: np.ndarray, ridge: Ridge
) -> np.ndarray:
    """Forecasts (targets, repeats, test models) from components and `known` targets (targets, repeats, models)."""
    known = known.transpose(1, 2, 0)
    mean = known.mean(axis=1, keepdims=True)
    centred = known - mean
    moments = scores.transpose(0, 2, 1) @ centred  # (repeats, components, targets)
    if ridge == "loo":
        penalty = _leave_one_out(scores, variance, moments, centred)[:, None, :]
    else:
        penalty = np.full((1, 1, 1), ridge)
    real = variance[:, :, None] > 0
    weights = np.divide(moments, variance[:, :, None] + penalty, out=np.zeros_like(moments), where=real)
    return (test_scores @ weights + mean).transpose(2, 0, 1)


def _components(
    features: np.ndarray, noise: float, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Principal component scores of training and test models (repeats, models, components), and their squared lengths.

    Components that are rounding error have length 0 and scores 0.
    """
    if features.shape[1] <= train.shape[1]:
        known = features[train]
        middle = known.mean(axis=1, keepdims=True)
        known = known - middle
        variance, axes = np.linalg.eigh(known.transpose(0, 2, 1) @ known)
        real = variance > noise
        axes = np.where(real[:, None, :], axes, 0)
        return known @ axes, (features[test] - middle) @ axes, np.where(real, variance, 0)
    # More features than models: the same from the inner products of the models.
    inner = features @ features.T
    gram = inner[train[:, :, None], train[:, None, :]]
    cross = inner[test[:, :, None], train[:, None, :]]
    rows = gram.mean(axis=1, keepdims=True)
    grand = rows.mean(axis=2, keepdims=True)
    cross = cross - cross.mean(axis=2, keepdims=True) - rows + grand
    gram = gram - rows - rows.transpose(0, 2, 1) + grand
    variance, axes = np.linalg.eigh(gram)
    real = variance > noise
    length = np.sqrt(np.where(real, variance, 1))[:, None, :]
    axes = np.where(real[:, None, :], axes, 0)
    return axes * length, cross @ axes / length, np.where(real, variance, 0)


def _leave_one_out(scores: np.ndarray, variance: np.ndarray, moments: np.ndarray, centred: np.ndarray) -> np.ndarray:
    """Penalty of least squared leave-one-out error on the training models: float64 of shape (repeats, targets)."""
    models = scores.shape[1]
    unit = variance.sum(axis=1) / np.maximum((variance > 0).sum(axis=1), 1)
    unit = np.where(unit > 0, unit, 1.0)
    squared = np.square(scores)
    errors = np.empty((len(PENALTY_GRID), len(scores), moments.shape[2]))
    for index, factor in enumerate(PENALTY_GRID):
        shrunk = 1 / (variance + factor * unit[:, None])
        fitted = scores @ (shrunk[:, :, None] * moments)
        # A linear smoother's prediction of a point left out follows from its leverage; 1/models is the intercept's.
        leverage = 1 / models + (squared @ shrunk[:, :, None])
        errors[index] = np.square((centred - fitted) / (1 - leverage)).sum(axis=1)
    return PENALTY_GRID[errors.argmin(axis=0)] * unit[:, None]
