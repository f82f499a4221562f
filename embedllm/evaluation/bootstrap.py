"""Does the choice of questions alone explain a difference between two methods? Standard errors and paired intervals.

The question is the unit of resampling: all models answer the same questions, so the cells of one question are not
independent. Both methods are judged on the same resampled questions, which removes what they have in common.
"""

import math

import numpy as np

from embedllm.errors import ConfigError
from embedllm.evaluation.metrics import brier_losses, check_probabilities, log_losses
from embedllm.evaluation.routing import Labels, route_by

BOOTSTRAP_METRICS = ("accuracy", "log_loss", "brier", "routing_micro")
BLOCK_DRAWS = 2**23
"""Questions drawn at a time; bounds the memory of the resampling counts to 64 MB."""


def bootstrap_intervals(
    totals: np.ndarray,
    reference: np.ndarray,
    weights: np.ndarray,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of many methods' differences to one reference, all on the same resampled questions.

    Args:
        totals: float of shape (questions, methods), a metric of every method as :func:`question_totals` takes it apart.
        reference: float of shape (questions,), the same of the method all others are compared with.
        weights: float of shape (questions,), the metric's weights.
        resamples: number of resampled question sets.
        confidence: coverage of each interval by itself, in (0, 1); it is not widened for the number of methods.
        seed: seed of the resampling.

    Returns:
        Lower and upper ends of `method - reference`, two float64 of shape (methods,); NaN with fewer than
        two questions of any weight.
    """
    if np.count_nonzero(weights) < 2 or not totals.shape[1]:
        return np.full(totals.shape[1], np.nan), np.full(totals.shape[1], np.nan)
    columns = np.column_stack([totals - reference[:, None], weights])
    sums = _resampled_sums(columns, resamples, np.random.default_rng(seed))
    with np.errstate(invalid="ignore"):  # 0/0 where no drawn question has a label
        differences = sums[:, :-1] / sums[:, -1:]
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(differences, [tail, 1 - tail], axis=0)
    return low, high


def standard_errors(probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray) -> dict[str, float]:
    """Standard error over questions of each of :data:`BOOTSTRAP_METRICS`; NaN with fewer than two questions.

    A metric is a ratio of sums over questions; this is the usual linearised error of a ratio, without resampling.

    Args:
        probability: float of shape (models, questions), P(right answer).
        correct: uint8 of the same shape, right answers per cell.
        attempts: uint8 of the same shape, graded answers per cell; 0 = missing.

    Raises:
        DataError: if shapes differ, or a probability of a graded cell is outside [0, 1] or NaN.
    """
    return {
        metric: ratio_standard_error(*question_totals(metric, probability, correct, attempts))
        for metric in BOOTSTRAP_METRICS
    }


def ratio_standard_error(totals: np.ndarray, weights: np.ndarray) -> float:
    """Linearised standard error over questions of `totals.sum() / weights.sum()`, both of shape (questions,)."""
    labelled = int(np.count_nonzero(weights))
    if labelled < 2:
        return math.nan
    residuals = totals - weights * totals.sum() / weights.sum()
    return math.sqrt(labelled / (labelled - 1) * float(residuals @ residuals)) / float(weights.sum())


def question_totals(
    metric: str, probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A metric taken apart by question: it is `totals.sum() / weights.sum()`. Two float64 of shape (questions,).

    Args:
        metric: one of :data:`BOOTSTRAP_METRICS`.
        probability: float of shape (models, questions), P(right answer).
        correct: uint8 of the same shape, right answers per cell.
        attempts: uint8 of the same shape, graded answers per cell; 0 = missing.

    Raises:
        ConfigError: for an unknown metric.
        DataError: if shapes differ, or a probability of a graded cell is outside [0, 1] or NaN.
    """
    if metric not in BOOTSTRAP_METRICS:
        raise ConfigError(f"cannot resample metric {metric!r}; allowed: {', '.join(BOOTSTRAP_METRICS)}")
    check_probabilities(probability, correct, attempts)
    if metric == "routing_micro":
        routable = np.asarray(attempts.any(axis=0))
        totals = np.zeros(routable.size)
        totals[routable] = route_by(probability, Labels(correct, attempts, np.full(routable.size, ""))).rewards
        return totals, routable.astype(np.float64)
    probability = np.where(attempts > 0, probability, 0.5)  # whatever a missing cell holds, it counts nothing
    cells: np.ndarray
    if metric == "accuracy":
        cells = np.where(probability > 0.5, correct, attempts - correct).astype(np.float64)
    else:
        cells = {"log_loss": log_losses, "brier": brier_losses}[metric](probability, correct, attempts)
    return np.asarray(cells.sum(axis=0)), np.asarray(attempts.sum(axis=0, dtype=np.float64))


def _resampled_sums(columns: np.ndarray, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Column sums over resampled rows: float64 of shape (resamples, columns)."""
    size = len(columns)
    block = max(1, BLOCK_DRAWS // size)
    sums = np.empty((resamples, columns.shape[1]))
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        drawn = generator.integers(size, size=(count, size), dtype=np.int64)
        drawn += size * np.arange(count)[:, None]  # one histogram for all resamples of the block
        times = np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size)
        sums[start : start + count] = times @ columns
    return sums
