"""Exact nearest rows of a matrix, among all of them or among any subsets, from one similarity product.

The product runs in float32; candidates whose float32 scores are too close to be told apart by the rounding-error bound
are compared again in float64, equal distances in order of the rows.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

BLOCK_BYTES = 64 * 2**20
"""Memory of one block of similarities; the search needs a small multiple of it beside the encodings."""
TILE_ROWS = 2048
"""Rows per matrix product: a tile stays in cache while the block of queries passes over it."""
SPARE_CANDIDATES = 16
"""Candidates beyond k taken from the float32 pass, so that close calls at the k-th neighbour stay inside."""
SHORTLIST = 5
"""A shortlist of so many times the neighbours wanted serves every subset of more than about a fifth of the rows."""
FLOAT32_ROUNDING = 2.0**-24


class NeighbourSearch:
    """Exact nearest rows of a fixed matrix. A score is x·q - |x|²/2, which falls as the distance grows.

    Args:
        rows: float32 of shape (rows, width), C-contiguous and writable.
        block: most queries of a call; None = as many as fit :data:`BLOCK_BYTES`.
    """

    def __init__(self, rows: np.ndarray, block: int | None = None) -> None:
        self.rows = rows
        self.block = max(1, min(block or len(rows), BLOCK_BYTES // (4 * max(1, len(rows)))))
        self.scores = torch.empty(self.block, len(rows))
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
        return self._nearest(queries, ks, self._approximate_scores(queries), None)

    def nearest_within(
        self, queries: np.ndarray, searches: Sequence[tuple[np.ndarray, np.ndarray]], ks: Sequence[Sequence[int]]
    ) -> Iterator[np.ndarray]:
        """The same for several searches, each with some of the queries and some of the rows.

        Args:
            queries: float32 of shape (queries, width), at most `block` of them.
            searches: (queries, rows) of each, int64 indices, the rows ascending.
            ks: of each search, ascending to at most its number of rows.

        Yields:
            Per search int64 of shape (its queries, ks[-1]): positions among its rows.
        """
        scores = self._approximate_scores(queries)
        # As `nearest` would, but the best rows overall are looked up once for all searches.
        shortlist = torch.topk(scores, min(len(self.rows), SHORTLIST * (max(k[-1] for k in ks) + SPARE_CANDIDATES)))
        for (chosen, members), wanted in zip(searches, ks, strict=True):
            listed = _members_listed(shortlist, chosen, members, len(self.rows), wanted[-1] + SPARE_CANDIDATES)
            found = np.empty((len(chosen), wanted[-1]), dtype=np.int64)
            open_ = np.ones(len(chosen), dtype=bool)
            if listed is not None:
                enough, near, index = listed
                order, settled = self._settle(queries[chosen[enough]], wanted, near, index, complete=False)
                done = enough[settled]
                found[done] = _places(members, len(self.rows))[order[settled]]
                open_[done] = False
            if open_.any():
                rest = chosen[open_]
                own = scores.index_select(1, torch.from_numpy(members))
                if not np.array_equal(rest, np.arange(len(queries))):
                    own = own.index_select(0, torch.from_numpy(rest))
                found[open_] = self._nearest(queries[rest], wanted, own, members)
            yield found

    def _nearest(
        self, queries: np.ndarray, ks: Sequence[int], scores: torch.Tensor, members: np.ndarray | None
    ) -> np.ndarray:
        """Nearest of all rows, or of those that are `members`, as positions among them; `scores` are theirs."""
        result = np.empty((len(queries), ks[-1]), dtype=np.int64)
        pending = np.arange(len(queries))
        size = scores.shape[1]
        width = min(ks[-1] + SPARE_CANDIDATES, size)
        while pending.size:
            top = torch.topk(
                scores if pending.size == len(queries) else scores[torch.from_numpy(pending)], width, dim=1
            )
            index = top.indices.numpy() if members is None else members[top.indices.numpy()]
            order, settled = self._settle(
                queries[pending], ks, top.values.numpy().astype(np.float64), index, complete=width == size
            )
            found = order[settled]
            result[pending[settled]] = found if members is None else _places(members, len(self.rows))[found]
            pending = pending[~settled]
            width = min(4 * width, size)
        return result

    def _settle(
        self, queries: np.ndarray, ks: Sequence[int], scores: np.ndarray, index: np.ndarray, *, complete: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Nearest rows among the best candidates, and per query whether no other row can belong.

        Args:
            queries: float32 of shape (queries, width).
            ks: ascending.
            scores: float64 of shape (queries, candidates), descending; overwritten.
            index: int64 of the same shape, their rows.
            complete: whether the candidates are all rows there are.
        """
        width = scores.shape[1]
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
        return np.take_along_axis(index, ranking, axis=1), settled[:, 0] | complete

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


def _places(members: np.ndarray, size: int) -> np.ndarray:
    """Row -> its position among `members`: int64 of shape (size,), whatever it holds for other rows."""
    places = np.zeros(size, dtype=np.int64)
    places[members] = np.arange(len(members))
    return places


def _members_listed(
    shortlist: "torch.return_types.topk", chosen: np.ndarray, members: np.ndarray, size: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The best `width` of some rows, read off a shortlist of all rows, for the queries it is long enough for.

    Returns:
        Positions in `chosen` of those queries, scores and rows of their candidates, (queries, width) each; None where
        gathering the rows' scores is cheaper, or the shortlist is too short for every query.
    """
    if len(members) * SHORTLIST < size or len(members) < width:
        return None
    member = np.zeros(size, dtype=bool)
    member[members] = True
    index = shortlist.indices.numpy()[chosen]
    listed = member[index]
    counts = listed.sum(axis=1)
    enough = np.flatnonzero(counts >= width)
    if not enough.size:
        return None
    # Places of members in row-major order: the first `width` of each query follow its start.
    places = np.flatnonzero(listed[enough])
    starts = np.cumsum(counts[enough]) - counts[enough]
    first = places[starts[:, None] + np.arange(width)]
    scores = shortlist.values.numpy()[chosen[enough]].reshape(-1)[first].astype(np.float64)
    return enough, scores, index[enough].reshape(-1)[first]
