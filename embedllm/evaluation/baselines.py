"""Baselines that a question-reading model has to beat, under one interface and in one table.

Each learns from the train side, tunes at most one number on the val side, and never sees the test side.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

import numpy as np

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.errors import ConfigError
from embedllm.evaluation.knn import NEIGHBOUR_GRID, PAPER_NEIGHBOURS, NearestNeighbours
from embedllm.evaluation.logistic import LogisticPath, LogisticWeights
from embedllm.evaluation.lookup import AccuracyTable
from embedllm.evaluation.metrics import mean_log_loss
from embedllm.evaluation.report import METRICS, evaluate
from embedllm.titles import METHOD_NAMES

if TYPE_CHECKING:
    import pandas as pd

    from embedllm.data.splits import Split

PENALTY_GRID = (0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0, 3.16, 10.0, 31.6, 100.0)
"""Values of scikit-learn's C tried on the val side, in this order, until the log-loss has risen twice running."""
COARSE_PENALTY_GRID = (0.1, 1.0, 10.0)
"""The same for telling benchmarks apart, where little depends on C."""
UNTUNED_PENALTY = 1.0
"""C where the split has no val side."""


class Baseline(Protocol):
    """What every baseline offers. `fit` returns the object itself, ready to predict."""

    title: ClassVar[str]
    """How tables call it."""
    note: str
    """What a reader of its numbers must know: side information used, tuned value. Complete after `fit`."""

    def fit(self, data: CorrectnessMatrix, split: "Split", encodings: np.ndarray) -> Self:
        """Learn from the train side of `split`; `encodings` is float32 of shape (all questions, width)."""
        ...

    def predict(self, encodings: np.ndarray, benchmarks: np.ndarray) -> np.ndarray:
        """P(right answer) of questions with these encodings and benchmark names: float32 (models, questions)."""
        ...


class ModelMean:
    """Each model's accuracy on the training questions, whatever the question. As a router: the single best model."""

    title: ClassVar[str] = METHOD_NAMES["model_mean"].title

    def __init__(self) -> None:
        self.note = "routes to the single best model"

    def fit(self, data: CorrectnessMatrix, split: "Split", encodings: np.ndarray) -> Self:
        self._accuracy = _count(data, split).overall
        return self

    def predict(self, encodings: np.ndarray, benchmarks: np.ndarray) -> np.ndarray:
        return np.repeat(self._accuracy[:, None].astype(np.float32), len(benchmarks), axis=1)


class BenchmarkLookup:
    """Each model's accuracy on the training questions of the question's benchmark (smoothed: see lookup.py)."""

    title: ClassVar[str] = METHOD_NAMES["lookup"].title

    def __init__(self) -> None:
        self.note = "needs the benchmark label"

    def fit(self, data: CorrectnessMatrix, split: "Split", encodings: np.ndarray) -> Self:
        self._table = _count(data, split)
        return self

    def predict(self, encodings: np.ndarray, benchmarks: np.ndarray) -> np.ndarray:
        return self._table.look_up(benchmarks).astype(np.float32)


class PredictedBenchmarkLookup:
    """The same without the label: each benchmark's accuracy, weighted by the chance that the question comes from it.

    The chances are logistic regressions, one per benchmark against the rest, normalised to sum to one.
    """

    title: ClassVar[str] = METHOD_NAMES["lookup_predicted"].title

    def __init__(self) -> None:
        self.note = ""

    def fit(self, data: CorrectnessMatrix, split: "Split", encodings: np.ndarray) -> Self:
        self._table = _count(data, split)
        belongs = (self._table.names[:, None] == data.benchmarks[split.train].astype(str)).astype(np.uint8)
        path = LogisticPath(encodings[split.train], belongs, np.ones_like(belongs))
        self._classifier, c = _best_on_val(path, COARSE_PENALTY_GRID, self._forecast, data, split, encodings)
        self.note = _tuned("C", c, split)
        return self

    def predict(self, encodings: np.ndarray, benchmarks: np.ndarray) -> np.ndarray:
        return self._forecast(self._classifier, encodings)

    def _forecast(self, classifier: LogisticWeights, encodings: np.ndarray) -> np.ndarray:
        chances = classifier.predict(encodings)
        # Shares of one sum to one up to rounding, and where every answer was right the forecast must not be above 1.
        return np.clip(self._table.accuracy @ (chances / chances.sum(axis=0)), 0, 1).astype(np.float32)


class LogisticRegressions:
    """One L2-regularised logistic regression on the encodings per model, one C by val for the whole pool."""

    title: ClassVar[str] = METHOD_NAMES["logistic"].title

    def __init__(self) -> None:
        self.note = ""

    def fit(self, data: CorrectnessMatrix, split: "Split", encodings: np.ndarray) -> Self:
        train = split.train
        path = LogisticPath(encodings[train], data.correct[:, train], data.attempts[:, train])
        self.weights, c = _best_on_val(path, PENALTY_GRID, LogisticWeights.predict, data, split, encodings)
        self.note = _tuned("C", c, split)
        return self

    def predict(self, encodings: np.ndarray, benchmarks: np.ndarray) -> np.ndarray:
        return self.weights.predict(encodings)


