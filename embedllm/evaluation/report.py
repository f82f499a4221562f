"""The seven metrics in one dict, and tables per benchmark and per model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedllm.evaluation.metrics import CORRECTNESS_METRICS, correctness_metrics
from embedllm.evaluation.routing import ROUTING_METRICS, Labels, oracle, route_by, routing_metrics, selection_shares

if TYPE_CHECKING:
    import pandas as pd

METRICS = CORRECTNESS_METRICS + ROUTING_METRICS
"""Names of all metrics, in the order of tables; logged with the prefix of their side: `val_log_loss`."""


def evaluate(
    probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray, benchmarks: np.ndarray
) -> dict[str, float]:
    """All of :data:`METRICS`: :func:`correctness_metrics` and :func:`routing_metrics`.

    Args:
        probability: float of shape (models, questions), P(right answer).
        correct: uint8 of the same shape, right answers per cell.
        attempts: uint8 of the same shape, graded answers per cell; 0 = missing.
        benchmarks: benchmark name per question, shape (questions,).

    Raises:
        DataError: if shapes differ, or a probability of a graded cell is outside [0, 1] or NaN.
    """
    return {
        **correctness_metrics(probability, correct, attempts),
        **routing_metrics(probability, correct, attempts, benchmarks),
    }


def benchmark_table(
    probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray, benchmarks: np.ndarray
) -> "pd.DataFrame":
    """One row per benchmark (index): questions, answers, share_right, predicted_share and the metrics over all models.

    Routing is judged by `routing_micro` and `routing_regret`, which the best model of each question would have earned
    more.

    Args: as :func:`evaluate`.
    """
    import pandas as pd

    labels = Labels(correct, attempts, benchmarks)
    routed, best = route_by(probability, labels).per_benchmark(), oracle(labels).per_benchmark()
    rows = {}
    for name in sorted(set(benchmarks.tolist())):
        part = benchmarks == name
        rows[name] = {
            "questions": int(part.sum()),
            **_describe(probability[:, part], correct[:, part], attempts[:, part]),
            "routing_micro": routed.get(name, np.nan),
            "routing_regret": best.get(name, np.nan) - routed.get(name, np.nan),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("benchmark")


def model_table(
    probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray, model_names: Sequence[str]
) -> "pd.DataFrame":
    """One row per model, in model order: model_name, answers, share_right, predicted_share, its metrics, routed_share.

    `routed_share` is the share of the questions with a label for which routing chooses the model.

    Args:
        probability: float of shape (models, questions), P(right answer).
        correct: uint8 of the same shape, right answers per cell.
        attempts: uint8 of the same shape, graded answers per cell; 0 = missing.
        model_names: name per model.
    """
    import pandas as pd

    labels = Labels(correct, attempts, np.full(attempts.shape[1], ""))
    shares = selection_shares(route_by(probability, labels), len(model_names)).tolist()
    rows = [
        {
            "model_name": name,
            **_describe(probability[[model]], correct[[model]], attempts[[model]]),
            "routed_share": shares[model],
        }
        for model, name in enumerate(model_names)
    ]
    return pd.DataFrame(rows)


def _describe(probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray) -> dict[str, float]:
    answers = int(attempts.sum(dtype=np.int64))
    known = {
        "answers": answers,
        "share_right": float(correct.sum(dtype=np.int64) / answers) if answers else np.nan,
        "predicted_share": float(np.sum(probability * attempts, dtype=np.float64) / answers) if answers else np.nan,
    }
    return {**known, **correctness_metrics(probability, correct, attempts)}
