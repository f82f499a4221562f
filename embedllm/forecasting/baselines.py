"""Model features a forecast from embeddings has to beat: each reads the labels of the questions it is given, directly.

All take the same questions the embedding was trained on, so that none knows more than another.
"""

import numpy as np

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.errors import DataError


def benchmark_accuracies(data: CorrectnessMatrix, questions: np.ndarray | None = None) -> tuple[np.ndarray, list[str]]:
    """Each model's share of right answers on each benchmark.

    Args:
        data: the labels.
        questions: int64 indices to look at; None = all.

    Returns:
        float64 of shape (models, benchmarks), NaN where a model has no graded answer; benchmark names, sorted.
    """
    chosen = np.arange(data.num_questions) if questions is None else questions
    names, index = np.unique(data.benchmarks[chosen].astype(str), return_inverse=True)
    member = np.zeros((names.size, len(chosen)), dtype=np.float32)
    member[index, np.arange(len(chosen))] = 1
    # float32 sums of small integers are exact below 2**24 answers per model and benchmark
    right = (data.correct[:, chosen].astype(np.float32) @ member.T).astype(np.float64)
    answers = (data.attempts[:, chosen].astype(np.float32) @ member.T).astype(np.float64)
    shares = np.full(right.shape, np.nan)
    np.divide(right, answers, out=shares, where=answers > 0)
    return shares, names.tolist()


def mean_of_others(data: CorrectnessMatrix, questions: np.ndarray) -> np.ndarray:
    """Mean over the benchmarks of each model's accuracy: float64 of shape (models, 1).

    Args:
        data: the labels.
        questions: int64 indices to look at: those of a split that leaves the forecast benchmark out.

    Raises:
        DataError: if there is no question.
    """
    return raw_accuracies(data, questions).mean(axis=1, keepdims=True)


def raw_accuracies(data: CorrectnessMatrix, questions: np.ndarray) -> np.ndarray:
    """Each model's accuracy on each benchmark: float64 of shape (models, benchmarks); arguments as `mean_of_others`.

    A model without a graded answer on a benchmark gets the benchmark's mean plus the model's mean difference from it
    on the benchmarks it was graded on.
    """
    _check(questions)
    shares, _ = benchmark_accuracies(data, questions)
    return _filled(shares)


def pca_of_matrix(data: CorrectnessMatrix, questions: np.ndarray, dimension: int) -> np.ndarray:
    """Principal component scores of the models x questions matrix: what a linear method without question texts sees.

    Args:
        data: the labels; a missing cell counts as the question's mean accuracy.
        questions: int64 indices to look at.
        dimension: components wanted; never more than models - 1, all there are after centring, or questions.

    Returns:
        float64 of shape (models, min(dimension, models - 1, questions)), ordered by variance.

    Raises:
        DataError: if there is no question, or the dimension is below 1.
    """
    _check(questions)
    if dimension < 1:
        raise DataError("the principal components", [f"{dimension} are asked for; at least 1 is needed"])
    correct = data.correct[:, questions].astype(np.float64)
    attempts = data.attempts[:, questions].astype(np.float64)
    graded = attempts > 0
    shares = np.divide(correct, attempts, out=np.zeros_like(correct), where=graded)
    mean = shares.sum(axis=0) / np.maximum(graded.sum(axis=0), 1)
    centred = np.where(graded, shares - mean, 0.0)
    # The models are few: their inner products hold everything.
    variance, axes = np.linalg.eigh(centred @ centred.T)
    kept = min(dimension, data.num_models - 1, len(questions))
    return (axes * np.sqrt(np.maximum(variance, 0)))[:, ::-1][:, :kept]


def _filled(shares: np.ndarray) -> np.ndarray:
    missing = np.isnan(shares)
    if not missing.any():
        return shares
    known = ~missing
    benchmark = np.where(known, shares, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    model = np.where(known, shares - benchmark, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(missing, np.clip(benchmark + model[:, None], 0, 1), shares)


def _check(questions: np.ndarray) -> None:
    if not len(questions):
        raise DataError("the forecast", ["no question is left to learn from; with one benchmark there is no other"])
