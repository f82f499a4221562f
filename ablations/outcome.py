"""What a worker sends back about a cell: its rows of the result, and arrays on request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ablations.cell import METRIC_COLUMNS, Cell, Side

if TYPE_CHECKING:
    from embedllm.data.matrix import CorrectnessMatrix
    from embedllm.data.splits import Split

OVERALL = "overall"
"""Scope of a row about all questions of a side."""


@dataclass(frozen=True)
class CellOutcome:
    """One finished cell.

    Args:
        key: of the cell.
        rows: of the result; see :class:`ablations.results.Results`.
        arrays: name -> array: `embedding`, `function`, `questions`, `totals/<metric>`, `weights/<metric>`.
        failure: why the cell failed, None where it is complete.
    """

    key: str
    rows: Sequence[Mapping[str, Any]]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)
    failure: str | None = None

    @classmethod
    def complete(
        cls,
        cell: Cell,
        data: "CorrectnessMatrix",
        split: "Split",
        probability: Mapping[Side, np.ndarray],
        *,
        seconds: float,
        note: str = "",
        embedding: np.ndarray | None = None,
        function: Callable[[], np.ndarray] | None = None,
    ) -> "CellOutcome":
        """Judge a cell's forecasts.

        Args:
            cell: the cell.
            data: the labels.
            split: the cell's split.
            probability: side -> P(right answer), float of shape (models, questions of the side).
            seconds: what the cell took.
            note: what its method tuned.
            embedding: float32 of shape (models, d), kept where the cell asks for it.
            function: makes float32 of shape (models, coordinates), called where the cell asks for it.

        Raises:
            DataError: if a forecast is no number in [0, 1].
        """
        rows = []
        for side in cell.sides:
            questions = getattr(split, side)
            benchmarks = data.benchmarks[questions]
            # Benchmarks on the test side only: on val they would double the time of judging, and nobody reads them.
            scopes = [OVERALL, *(sorted(set(benchmarks.tolist())) if side == "test" else [])]
            for scope in scopes:
                part = np.ones(len(questions), dtype=bool) if scope == OVERALL else benchmarks == scope
                found = _judge(probability[side], data, questions, part)
                rows.append(_row(cell, split, side, scope, "COMPLETE", seconds) | found | {"note": note})
        arrays: dict[str, np.ndarray] = {}
        if embedding is not None and "embedding" in cell.outputs:
            arrays["embedding"] = np.ascontiguousarray(embedding, dtype=np.float32)
        if function is not None and "function" in cell.outputs:
            arrays["function"] = np.ascontiguousarray(function(), dtype=np.float32)
        if "question_scores" in cell.outputs:
            arrays |= _question_scores(probability["test"], data, split.test)
        return cls(cell.key, rows, arrays)

    @classmethod
    def failed(cls, cell: Cell, split: "Split", reason: str) -> "CellOutcome":
        """A cell that gave no result."""
        rows = [
            _row(cell, split, side, OVERALL, "FAIL", seconds=0.0)
            | {"questions": len(getattr(split, side)), "reason": reason, "note": ""}
            for side in cell.sides
        ]
        return cls(cell.key, rows, failure=reason)


def _row(cell: Cell, split: "Split", side: Side, scope: str, state: str, seconds: float) -> dict[str, Any]:
    row = cell.columns | {"side": side, "scope": scope, "questions": 0, **dict.fromkeys(METRIC_COLUMNS)}
    if row["training_questions"] is None:
        row["training_questions"] = len(split.train)
    return row | {"seconds": seconds, "state": state, "reason": None}


def _judge(
    probability: np.ndarray, data: "CorrectnessMatrix", questions: np.ndarray, part: np.ndarray
) -> dict[str, float | int | None]:
    """Metrics on some of a side's questions, None where undefined, and the number of labelled questions."""
    from embedllm.evaluation import evaluate

    chosen = questions[part]
    correct, attempts = data.correct[:, chosen], data.attempts[:, chosen]
    labelled = int(attempts.any(axis=0).sum())
    if not labelled:
        return {"questions": 0}
    found = evaluate(probability[:, part], correct, attempts, data.benchmarks[chosen])
    return {"questions": labelled} | {name: value if np.isfinite(value) else None for name, value in found.items()}


def _question_scores(
    probability: np.ndarray, data: "CorrectnessMatrix", questions: np.ndarray
) -> dict[str, np.ndarray]:
    from embedllm.evaluation import BOOTSTRAP_METRICS
    from embedllm.evaluation.bootstrap import question_totals

    arrays: dict[str, np.ndarray] = {"questions": np.asarray(questions, dtype=np.int64)}
    labels = data.correct[:, questions], data.attempts[:, questions]
    for metric in BOOTSTRAP_METRICS:
        arrays[f"totals/{metric}"], arrays[f"weights/{metric}"] = question_totals(metric, probability, *labels)
    return arrays
