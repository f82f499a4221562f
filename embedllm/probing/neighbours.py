"""Nearest neighbours, and whether models that lie close together also answer alike.

Entries of a distance matrix are not independent, a model is in all of its row; so correlations of two matrices are
judged by permuting whole models (Mantel's test), never by the usual p-value over pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from embedllm.errors import DataError
from embedllm.probing.permutation_tests import PERMUTATIONS

BLOCK_NUMBERS = 2**19
"""Pairs permuted at a time: 4 MB, which stay in the cache."""


@dataclass(frozen=True)
class MatrixCorrelation:
    """Correlation of two symmetric matrices over the pairs of models, tested by permuting models.

    Args:
        models: number of models.
        pairs: number of pairs, models * (models - 1) / 2.
        pearson: linear correlation over pairs.
        pearson_p: one-sided p-value, (1 + permutations with a correlation at least as large) / (1 + permutations).
        spearman: rank correlation over pairs.
        spearman_p: its p-value.
    """

    models: int
    pairs: int
    pearson: float
    pearson_p: float
    spearman: float
    spearman_p: float


def matrix_correlation(
    first: np.ndarray, second: np.ndarray, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> MatrixCorrelation:
    """Mantel's test, for the hypothesis that large entries of one matrix go with large entries of the other.

    Args:
        first: float (models, models), symmetric; the diagonal is ignored.
        second: the same; its models are permuted.
        permutations: number of permutations of the models.
        seed: seed of the permutations.

    Raises:
        DataError: with fewer than four models, entries that are not finite, or a matrix with only one value.
    """
    models = len(first)
    if first.shape != second.shape or models < 4:
        raise DataError(
            "the correlation", [f"the matrices have shapes {first.shape} and {second.shape}; needed: equal, 4 or more"]
        )
    upper = np.triu_indices(models, 1)
    pairs = [matrix[upper].astype(np.float64) for matrix in (first, second)]
    problems = []
    for place, values in zip(("first", "second"), pairs, strict=True):
        if not np.isfinite(values).all():
            problems.append(f"the {place} matrix has {int((~np.isfinite(values)).sum())} pairs without a number")
        elif np.ptp(values) <= 1e-12 * np.abs(values).max():
            problems.append(f"all pairs of the {place} matrix are {values[0]:.4g}: it cannot correlate with anything")
    if problems:
        raise DataError("the correlation", problems)
    generator = np.random.default_rng(seed)
    orders = generator.random((permutations, models)).argsort(axis=1)
    standard = [
        [(values - values.mean()) / (values.std() * np.sqrt(len(values))) for values in kind]
        for kind in (pairs, [np.asarray(rankdata(values)) for values in pairs])
    ]
    squares = []
    for _, right in standard:
        square = np.zeros((models, models))
        square[upper] = right
        squares.append((square + square.T).ravel())
    block = max(1, BLOCK_NUMBERS // len(pairs[0]))
    drawn = np.empty((2, permutations))
    for start in range(0, permutations, block):
        part = orders[start : start + block]
        cells = part[:, upper[0]] * models + part[:, upper[1]]
        for kind, (left, _) in enumerate(standard):
            drawn[kind, start : start + block] = squares[kind][cells] @ left
    observed = [float(left @ right) for left, right in standard]
    p_values = [float((1 + (drawn[kind] >= observed[kind] - 1e-12).sum()) / (1 + permutations)) for kind in range(2)]
    return MatrixCorrelation(models, len(pairs[0]), observed[0], p_values[0], observed[1], p_values[1])


def disagreement(correct: np.ndarray, attempts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often two models' answers differ in being right.

    Args:
        correct: uint8 (models, questions), right answers per cell.
        attempts: uint8 of the same shape, graded answers per cell; 0 = missing.

    Returns:
        Mean over the questions that both answered of |share right - share right|: float64 (models, models), NaN where
        there is no such question; and the number of these questions, int64 of the same shape.
    """
    answered = (attempts > 0).astype(np.float32)
    share = np.divide(correct, attempts, out=np.zeros(correct.shape, np.float32), where=attempts > 0)
    common = answered @ answered.T
    if np.isin(share, (0.0, 1.0)).all():
        # |a - b| = a + b - 2ab for zeros and ones: three matrix products instead of a loop over models.
        both = share @ share.T
        total = share @ answered.T + answered @ share.T - 2 * both
    else:
        total = np.stack(
            [(np.abs(share - row) * answered * known).sum(axis=1) for row, known in zip(share, answered, strict=True)]
        )
    with np.errstate(invalid="ignore"):  # 0/0 where two models share no question
        return np.asarray(total / common, dtype=np.float64), common.astype(np.int64)


def nearest_neighbours(
    distances: np.ndarray, names: Sequence[str], differing: np.ndarray, *, count: int = 3
) -> pd.DataFrame:
    """The nearest models of every model.

    Args:
        distances: float (models, models), symmetric.
        names: name per model.
        differing: float (models, models) from :func:`disagreement`.
        count: neighbours per model; at most models - 1.

    Returns:
        Rows model, rank (1 is the nearest), neighbour, distance, agreement (1 - disagreement) and agreement_rank: the
        neighbour's place when all others are ordered by agreement with the model, ties by order of the data. The last
        two are missing where the two share no question.
    """
    others = distances + np.diag(np.full(len(distances), np.inf))
    order = np.argsort(others, axis=1, kind="stable")[:, : min(count, len(distances) - 1)]
    unlike = np.where(np.eye(len(differing), dtype=bool), np.inf, np.nan_to_num(differing, nan=np.inf))
    place = np.argsort(np.argsort(unlike, axis=1, kind="stable"), axis=1) + 1
    rows = [
        (
            names[model],
            rank + 1,
            names[other],
            distances[model, other],
            1 - differing[model, other],
            place[model, other],
        )
        for model, neighbours in enumerate(order)
        for rank, other in enumerate(neighbours)
    ]
    frame = pd.DataFrame(rows, columns=["model", "rank", "neighbour", "distance", "agreement", "agreement_rank"])
    frame["agreement_rank"] = frame["agreement_rank"].astype("Int64").where(frame["agreement"].notna())
    return frame


def agreement_by_rank(distances: np.ndarray, differing: np.ndarray) -> pd.DataFrame:
    """Mean agreement with the k-th nearest model, k = 1 to models - 1: columns rank, agreement, models (counted)."""
    others = distances + np.diag(np.full(len(distances), np.inf))
    order = np.argsort(others, axis=1, kind="stable")[:, : len(distances) - 1]
    agreement = 1 - np.take_along_axis(differing, order, axis=1)
    known = np.isfinite(agreement)
    total = np.where(known, agreement, 0).sum(axis=0)
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(distances)),
            "agreement": np.divide(total, known.sum(axis=0), out=np.full(len(total), np.nan), where=known.any(axis=0)),
            "models": known.sum(axis=0),
        }
    )
