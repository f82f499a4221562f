"""How good are predicted probabilities of correctness? Accuracy, log-loss, Brier score, ECE and ROC-AUC.

A cell of the correctness matrix with `attempts` graded answers counts `attempts` times, `correct` of them with label 1
and the rest with label 0: exactly the raw rows the cell stands for. Cells without an attempt are ignored.
"""

import math

import numpy as np

from embedllm.errors import DataError

CORRECTNESS_METRICS = ("accuracy", "log_loss", "brier", "ece", "roc_auc")
LOG_LOSS_CLIP = 1e-7
"""Probabilities are moved this far away from 0 and 1 before the logarithm; no answer costs over 16.1 nats."""
ECE_BINS = 15


def correctness_metrics(probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray) -> dict[str, float]:
    """The five metrics of correctness forecasting, each over all graded answers.

    - `accuracy`: a probability above 0.5 forecasts a right answer. Exactly 0.5 forecasts a wrong one, as argmax over
      the paper's two logits and scikit-learn's uniform votes do.
    - `log_loss`: mean negative log-likelihood in nats, after :data:`LOG_LOSS_CLIP`.
    - `brier`: mean squared difference between probability and label.
    - `ece`: expected calibration error of P(correct): 15 bins of equal width over [0, 1], closed below (the last on
      both sides); mean over answers of |mean probability - share of right answers| in the answer's bin. Not the variant
      that bins the confidence of the predicted class.
    - `roc_auc`: chance that a right answer got a higher probability than a wrong one, ties counting half; exact.
      NaN where all answers have the same label.

    Args:
        probability: float of shape (models, questions), P(right answer).
        correct: uint8 of the same shape, right answers per cell.
        attempts: uint8 of the same shape, graded answers per cell; 0 = missing.

    Returns:
        The metrics by name. All are NaN where there is no graded answer at all.

    Raises:
        DataError: if shapes differ, or a probability of a graded cell is outside [0, 1] or NaN.
    """
    probability, correct, attempts = graded_answers(probability, correct, attempts)
    total = float(attempts.sum())
    if total == 0:
        return dict.fromkeys(CORRECTNESS_METRICS, math.nan)
    wrong = attempts - correct
    return {
        "accuracy": float(np.where(probability > 0.5, correct, wrong).sum()) / total,
        "log_loss": float(log_losses(probability, correct, attempts).sum()) / total,
        "brier": float(brier_losses(probability, correct, attempts).sum()) / total,
        "ece": expected_calibration_error(probability, correct, attempts),
        "roc_auc": roc_auc(probability, correct, attempts),
    }


def graded_answers(
    probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability, right answers and attempts of the cells that have an attempt: three float64 vectors.

    Raises:
        DataError: see :func:`correctness_metrics`.
    """
    check_probabilities(probability, correct, attempts)
    observed = attempts > 0
    selected, right, answers = (matrix[observed].astype(np.float64) for matrix in (probability, correct, attempts))
    return selected, right, answers


def check_probabilities(probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray) -> None:
    """Raise a DataError unless shapes agree and every graded cell's probability is in [0, 1]."""
    check_shapes(probability, correct, attempts)
    bad = (attempts > 0) & ~((probability >= 0) & (probability <= 1))
    if bad.any():
        model, question = (int(index) for index in np.argwhere(bad)[0])
        raise DataError(
            "the predicted probabilities",
            [
                f"{int(bad.sum())} graded cells hold no number in [0, 1]; the first is model {model}, question "
                f"{question}: {probability[model, question]}"
            ],
        )


def check_shapes(probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray) -> None:
    """Raise a DataError unless the three matrices have one shape."""
    if not probability.shape == correct.shape == attempts.shape:
        raise DataError(
            "the predicted probabilities",
            [
                f"`probability` has shape {probability.shape}, `correct` {correct.shape}, `attempts` {attempts.shape}; "
                "all three must be (models, questions)"
            ],
        )


def log_losses(probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray) -> np.ndarray:
    """Summed negative log-likelihood of each cell's answers, in nats; same shape as the arguments, float64."""
    clipped = np.clip(probability, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP, dtype=np.float64)
    return -(correct * np.log(clipped) + (attempts - correct) * np.log1p(-clipped))


def mean_log_loss(probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray) -> float:
    """`log_loss` alone, for tuning: 0 where there is no graded answer; arguments as :func:`correctness_metrics`."""
    cells = graded_answers(probability, correct, attempts)
    return float(log_losses(*cells).sum() / max(1.0, cells[2].sum()))


def brier_losses(probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray) -> np.ndarray:
    """Summed squared error of each cell's answers; same shape as the arguments, float64."""
    squared = np.square(probability, dtype=np.float64)
    return attempts * squared + correct * (1 - 2 * probability.astype(np.float64))


def expected_calibration_error(probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray) -> float:
    """ECE as :func:`correctness_metrics` defines it, of float64 vectors without missing cells."""
    bins = np.minimum((probability * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    # attempts * (mean probability - mean label) of a bin is just the sum of attempts * probability - correct in it
    gaps = np.bincount(bins, weights=attempts * probability - correct, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / attempts.sum())


def roc_auc(probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray) -> float:
    """ROC-AUC as :func:`correctness_metrics` defines it, of float64 vectors without missing cells."""
    # The bits of non-negative floats sort as integers do, and the last 16 are free in what was float32: they carry the
    # two counts (below 256 each) through one plain sort, much faster than an argsort with gathers behind it.
    keys = (probability + 0.0).view(np.int64)  # + 0.0 turns a negative zero into zero
    if np.bitwise_and(keys, 0xFFFF).any():
        keys = np.unique(keys, return_inverse=True)[1] << 16
    keys = keys | (256 * correct + (attempts - correct)).astype(np.int64)
    keys.sort()
    # One group per distinct probability: within a tie, a right answer beats half of the wrong ones.
    starts = np.flatnonzero(np.concatenate(([True], (keys[1:] ^ keys[:-1]) > 0xFFFF)))
    right = np.add.reduceat((keys >> 8) & 0xFF, starts)
    wrong = np.add.reduceat(keys & 0xFF, starts)
    wrong_so_far = np.cumsum(wrong)
    pairs = int(right.sum()) * int(wrong_so_far[-1])
    return int(right @ (2 * wrong_so_far - wrong)) / (2 * pairs) if pairs else math.nan
