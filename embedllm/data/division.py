"""Dividing questions at random, in shares, benchmark by benchmark, copies of a text together; and finding copies that
a division by others has parted.
"""

import numpy as np
import pandas as pd


def divided(
    groups: np.ndarray, benchmarks: np.ndarray, fractions: tuple[float, float, float], rng: np.random.Generator
) -> np.ndarray:
    """Side of each question, int8 of shape (questions,): 0 train, 1 val, 2 test.

    Args:
        groups: int64 of shape (questions,), equal for questions that must share a side.
        benchmarks: benchmark names of shape (questions,); each is divided in these shares, up to rounding.
        fractions: shares of train, val and test, which sum to 1. Where there are groups enough, a side is empty only if
            its share is 0.
        rng: decides.
    """
    numbers, first, group_of, group_sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    group_benchmark = pd.factorize(benchmarks[first], sort=True)[0]
    group_sides = np.empty(len(numbers), dtype=np.int8)
    owed = np.zeros(3)  # what rounding in earlier benchmarks left each side short of
    for benchmark in range(group_benchmark.max() + 1 if len(group_benchmark) else 0):
        members = rng.permutation(np.flatnonzero(group_benchmark == benchmark))
        ends = np.cumsum(group_sizes[members])
        wanted = owed + ends[-1] * np.asarray(fractions)
        quota = np.floor(np.maximum(wanted, 0))
        while quota.sum() != ends[-1]:
            step = 1 if quota.sum() < ends[-1] else -1
            quota[np.argmax(step * (wanted - quota) - np.where((quota == 0) & (step < 0), np.inf, 0))] += step
        owed = wanted - quota
        middles = ends - group_sizes[members] / 2
        group_sides[members] = np.searchsorted(np.cumsum(quota)[:2], middles, side="right")
    _fill_empty_sides(group_sides, group_sizes, np.asarray(fractions) * len(groups), rng)
    return group_sides[group_of]


def _fill_empty_sides(
    group_sides: np.ndarray, group_sizes: np.ndarray, wanted: np.ndarray, rng: np.random.Generator
) -> None:
    """Give groups to the sides that rounding, or a group larger than their share, left empty.

    Args:
        group_sides: int8 of shape (groups,); changed in place.
        group_sizes: questions in each group.
        wanted: questions that train, val and test ought to have; those of 0 may stay empty.
        rng: chooses among groups of one size.
    """
    sides = np.flatnonzero(wanted > 0)
    for side in sides:
        counts = np.bincount(group_sides, minlength=3)
        # Train needs questions before val, and val before test: nothing can be trained without those two.
        donors = [other for other in sides if counts[other] > (other < side)]
        if counts[side] or not donors:
            continue
        sizes = np.bincount(group_sides, weights=group_sizes, minlength=3)
        donor = max(donors, key=lambda other: (counts[other] > 1, sizes[other] - wanted[other]))
        members = rng.permutation(np.flatnonzero(group_sides == donor))
        members = members[np.argsort(group_sizes[members], kind="stable")]
        share = min(wanted[side], sizes[donor] / 2)
        given = max(1, int(np.searchsorted(np.cumsum(group_sizes[members]), share, side="right")))
        group_sides[members[:given]] = side


def crossing_prompts(groups: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Sorted indices of questions whose prompt group also occurs on another side.

    Args:
        groups: int64 of shape (questions,), equal where the prompt texts are.
        sides: int8 of shape (questions,): 0 train, 1 val, 2 test, -1 no side (ignored).
    """
    placed = np.flatnonzero(sides >= 0)
    if not len(placed):
        return placed
    size = int(groups.max()) + 1
    lowest, highest = np.full(size, 127, dtype=np.int8), np.full(size, -1, dtype=np.int8)
    np.minimum.at(lowest, groups[placed], sides[placed])
    np.maximum.at(highest, groups[placed], sides[placed])
    return placed[lowest[groups[placed]] != highest[groups[placed]]]
