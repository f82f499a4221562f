"""What is in the data: counts, accuracies, gaps and conflicts as tidy tables."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from embedllm.data.matrix import SPLIT_NAMES, CorrectnessMatrix

NO_SIDE = "none"
"""Name of the side of questions that the source files put on none."""


@dataclass(frozen=True)
class Description:
    """Tables about one data set; all shares lie in [0, 1].

    Args:
        summary: one row: source, simulated, digest, models, questions, benchmarks, cells (pairs with a label),
            attempts, missing_share, repeated_attempts (beyond the first of a cell), repeated_cells, conflicting_cells
            (both right and wrong answers), accuracy (the base rate: right answers per attempt), always_majority
            (accuracy of the better constant answer), majority_per_model, majority_per_benchmark and
            majority_per_model_and_benchmark (the same with a constant each; in-sample, what a look-up table reaches).
        benchmarks: a row per benchmark: benchmark, categories, questions, train, val, test, none (questions on each
            side), accuracy (mean over attempts), best_model and best_accuracy (none without any label), missing_share,
            conflicting_cells.
        models: a row per model, best first: rank, model_name, accuracy, standard_error (binomial over questions),
            answered (questions with a label), missing_share, attempts, and the metadata columns of the data.
    """

    summary: pd.DataFrame
    benchmarks: pd.DataFrame
    models: pd.DataFrame

    def as_rows(self) -> dict[str, list[dict[str, Any]]]:
        """The tables as lists of flat JSON-able rows, NaN as None."""
        return {name: _rows(getattr(self, name)) for name in ("summary", "benchmarks", "models")}


def describe(data: CorrectnessMatrix) -> Description:
    """Describe a correctness matrix."""
    return Description(_summary(data), _benchmarks(data), _models(data))


def _summary(data: CorrectnessMatrix) -> pd.DataFrame:
    codes, names = pd.factorize(data.benchmarks)
    correct, attempts = _per_benchmark(data, codes, len(names))  # (models, benchmarks)
    labelled = data.attempts > 0
    row = {
        "source": str(data.meta.get("source", "unknown")),
        "simulated": bool(data.meta.get("simulated", False)),
        "digest": data.digest,
        "models": data.num_models,
        "questions": data.num_questions,
        "benchmarks": len(names),
        "cells": int(labelled.sum()),
        "attempts": int(attempts.sum()),
        "missing_share": 1 - _share(labelled.sum(), labelled.size),
        "repeated_attempts": int(attempts.sum()) - int(labelled.sum()),
        "repeated_cells": int((data.attempts > 1).sum()),
        "conflicting_cells": int(_conflicts(data).sum()),
        "accuracy": _share(correct.sum(), attempts.sum()),
        "always_majority": _majority(correct.sum(), attempts.sum()),
        "majority_per_model": _majority(correct.sum(axis=1), attempts.sum(axis=1)),
        "majority_per_benchmark": _majority(correct.sum(axis=0), attempts.sum(axis=0)),
        "majority_per_model_and_benchmark": _majority(correct, attempts),
    }
    return pd.DataFrame([row])


def _benchmarks(data: CorrectnessMatrix) -> pd.DataFrame:
    codes, names = pd.factorize(data.benchmarks, sort=True)
    correct, attempts = _per_benchmark(data, codes, len(names))
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = correct / attempts
    best = np.where(np.isnan(accuracy), -1, accuracy).argmax(axis=0)
    frame = pd.DataFrame({"benchmark": names})
    categories = pd.Series(data.questions["category"].to_pylist(), dtype=object)
    frame["categories"] = categories.groupby(codes).nunique().to_numpy()
    frame["questions"] = np.bincount(codes, minlength=len(names))
    sides = pd.Series(data.questions["split"].to_pylist(), dtype=object).fillna(NO_SIDE)
    for side in (*SPLIT_NAMES, NO_SIDE):
        frame[side] = np.bincount(codes[(sides == side).to_numpy()], minlength=len(names))
    with np.errstate(invalid="ignore"):
        frame["accuracy"] = correct.sum(axis=0) / attempts.sum(axis=0)
    best_model = np.array(data.model_names, dtype=object)[best]
    best_model[attempts.sum(axis=0) == 0] = None
    frame["best_model"] = best_model
    frame["best_accuracy"] = accuracy[best, np.arange(len(names))]
    labelled = np.bincount(codes, weights=(data.attempts > 0).sum(axis=0), minlength=len(names))
    frame["missing_share"] = 1 - labelled / (data.num_models * frame["questions"])
    conflicts = np.bincount(codes, weights=_conflicts(data).sum(axis=0), minlength=len(names))
    frame["conflicting_cells"] = conflicts.astype(np.int64)
    return frame


def _models(data: CorrectnessMatrix) -> pd.DataFrame:
    attempts = data.attempts.sum(axis=1, dtype=np.int64)
    answered = (data.attempts > 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = data.correct.sum(axis=1, dtype=np.int64) / attempts
        # Attempts at one question are not independent, so questions, not attempts, are the sample size.
        error = np.sqrt(accuracy * (1 - accuracy) / answered)
    frame = pd.DataFrame(
        {
            "model_name": data.model_names,
            "accuracy": accuracy,
            "standard_error": error,
            "answered": answered,
            "missing_share": 1 - answered / max(data.num_questions, 1),
            "attempts": attempts,
        }
    )
    for column in data.models.column_names:
        if column not in ("model_id", "model_name"):
            frame[column] = data.models[column].to_pylist()
    frame = frame.sort_values(["accuracy", "model_name"], ascending=[False, True], ignore_index=True)
    frame.insert(0, "rank", np.arange(1, len(frame) + 1))
    return frame


def _per_benchmark(data: CorrectnessMatrix, codes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Right answers and attempts, both int64 of shape (models, benchmarks)."""
    sums = np.zeros((2, data.num_models, count), dtype=np.int64)
    for code in range(count):
        members = codes == code
        sums[0, :, code] = data.correct[:, members].sum(axis=1, dtype=np.int64)
        sums[1, :, code] = data.attempts[:, members].sum(axis=1, dtype=np.int64)
    return sums[0], sums[1]


def _conflicts(data: CorrectnessMatrix) -> np.ndarray:
    return (data.correct > 0) & (data.correct < data.attempts)


def _majority(correct: np.ndarray, attempts: np.ndarray) -> float:
    return _share(np.maximum(correct, attempts - correct).sum(), attempts.sum())


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]
