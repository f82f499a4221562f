"""Accuracy of every model overall and on every benchmark: the table behind the lookup baselines."""

from dataclasses import dataclass

import numpy as np

SMOOTHING = 2.0
"""Pseudo-answers, as accurate as the model is overall, added to each (model, benchmark) cell: a benchmark with three
labelled questions must not promise certainty."""


@dataclass(frozen=True)
class AccuracyTable:
    """Share of right answers per model, and per model and benchmark."""

    overall: np.ndarray
    """float64 of shape (models,); a model without any label gets the pool's accuracy."""
    names: np.ndarray
    """Benchmark names, sorted, of shape (benchmarks,)."""
    accuracy: np.ndarray
    """float64 of shape (models, benchmarks), smoothed towards `overall` by :data:`SMOOTHING` pseudo-answers."""

    @classmethod
    def count(cls, correct: np.ndarray, attempts: np.ndarray, benchmarks: np.ndarray) -> "AccuracyTable":
        """Count the answers.

        Args:
            correct: uint8 of shape (models, questions), right answers per cell.
            attempts: uint8 of shape (models, questions), graded answers per cell; 0 = missing.
            benchmarks: benchmark name per question, shape (questions,).
        """
        names, index = np.unique(benchmarks.astype(str), return_inverse=True)
        member = np.zeros((names.size, benchmarks.size), dtype=np.float32)
        member[index, np.arange(benchmarks.size)] = 1
        # float32 sums of small integers are exact below 2**24 answers per model and benchmark
        right = (correct.astype(np.float32) @ member.T).astype(np.float64)
        answers = (attempts.astype(np.float32) @ member.T).astype(np.float64)
        pool = right.sum() / max(answers.sum(), 1.0)
        totals = answers.sum(axis=1)
        overall = np.where(totals > 0, right.sum(axis=1) / np.maximum(totals, 1.0), pool)
        accuracy = (right + SMOOTHING * overall[:, None]) / (answers + SMOOTHING)
        return cls(overall, names, accuracy)

    def look_up(self, benchmarks: np.ndarray) -> np.ndarray:
        """Each model's accuracy on each question's benchmark; `overall` where the table lacks the benchmark.

        Args:
            benchmarks: benchmark name per question, shape (questions,).

        Returns:
            float64 of shape (models, questions).
        """
        wanted, index = np.unique(benchmarks.astype(str), return_inverse=True)
        column = {name: position for position, name in enumerate(self.names.tolist())}
        columns = [self.accuracy[:, column[name]] if name in column else self.overall for name in wanted.tolist()]
        return np.stack(columns, axis=1)[:, index] if columns else np.zeros((self.overall.size, 0))
