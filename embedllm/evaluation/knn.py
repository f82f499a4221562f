"""k nearest neighbours for all LLMs at once: one neighbour search serves every model of the pool.

The paper's baseline fits one scikit-learn classifier per LLM, although the neighbours of a question are the same for
all of them. Here a blocked similarity product and top-k find them once, and their labels are summed for all models.

The search is exact: see :mod:`embedllm.evaluation.neighbour_search`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from embedllm.errors import ConfigError, DataError
from embedllm.evaluation.neighbour_search import NeighbourSearch

PAPER_NEIGHBOURS = 131
"""k of the official code, chosen on its validation side."""
NEIGHBOUR_GRID = (5, 11, 21, 31, 51, 81, PAPER_NEIGHBOURS, 211, 341)
"""Values of k tried on the val side."""


class NearestNeighbours:
    """Share of right answers among a question's k nearest training questions (Euclidean, uniform votes), per model.

    For a model without missing labels this is `predict_proba` of scikit-learn's `KNeighborsClassifier(n_neighbors=k)`.
    A neighbour the model has no label on casts no vote, one with several attempts casts several; where no neighbour
    has a label, the model's mean over all training questions is forecast.

    Args:
        encodings: float of shape (training questions, width).
        correct: uint8 of shape (models, training questions), right answers per cell.
        attempts: uint8 of the same shape, graded answers per cell; 0 = missing.

    Raises:
        DataError: if the shapes do not fit together.
    """

    def __init__(self, encodings: np.ndarray, correct: np.ndarray, attempts: np.ndarray) -> None:
        if encodings.ndim != 2 or correct.shape != attempts.shape or correct.shape[1:] != encodings.shape[:1]:
            raise DataError(
                "the training questions of kNN",
                [
                    f"`encodings` has shape {encodings.shape}, `correct` {correct.shape}, `attempts` {attempts.shape}; "
                    "they must be (questions, width), (models, questions) and (models, questions)"
                ],
            )
        # Copied only if read-only, which torch would warn about, or of another type.
        self._encodings = np.require(encodings, np.float32, ["C", "W"])
        # One row of labels per question: a question's neighbours are rows to be summed.
        self._correct = torch.from_numpy(correct.T.astype(np.float32))
        # Votes are simply k where every cell was graded once, as in most data.
        self._attempts = None if (attempts == 1).all() else torch.from_numpy(attempts.T.astype(np.float32))
        totals = attempts.sum(axis=1, dtype=np.int64)
        pool = correct.sum(dtype=np.int64) / max(1, int(totals.sum()))
        means = correct.sum(axis=1, dtype=np.int64) / np.maximum(totals, 1)
        self._fallback = torch.from_numpy(np.where(totals > 0, means, pool).astype(np.float32))

    def predict(self, encodings: np.ndarray, k: int = PAPER_NEIGHBOURS) -> np.ndarray:
        """P(right answer): float32 of shape (models, questions).

        Args:
            encodings: float of shape (questions, width).
            k: number of neighbours.

        Raises:
            ConfigError: if `k` is not between 1 and the number of training questions.
            DataError: if `encodings` has another width than the training questions.
        """
        return self.predict_each(encodings, [k])[0]

    def predict_each(self, encodings: np.ndarray, ks: Sequence[int]) -> np.ndarray:
        """The same for several numbers of neighbours, from one search: float32 of shape (len(ks), models, questions).

        Args:
            encodings: float of shape (questions, width).
            ks: numbers of neighbours, ascending.

        Raises:
            ConfigError: if `ks` does not ascend from at least 1 to at most the number of training questions.
            DataError: if `encodings` has another width than the training questions.
        """
        size = len(self._encodings)
        if not ks or any(low >= high for low, high in zip([0, *ks], [*ks, size + 1], strict=True)):
            raise ConfigError(
                f"numbers of neighbours must ascend between 1 and the {size} training questions but are {list(ks)}"
            )
        result = np.empty((len(ks), self._correct.shape[1], len(encodings)), dtype=np.float32)
        for start, neighbours in self._blocks(encodings, ks):
            result[:, :, start : start + len(neighbours)] = self.vote(neighbours, ks)
        return result

    def vote(self, neighbours: np.ndarray, ks: Sequence[int]) -> np.ndarray:
        """Forecasts from neighbours that are known already: float32 of shape (len(ks), models, questions).

        Args:
            neighbours: int64 of shape (questions, at least ks[-1]), indices of training questions, of which the first k
                are the k nearest for every k of `ks`.
            ks: numbers of neighbours, ascending.
        """
        nearest = torch.from_numpy(neighbours)
        result = np.empty((len(ks), self._correct.shape[1], len(neighbours)), dtype=np.float32)
        right = torch.zeros(len(neighbours), self._correct.shape[1])
        votes = torch.zeros_like(right)
        for position, (low, high) in enumerate(zip([0, *ks[:-1]], ks, strict=True)):
            ring = nearest[:, low:high]  # the neighbours this k has and the last one had not
            right += torch.nn.functional.embedding_bag(ring, self._correct, mode="sum")
            if self._attempts is None:
                votes += high - low
            else:
                votes += torch.nn.functional.embedding_bag(ring, self._attempts, mode="sum")
            share = torch.where(votes > 0, right / votes.clamp(min=1), self._fallback)
            result[position] = share.T.numpy()
        return result

    def _blocks(self, encodings: np.ndarray, ks: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        """First question and neighbours of each block of questions."""
        if encodings.ndim != 2 or encodings.shape[1] != self._encodings.shape[1]:
            raise DataError(
                "the questions to forecast by kNN",
                [f"encodings have shape {encodings.shape}; this kNN reads (questions, {self._encodings.shape[1]})"],
            )
        queries = np.require(encodings, np.float32, ["C", "W"])
        search = NeighbourSearch(self._encodings, max(1, len(queries)))
        for start in range(0, len(queries), search.block):
            yield start, search.nearest(queries[start : start + search.block], ks)
