"""Kendall's tau-b and its test, for many pairs of rankings at once; values as `scipy.stats.kendalltau` gives."""

import math
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

EXACT_UP_TO = 33
"""Longest rankings without ties whose p-value is exact; longer ones, and any with ties, use the normal limit."""

BLOCK_PAIRS = 2**22
"""Pairs of items compared at a time; bounds the memory."""


def kendall_tau(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank correlation of each row of `first` with the same row of `second`.

    Args:
        first: float of shape (rankings, items).
        second: float of the same shape.

    Returns:
        tau-b in [-1, 1] and its two-sided p-value, float64 of shape (rankings,); both NaN where all values of one side
        are equal, for which tau is not defined.
    """
    rankings, items = first.shape
    tau, p_value = np.full(rankings, np.nan), np.full(rankings, np.nan)
    block = max(1, BLOCK_PAIRS // max(1, items * items))
    for start in range(0, rankings, block):
        rows = slice(start, start + block)
        tau[rows], p_value[rows] = _block(first[rows], second[rows])
    return tau, p_value


def _block(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    items = first.shape[1]
    orders = [np.sign(side[:, :, None] - side[:, None, :]) for side in (first, second)]
    # Every pair of items is seen twice, (i, j) and (j, i); the excess counts it once.
    excess = np.einsum("rij,rij->r", *orders) / 2
    pairs = items * (items - 1) / 2
    ties = [_tie_sums((order == 0).sum(axis=2)) for order in orders]
    (first_tied, first_cubes, first_spread), (second_tied, second_cubes, second_spread) = ties
    tau = np.full(len(first), np.nan)
    p_value = np.full(len(first), np.nan)
    defined = (first_tied < pairs) & (second_tied < pairs)
    width = np.sqrt((pairs - first_tied) * (pairs - second_tied))
    np.divide(excess, width, out=tau, where=defined)
    tau = np.clip(tau, -1, 1)
    # Variance under no association with ties (Kendall 1970, Rank Correlation Methods, chapter 4)
    twice = 2 * pairs
    variance = (twice * (2 * items + 5) - first_spread - second_spread) / 18 + 2 * first_tied * second_tied / twice
    if items > 2:
        variance = variance + first_cubes * second_cubes / (9 * twice * (items - 2))
    score = np.abs(excess[defined]) / np.sqrt(variance[defined])
    p_value[defined] = 2 * ndtr(-score)
    untied = defined & (first_tied == 0) & (second_tied == 0)
    discordant = np.rint((pairs - np.abs(excess)) / 2).astype(np.int64)
    if items <= EXACT_UP_TO:
        p_value[untied] = exact_p_values(items)[discordant[untied]]
    else:  # the normal limit is poor so far out; with 0 or 1 discordant pairs the exact count is 1 or `items`
        extreme = untied & (discordant <= 1)
        p_value[extreme] = 2 * items ** discordant[extreme] * math.exp(-math.lgamma(items + 1))
    return tau, p_value


def _tie_sums(group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums over tie groups of t(t-1)/2, t(t-1)(t-2) and t(t-1)(2t+5), from each item's group size (rankings, items)."""
    size = group.astype(np.float64)
    # Every group of t items is met t times, hence a factor t less.
    return (
        ((size - 1) / 2).sum(axis=1),
        ((size - 1) * (size - 2)).sum(axis=1),
        ((size - 1) * (2 * size + 5)).sum(axis=1),
    )


@lru_cache(maxsize=64)
def exact_p_values(items: int) -> np.ndarray:
    """Two-sided p-value by the smaller of discordant and concordant pairs: float64, from 0 to half the pairs."""
    share = np.ones(1)  # share of the permutations of 1, 2, ... items with so many inversions
    for size in range(2, items + 1):
        share = np.convolve(share, np.full(size, 1 / size))
    half = items * (items - 1) // 4
    return np.minimum(1.0, 2 * np.cumsum(share)[: half + 1])
