"""Results of a design: a tidy table, and the arrays that some cells keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open

from embedllm.errors import ConfigError


@dataclass(frozen=True)
class QuestionScores:
    """A cell's test metrics taken apart by question: a metric is `totals[m].sum() / weights[m].sum()`.

    Args:
        questions: int64 of shape (Q,), indices of the test questions, ascending.
        totals: metric -> float64 of shape (Q,), for each of `embedllm.evaluation.BOOTSTRAP_METRICS`.
        weights: metric -> float64 of shape (Q,): graded answers of the question, or 1 for a routable one.
    """

    questions: np.ndarray
    totals: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]


class Results:
    """What the cells of a design gave.

    Args:
        frame: one row per cell, side and scope; see :attr:`frame`.
        arrays: key -> file that holds the cell's arrays, for cells that left some.
    """

    def __init__(self, frame: pd.DataFrame, arrays: Mapping[str, Path]) -> None:
        self.frame = frame
        """Columns: key, method, encoder, embedding_dim, noise, learning_rate, weight_decay (the last four, and encoder
        where it is not read, missing for baselines), training_questions (a number, all of the split's where none was
        asked for), split, seed, a column per factor (missing for cells without it), side (val or test), scope
        (`overall`, and on the test side every benchmark by name), questions (number of), accuracy, log_loss, brier,
        ece, roc_auc, routing_micro, routing_macro (NaN where undefined, as roc_auc is where all answers have one
        label), seconds (of the cell, the same on each of its rows), state (COMPLETE or FAIL), reason (of a failure),
        note (what a method tuned on val). A failed cell has one row per side, scope `overall`, without metrics."""
        self._arrays = arrays

    @property
    def complete(self) -> pd.DataFrame:
        """The rows of complete cells."""
        return self.frame[self.frame["state"] == "COMPLETE"]

    @property
    def failed(self) -> pd.DataFrame:
        """One row per failed cell."""
        return self.frame[self.frame["state"] == "FAIL"].drop_duplicates("key")

    def embedding(self, key: str) -> np.ndarray:
        """Model vectors of a cell with the output `embedding`: float32 of shape (models, d), in model order.

        Raises:
            ConfigError: if the cell left none.
        """
        [vectors] = self._read(key, ["embedding"])
        return vectors

    def function(self, key: str) -> np.ndarray:
        """Models of a cell with the output `function` as points of the space of predictions, over all questions of the
        data: float32 of shape (models, coordinates), see :func:`embedllm.probing.function_coordinates`.

        Raises:
            ConfigError: if the cell left none.
        """
        [coordinates] = self._read(key, ["function"])
        return coordinates

    def question_scores(self, key: str) -> QuestionScores:
        """Test metrics by question of a cell with the output `question_scores`.

        Raises:
            ConfigError: if the cell left none.
        """
        from embedllm.evaluation import BOOTSTRAP_METRICS

        names = [f"{kind}/{metric}" for kind in ("totals", "weights") for metric in BOOTSTRAP_METRICS]
        questions, *values = self._read(key, ["questions", *names])
        half = len(BOOTSTRAP_METRICS)
        totals, weights = (dict(zip(BOOTSTRAP_METRICS, part, strict=True)) for part in (values[:half], values[half:]))
        return QuestionScores(questions, totals, weights)

    def _read(self, key: str, names: Sequence[str]) -> list[np.ndarray]:
        wanted = [f"{key}/{name}" for name in names]
        if key in self._arrays:
            with safe_open(self._arrays[key], framework="numpy") as file:
                if set(wanted) <= set(file.keys()):
                    return [file.get_tensor(name) for name in wanted]
        raise ConfigError(f"cell {key} has no {names[0]}; list what is needed in the `outputs` of the cell in the plan")
