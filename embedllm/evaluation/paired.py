"""Is a difference between two methods more than luck of the seeds? Paired t intervals and many comparisons.

Values pair because both methods were run on the same seeds, splits or folds, which removes what these have in common.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from embedllm.errors import ConfigError

ROUNDING = 1e-9
"""Values that differ by less than this share of their size differ by rounding."""


@dataclass(frozen=True)
class TInterval:
    """Mean of n values with Student's t interval and the two-sided test against zero."""

    mean: float
    low: float
    high: float
    standard_error: float
    p_value: float
    n: int
    confidence: float


def t_interval(values: np.ndarray, confidence: float = 0.95) -> TInterval:
    """Interval of the mean of independent values, float of shape (n,).

    Interval and p are NaN for a single value, and where all values are equal: accuracies on few questions often are,
    and a spread of zero would make any difference a certain one.

    Raises:
        ConfigError: for a confidence outside (0, 1).
    """
    values = np.asarray(values, dtype=np.float64)
    spread = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    mean = float(values.mean()) if len(values) else math.nan
    return _interval(mean, spread, len(values) - 1, len(values), confidence)


def paired_interval(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> TInterval:
    """Interval of the mean difference `first - second`.

    Args:
        first: float of shape (n,), a value per seed (or split).
        second: the other method's on the same seeds, in the same order.
        confidence: coverage of the interval, in (0, 1).

    Raises:
        ConfigError: if the two are not equally long, or for a confidence outside (0, 1).
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ConfigError(f"paired values must be two equally long lists but have shapes {first.shape}, {second.shape}")
    same = np.isclose(first, second, rtol=ROUNDING, atol=0)
    return t_interval(np.where(same, 0.0, first - second), confidence)


def corrected_interval(differences: np.ndarray, test_train_ratio: float, confidence: float = 0.95) -> TInterval:
    """Interval of a mean over repeated random divisions of the same items, which overlap.

    The corrected resampled t of Nadeau & Bengio (Machine Learning 52, 2003): the variance of the mean is taken as
    (1 / n + test / train) times the variance over divisions, because more divisions of the same items do not add
    items. It is an approximation, and a conservative one for stable methods.

    Args:
        differences: float of shape (n,), a value per division.
        test_train_ratio: items tested per item trained on.
        confidence: coverage of the interval, in (0, 1).
    """
    differences = np.asarray(differences, dtype=np.float64)
    n = len(differences)
    spread = float(differences.std(ddof=1)) * math.sqrt(1 / n + test_train_ratio) if n > 1 else math.nan
    return _interval(float(differences.mean()), spread, n - 1, n, confidence)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment: comparing each with a level keeps the chance of *any* false claim below it.

    Args:
        p_values: float of shape (tests,); NaN (not tested) stays NaN and counts as no test.

    Returns:
        float64 of shape (tests,), adjusted p-values, at most 1.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p_values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted


def _interval(mean: float, standard_error: float, freedom: float, n: int, confidence: float) -> TInterval:
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must be between 0 and 1 but is {confidence}")
    if not standard_error > ROUNDING * abs(mean):
        nan = math.nan
        return TInterval(mean, nan, nan, standard_error, nan, n, confidence)
    reach = float(stdtrit(freedom, (1 + confidence) / 2)) * standard_error
    p_value = float(2 * stdtr(freedom, -abs(mean) / standard_error))
    return TInterval(mean, mean - reach, mean + reach, standard_error, p_value, n, confidence)
