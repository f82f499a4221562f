"""What a design's worker does with a batch: train its cells and judge them."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ablations.batches import Batch, Encoding
from ablations.cell import Cell, Method, Side
from ablations.design import Plan
from ablations.outcome import CellOutcome
from ablations.queue import BatchOutcome
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.splits import Split, nested_subset
from embedllm.encoders import encode_data
from embedllm.errors import EmbedLLMError
from embedllm.evaluation.baselines import BASELINES
from embedllm.evaluation.shared_knn import forecast_splits
from embedllm.model import EmbedLLM
from embedllm.probing import QuestionMoments, function_coordinates
from embedllm.titles import METHOD_NAMES
from embedllm.training import FitData, fit_many

KEPT_ENCODINGS = 2
"""Encodings whose matrix, training tensors and moments a worker keeps: batches of one often follow each other."""


@dataclass(frozen=True)
class DesignPayload:
    """Everything a worker reads.

    Args:
        data: the correctness matrix.
        plan: its splits.
        fit_questions: digest -> questions an encoder may be fitted on.
        encodings: pretrained encoder -> float32 (questions, width). Encoders that are fitted are fitted by the workers,
            several at a time, and shared through the cache of encodings.
    """

    data: CorrectnessMatrix
    plan: Plan
    fit_questions: Mapping[str, np.ndarray]
    encodings: Mapping[str, np.ndarray]


class CellWorker:
    """Computes one batch after the other."""

    def __init__(self, payload: DesignPayload, threads: int) -> None:
        self._payload = payload
        self._data = payload.data
        self._matrices: OrderedDict[Encoding, np.ndarray] = OrderedDict()
        self._pools: OrderedDict[Encoding, FitData] = OrderedDict()
        self._moments: OrderedDict[Encoding, QuestionMoments] = OrderedDict()
        # One object per split, so that members of a split share what is made of it.
        self._splits = payload.plan.splits

    def __call__(self, batch: Batch) -> BatchOutcome:
        try:
            matrix = self._matrix(batch.encoding)
        except EmbedLLMError as error:
            return BatchOutcome([self._failed(cell, str(error)) for cell in batch.cells], 0.0)
        started = time.perf_counter()
        try:
            outcomes = self._compute(batch, matrix)
        except EmbedLLMError as error:
            outcomes = [self._failed(cell, str(error)) for cell in batch.cells]
        return BatchOutcome(outcomes, time.perf_counter() - started)

    def _compute(self, batch: Batch, matrix: np.ndarray) -> list[CellOutcome]:
        if batch.kind == "embedllm":
            assert batch.encoding is not None
            return self._fit(batch.cells, batch.encoding, matrix)
        return self._baselines(batch.cells, matrix)

    def _fit(self, cells: Sequence[Cell], encoding: Encoding, matrix: np.ndarray) -> list[CellOutcome]:
        """Train cells of any splits, sizes and seeds fused."""
        if encoding not in self._pools:
            self._pools[encoding] = FitData.pool(self._data, matrix)
            _forget(self._pools)
        splits = [self._splits[cell.split] for cell in cells]
        results = fit_many([cell.config for cell in cells], self._pools[encoding], splits=splits)
        outcomes = []
        for cell, split, result in zip(cells, splits, results, strict=True):
            if result.model is None:
                outcomes.append(self._failed(cell, result.failure or "no reason is known"))
                continue
            probability = {side: result.model.predict_proba(matrix[getattr(split, side)]) for side in cell.sides}
            vectors = result.model.model_embeddings.numpy()
            function = partial(self._function, result.model, encoding, matrix)
            outcomes.append(self._judged(cell, probability, result.seconds, embedding=vectors, function=function))
        return outcomes

    def _function(self, model: EmbedLLM, encoding: Encoding, matrix: np.ndarray) -> np.ndarray:
        """The models as points of the space of predictions on all questions."""
        if encoding not in self._moments:
            self._moments[encoding] = QuestionMoments.of(matrix)
            _forget(self._moments)
        return function_coordinates(model, self._moments[encoding])

    def _baselines(self, cells: Sequence[Cell], matrix: np.ndarray) -> list[CellOutcome]:
        """Cells that learn from the same questions, as those of several seeds on all of them, are fitted once."""
        alike: dict[tuple[Method, str, bytes], list[Cell]] = {}
        for cell in cells:
            questions = self._training_split(cell).train
            alike.setdefault((cell.method, cell.split, questions.tobytes()), []).append(cell)
        leaders = [same[0] for same in alike.values()]
        found = self._neighbours(leaders, matrix) if leaders[0].method == "knn" else self._fitted(leaders, matrix)
        outcomes = {}
        for same, forecast in zip(alike.values(), found, strict=True):
            for cell in same:
                if isinstance(forecast, str):
                    outcomes[cell.key] = self._failed(cell, forecast)
                else:
                    probability = {side: forecast.probability[side] for side in cell.sides}
                    outcomes[cell.key] = self._judged(cell, probability, forecast.seconds / len(same), forecast.note)
        return [outcomes[cell.key] for cell in cells]

    def _neighbours(self, cells: Sequence[Cell], matrix: np.ndarray) -> "list[_Forecast | str]":
        """kNN of all cells from one similarity product."""
        started = time.perf_counter()
        found = forecast_splits(self._data, [self._training_split(cell) for cell in cells], matrix)
        seconds = (time.perf_counter() - started) / len(cells)
        return [_Forecast({"val": one.val, "test": one.test}, f"k = {one.k} by val", seconds) for one in found]

    def _fitted(self, cells: Sequence[Cell], matrix: np.ndarray) -> "list[_Forecast | str]":
        """Baselines one after the other; why it failed in the place of one that did."""
        found: list[_Forecast | str] = []
        for cell in cells:
            split = self._training_split(cell)
            started = time.perf_counter()
            try:
                baseline = BASELINES[METHOD_NAMES[cell.method].baseline]().fit(self._data, split, matrix)
                probability: dict[Side, np.ndarray] = {
                    side: baseline.predict(matrix[getattr(split, side)], self._data.benchmarks[getattr(split, side)])
                    for side in cell.sides
                }
            except EmbedLLMError as error:
                found.append(str(error))
                continue
            found.append(_Forecast(probability, baseline.note, time.perf_counter() - started))
        return found

    def _training_split(self, cell: Cell) -> Split:
        """The cell's split with the training questions it uses, the same ones that `fit_many` takes."""
        split, size = self._splits[cell.split], cell.config.training_questions
        if size is None:
            return split
        return replace(split, train=nested_subset(split.train, size, seed=cell.config.seed))

    def _judged(
        self,
        cell: Cell,
        probability: "Mapping[Side, np.ndarray]",
        seconds: float,
        note: str = "",
        embedding: np.ndarray | None = None,
        function: Callable[[], np.ndarray] | None = None,
    ) -> CellOutcome:
        split = self._splits[cell.split]
        try:
            return CellOutcome.complete(
                cell,
                self._data,
                split,
                probability,
                seconds=seconds,
                note=note,
                embedding=embedding,
                function=function,
            )
        except EmbedLLMError as error:
            return self._failed(cell, str(error))

    def _failed(self, cell: Cell, reason: str) -> CellOutcome:
        return CellOutcome.failed(cell, self._splits[cell.split], reason)

    def _matrix(self, encoding: Encoding | None) -> np.ndarray:
        """The encodings, float32 of shape (questions, width); of width 0 for cells that read none."""
        if encoding is None:
            return np.empty((self._data.num_questions, 0), dtype=np.float32)
        if not encoding.fitted_on:
            return self._payload.encodings[encoding.encoder]
        if encoding not in self._matrices:
            questions = self._payload.fit_questions[encoding.fitted_on]
            self._matrices[encoding] = encode_data(self._data, encoding.encoder, fit_on=questions).matrix
            _forget(self._matrices)
        return self._matrices[encoding]


@dataclass(frozen=True)
class _Forecast:
    """P(right answer) per side, float of shape (models, questions); what the method tuned; seconds it took."""

    probability: "Mapping[Side, np.ndarray]"
    note: str
    seconds: float


def _forget(kept: OrderedDict[Encoding, Any]) -> None:
    """Drop the oldest entries."""
    while len(kept) > KEPT_ENCODINGS:
        kept.popitem(last=False)
