"""k nearest neighbours for all LLMs at once: one neighbour search serves every model of the pool.

The paper's baseline fits one scikit-learn classifier per LLM, although the neighbours of a question are the same for
all of them. Here a blocked similarity product and top-k find them once, and their labels are summed for all models.

The search is exact. The product runs in float32; candidates whose float32 scores are too close to be told apart by the
rounding-error bound are compared again in float64, equal distances in order of the training questions.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from embedllm.errors import ConfigError, DataError

PAPER_NEIGHBOURS = 131
"""k of the official code, chosen on its validation side."""
BLOCK_BYTES = 64 * 2**20
"""Memory of one block of similarities; the search needs a small multiple of it beside the encodings."""
TILE_ROWS = 2048
"""Training questions per matrix product: a tile stays in cache while the block of questions passes over it."""
SPARE_CANDIDATES = 16
"""Candidates beyond k taken from the float32 pass, so that close calls at the k-th neighbour stay inside."""
FLOAT32_ROUNDING = 2.0**-24


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
            nearest = torch.from_numpy(neighbours)
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
                result[position, :, start : start + len(neighbours)] = share.T.numpy()
        return result

    def neighbours(self, encodings: np.ndarray, k: int) -> np.ndarray:
        """Indices of the k nearest training questions, the nearest first: int64 of shape (questions, k).

        Args:
            encodings: float of shape (questions, width).
            k: at least 1 and at most the number of training questions.
        """
        blocks = [block for _, block in self._blocks(encodings, range(1, k + 1))]
        return np.concatenate(blocks) if blocks else np.empty((0, k), dtype=np.int64)

    def _blocks(self, encodings: np.ndarray, ks: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        """First question and neighbours of each block of questions."""
        if encodings.ndim != 2 or encodings.shape[1] != self._encodings.shape[1]:
            raise DataError(
                "the questions to forecast by kNN",
                [f"encodings have shape {encodings.shape}; this kNN reads (questions, {self._encodings.shape[1]})"],
            )
        queries = np.require(encodings, np.float32, ["C", "W"])
        rows = min(max(1, BLOCK_BYTES // (4 * len(self._encodings))), max(1, len(queries)))
        search = _Search(self._encodings, rows)
        for start in range(0, len(queries), rows):
            yield start, search.nearest(queries[start : start + rows], ks)


class _Search:
    """Exact nearest rows of a fixed float32 matrix. A score is x·q - |x|²/2, which falls as the distance grows."""

    def __init__(self, rows: np.ndarray, block: int) -> None:
        self.rows = rows
        self.scores = torch.empty(block, len(rows))
        squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        self.negative_half_squares = torch.from_numpy((-squares / 2).astype(np.float32))
        self.largest_norm = float(np.sqrt(squares.max()))

    def nearest(self, queries: np.ndarray, ks: Sequence[int]) -> np.ndarray:
        """Indices of the `ks[-1]` nearest rows, the first k of them the k nearest for every k of `ks`.

        Args:
            queries: float32 of shape (queries, width), at most `block` of them.
            ks: ascending.

        Returns:
            int64 of shape (queries, ks[-1]).
        """
        result = np.empty((len(queries), ks[-1]), dtype=np.int64)
        pending = np.arange(len(queries))
        width = min(ks[-1] + SPARE_CANDIDATES, len(self.rows))
        while pending.size:
            order, settled = self._candidates(queries[pending], ks, width)
            result[pending[settled]] = order[settled]
            pending = pending[~settled]
            width = min(4 * width, len(self.rows))
        return result

    def _candidates(self, queries: np.ndarray, ks: Sequence[int], width: int) -> tuple[np.ndarray, np.ndarray]:
        """Nearest rows among the `width` best candidates, and per query whether no other row can belong."""
        top = torch.topk(self._approximate_scores(queries), width, dim=1)
        scores, index = top.values.numpy().astype(np.float64), top.indices.numpy()
        # No float32 score is further from the truth than this, in whatever order the product adds up.
        norms = np.sqrt(np.einsum("ij,ij->i", queries, queries, dtype=np.float64))
        products = norms * self.largest_norm
        bound = FLOAT32_ROUNDING * ((queries.shape[1] + 8) * products + 8 * self.largest_norm**2)[:, None]
        outside = scores[:, -1:] + 2 * bound  # no row beyond the candidates can reach this
        # Scores further apart than twice the bound are in their true order. The others form runs, and a run that a
        # boundary between k nearest and the rest cuts through has to be settled.
        close = scores[:, :-1] - scores[:, 1:] <= 2 * bound
        run = np.concatenate((np.zeros((len(queries), 1), dtype=np.int64), np.cumsum(~close, axis=1)), axis=1)
        unsure = np.zeros(scores.shape, dtype=bool)
        for k in ks:
            if k < width:
                cut = np.flatnonzero(close[:, k - 1])
                unsure[cut] |= run[cut] == run[cut, k - 1 : k]
        query, place = np.nonzero(unsure)
        within_run = np.tile(np.arange(width, dtype=np.float64), (len(queries), 1))
        within_run[query, place] = self._squared_distances(queries, query, index[query, place])
        ranking = np.lexsort((index, within_run, run), axis=1)[:, : ks[-1]]
        scores[query, place] = (norms[query] ** 2 - within_run[query, place]) / 2
        settled = np.take_along_axis(scores, ranking[:, -1:], axis=1) > outside
        return np.take_along_axis(index, ranking, axis=1), settled[:, 0] | (width == len(self.rows))

    def _approximate_scores(self, queries: np.ndarray) -> torch.Tensor:
        """Scores of all rows in float32: (queries, rows). Overwritten by the next call."""
        scores, block = self.scores[: len(queries)], torch.from_numpy(queries)
        for start in range(0, len(self.rows), TILE_ROWS):
            tile = slice(start, start + TILE_ROWS)
            rows = torch.from_numpy(self.rows[tile])
            torch.addmm(self.negative_half_squares[tile], block, rows.T, out=scores[:, tile])
        return scores

    def _squared_distances(self, queries: np.ndarray, query: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Of (query, row) pairs, in float64 and from coordinate differences: equal rows are equally far."""
        distances = np.empty(query.size)
        step = max(1, BLOCK_BYTES // (16 * queries.shape[1]))
        for start in range(0, query.size, step):
            part = slice(start, start + step)
            difference = self.rows[row[part]].astype(np.float64)
            difference -= queries[query[part]]
            distances[part] = np.einsum("ij,ij->i", difference, difference)
        return distances
