"""The kNN baseline for many training sets at once: one similarity product and one shortlist serve them all.

A training-size curve asks for the neighbours of the same questions among 35 subsets of the same training questions; the
product with all of them is made once, and every subset reads its own neighbours off it. Results are exactly those of
:class:`embedllm.evaluation.baselines.KNearestNeighbours`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.evaluation.knn import NEIGHBOUR_GRID, PAPER_NEIGHBOURS, NearestNeighbours
from embedllm.evaluation.metrics import mean_log_loss
from embedllm.evaluation.neighbour_search import NeighbourSearch

if TYPE_CHECKING:
    from embedllm.data.splits import Split


@dataclass(frozen=True)
class NeighbourForecast:
    """Forecasts of kNN fitted on one split, k tuned on its val side.

    Args:
        k: number of neighbours.
        val: P(right answer), float32 of shape (models, val questions).
        test: the same for the test questions.
    """

    k: int
    val: np.ndarray
    test: np.ndarray


def forecast_splits(
    data: CorrectnessMatrix, splits: "Sequence[Split]", encodings: np.ndarray
) -> list[NeighbourForecast]:
    """Fit the kNN baseline on the training side of every split.

    Args:
        data: labels of all questions.
        splits: what to learn from, to tune k on and to forecast; the more they share, the more is saved.
        encodings: float32 of shape (all questions, width).
    """
    grids = [sorted({min(k, split.train.size) for k in NEIGHBOUR_GRID}) for split in splits]
    forecasts = []
    for split, ks, neighbours in zip(splits, grids, _neighbours(splits, encodings, grids), strict=True):
        train, val = split.train, split.val
        knn = NearestNeighbours(encodings[train], data.correct[:, train], data.attempts[:, train])
        of_val, of_test = neighbours[: val.size], neighbours[val.size :]
        if val.size:
            tried = knn.vote(of_val, ks)
            losses = [mean_log_loss(each, data.correct[:, val], data.attempts[:, val]) for each in tried]
            best = int(np.argmin(losses))
            k, forecast = ks[best], tried[best].copy()
        else:
            k, forecast = min(PAPER_NEIGHBOURS, train.size), np.empty((data.num_models, 0), dtype=np.float32)
        [forecast_test] = knn.vote(of_test, [k])
        forecasts.append(NeighbourForecast(k, forecast, forecast_test))
    return forecasts


def _neighbours(splits: "Sequence[Split]", encodings: np.ndarray, grids: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """Per split the nearest training questions of its val and then its test questions, as positions in `train`."""
    asked = [np.concatenate([split.val, split.test]) for split in splits]
    queries = np.unique(np.concatenate(asked))
    candidates = np.unique(np.concatenate([split.train for split in splits]))
    members = [np.searchsorted(candidates, split.train) for split in splits]
    found = [np.empty((len(own), ks[-1]), dtype=np.int64) for own, ks in zip(asked, grids, strict=True)]
    search = NeighbourSearch(np.require(encodings[candidates], np.float32, ["C", "W"]), max(1, len(queries)))
    for start in range(0, len(queries), search.block):
        block = queries[start : start + search.block]
        places = [np.flatnonzero(np.isin(own, block)) for own in asked]
        chosen = [np.searchsorted(block, own[place]) for own, place in zip(asked, places, strict=True)]
        rows = np.require(encodings[block], np.float32, ["C", "W"])
        blocks = search.nearest_within(rows, list(zip(chosen, members, strict=True)), grids)
        for whole, place, part in zip(found, places, blocks, strict=True):
            whole[place] = part
    return found
