"""Small data, and results made by hand: what cells of a plan would have left behind."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa

from ablations.cell import Cell
from ablations.config import AblationConfig
from ablations.design import Plan
from ablations.results import QuestionScores, Results
from embedllm.data import CorrectnessMatrix
from embedllm.evaluation import BOOTSTRAP_METRICS

CONFIG = AblationConfig(encoder="lsa:8", seeds=2, split="random")


def small(models: int = 14, benchmarks: int = 3, questions: int = 60) -> CorrectnessMatrix:
    """Questions of `benchmarks` benchmarks in turn; answers are coin flips."""
    generator = np.random.default_rng(0)
    correct = generator.integers(0, 2, (models, questions)).astype(np.uint8)
    names = [f"b{number % benchmarks}" for number in range(questions)]
    table = pa.table(
        {
            "prompt_id": [str(number) for number in range(questions)],
            "prompt": [f"question {number} of {name}" for number, name in enumerate(names)],
            "benchmark": names,
            "category": names,
            "split": pa.nulls(questions, pa.string()),
        }
    )
    ids = [f"m{number}" for number in range(models)]
    return CorrectnessMatrix(correct, np.ones_like(correct), table, pa.table({"model_id": ids, "model_name": ids}))


class MadeResults(Results):
    """Every cell of a plan complete but those in `failed`; arrays come from functions of the cell."""

    def __init__(
        self,
        plan: Plan,
        *,
        metric: Callable[[Cell, np.ndarray], np.ndarray] | None = None,
        embedding: Callable[[Cell], np.ndarray] | None = None,
        function: Callable[[Cell], np.ndarray] | None = None,
        failed: tuple[str, ...] = (),
    ) -> None:
        rows = [
            cell.columns | {"side": "test", "scope": "overall", "state": "FAIL" if cell.key in failed else "COMPLETE"}
            for cell in plan.cells
        ]
        super().__init__(pd.DataFrame(rows), {})
        self._cells = {cell.key: cell for cell in plan.cells}
        self._plan, self._metric, self._embedding, self._function = plan, metric, embedding, function

    def embedding(self, key: str) -> np.ndarray:
        assert "embedding" in self._cells[key].outputs
        assert self._embedding is not None
        return self._embedding(self._cells[key])

    def function(self, key: str) -> np.ndarray:
        assert "function" in self._cells[key].outputs
        assert self._function is not None
        return self._function(self._cells[key])

    def question_scores(self, key: str) -> QuestionScores:
        cell = self._cells[key]
        assert "question_scores" in cell.outputs
        assert self._metric is not None
        questions = self._plan.splits[cell.split].test
        totals = self._metric(cell, questions)
        weights = np.ones(len(questions))
        return QuestionScores(
            questions, dict.fromkeys(BOOTSTRAP_METRICS, totals), dict.fromkeys(BOOTSTRAP_METRICS, weights)
        )