class KNearestNeighbours:
    """The paper's baseline: votes of the k nearest training questions, one k by val for the whole pool."""

    title: ClassVar[str] = METHOD_NAMES["knn"].title

    def __init__(self) -> None:
        self.note = ""

    def fit(self, data: CorrectnessMatrix, split: "Split", encodings: np.ndarray) -> Self:
        train, val = split.train, split.val
        self._neighbours = NearestNeighbours(encodings[train], data.correct[:, train], data.attempts[:, train])
        ks = sorted({min(k, train.size) for k in NEIGHBOUR_GRID})
        self.k = min(PAPER_NEIGHBOURS, train.size)
        if val.size:
            forecasts = self._neighbours.predict_each(encodings[val], ks)
            self.k = ks[int(np.argmin([_log_loss(forecast, data, val) for forecast in forecasts]))]
        self.note = _tuned("k", self.k, split)
        return self

    def predict(self, encodings: np.ndarray, benchmarks: np.ndarray) -> np.ndarray:
        return self._neighbours.predict(encodings, self.k)


BASELINES: dict[str, type[Baseline]] = {
    "model_mean": ModelMean,
    "benchmark_lookup": BenchmarkLookup,
    "predicted_benchmark_lookup": PredictedBenchmarkLookup,
    "knn": KNearestNeighbours,
    "logistic_regression": LogisticRegressions,
}


def evaluate_baselines(
    data: CorrectnessMatrix,
    split: "Split",
    encodings: np.ndarray,
    sides: Sequence[str] = ("val", "test"),
    names: Sequence[str] | None = None,
    progress: bool = False,
) -> "pd.DataFrame":
    """Fit the baselines and measure them.

    Args:
        data: labels of all questions.
        split: which questions to learn from, to tune on and to report.
        encodings: float32 of shape (questions, width), of all questions of `data`.
        sides: sides of the split to report, among train, val and test. Of a tuned baseline, val flatters a little.
        names: keys of :data:`BASELINES`; None = all.
        progress: show a progress bar.

    Returns:
        One row per baseline and side: method, title, side, the seven metrics, seconds (fit and all predictions
        of the baseline, the same on each of its rows), note.

    Raises:
        ConfigError: for an unknown name or side.
    """
    import pandas as pd

    names = list(BASELINES) if names is None else list(names)
    for what, given, allowed in (("baseline", names, BASELINES), ("side", sides, ("train", "val", "test"))):
        unknown = [name for name in given if name not in allowed]
        if unknown:
            raise ConfigError(f"unknown {what} {', '.join(map(repr, unknown))}; allowed: {', '.join(allowed)}")
    rows = []
    for name in _tracked(names) if progress else names:
        start = time.perf_counter()
        baseline = BASELINES[name]().fit(data, split, encodings)
        forecasts = {}
        for side in sides:
            questions = getattr(split, side)
            forecasts[side] = baseline.predict(encodings[questions], data.benchmarks[questions])
        seconds = time.perf_counter() - start
        for side, forecast in forecasts.items():
            questions = getattr(split, side)
            labels = data.correct[:, questions], data.attempts[:, questions], data.benchmarks[questions]
            metrics = evaluate(forecast, *labels)
            row = {"method": name, "title": baseline.title, "side": side, **metrics}
            rows.append({**row, "seconds": seconds, "note": baseline.note})
    return pd.DataFrame(rows, columns=["method", "title", "side", *METRICS, "seconds", "note"])


def _tracked(names: Sequence[str]) -> Iterable[str]:
    from rich.console import Console
    from rich.progress import track

    # On standard error: standard output belongs to the results.
    return track(names, description="baselines", console=Console(stderr=True), transient=True)


def _count(data: CorrectnessMatrix, split: "Split") -> AccuracyTable:
    train = split.train
    return AccuracyTable.count(data.correct[:, train], data.attempts[:, train], data.benchmarks[train])


def _log_loss(forecast: np.ndarray, data: CorrectnessMatrix, questions: np.ndarray) -> float:
    return mean_log_loss(forecast, data.correct[:, questions], data.attempts[:, questions])


def _best_on_val(
    path: LogisticPath,
    grid: Sequence[float],
    forecast: Callable[[LogisticWeights, np.ndarray], np.ndarray],
    data: CorrectnessMatrix,
    split: "Split",
    encodings: np.ndarray,
) -> tuple[LogisticWeights, float]:
    """The regressions whose forecasts have the lowest val log-loss, and their C."""
    if not split.val.size:
        return next(path.solve([UNTUNED_PENALTY])), UNTUNED_PENALTY
    tried: list[tuple[float, float, LogisticWeights]] = []
    for c, weights in zip(grid, path.solve(grid), strict=False):
        tried.append((_log_loss(forecast(weights, encodings[split.val]), data, split.val), c, weights))
        if len(tried) > 2 and tried[-1][0] > tried[-2][0] > tried[-3][0]:
            break
    _, c, weights = min(tried, key=lambda trial: trial[0])
    return weights, c


def _tuned(name: str, value: float, split: "Split") -> str:
    return f"{name} = {value:g} {'by val' if split.val.size else '(no val side to tune on)'}"
