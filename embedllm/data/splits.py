"""Splits: which questions a model is trained on, selected on (val) and reported on (test).

A split divides questions, never rows, and questions with the same prompt text always share a side: otherwise the text
of a test question would have been seen in training.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from embedllm.data.matrix import SPLIT_NAMES, CorrectnessMatrix
from embedllm.errors import ConfigError, DataError


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of questions. They need not cover all questions of the data.

    Args:
        name: how the split was made, for tables and logs.
        train: int64 indices of the training questions, kept sorted ascending.
        val: int64 indices of the questions that model selection sees.
        test: int64 indices of the questions that only the final report sees.
        seed: the seed of a random split, None where no chance was involved.

    Raises:
        DataError: for negative or repeated indices, or a question on two sides.
    """

    name: str
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    seed: int | None = None

    def __post_init__(self) -> None:
        problems = []
        for side in SPLIT_NAMES:
            indices = np.sort(np.asarray(getattr(self, side), dtype=np.int64))
            object.__setattr__(self, side, indices)
            if len(indices) and indices[0] < 0:
                problems.append(f"{side} holds the negative question index {indices[0]}")
            repeated = indices[1:][indices[1:] == indices[:-1]]
            if len(repeated):
                problems.append(f"{side} lists question {repeated[0]} more than once")
        for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
            shared = np.intersect1d(getattr(self, first), getattr(self, second))
            if len(shared):
                problems.append(
                    f"{_questions(len(shared))} on two sides, {first} and {second} (the first is question "
                    f"{shared[0]}); every question belongs to one side"
                )
        if problems:
            raise DataError(f"the split {self.name!r}", problems)

    def check(self, data: CorrectnessMatrix) -> "Split":
        """Check the split against the data it divides, and return it.

        Raises:
            DataError: if an index lies beyond the data, or questions with one prompt text are on different sides.
        """
        problems = []
        for side in SPLIT_NAMES:
            indices = getattr(self, side)
            if len(indices) and indices[-1] >= data.num_questions:
                problems.append(
                    f"{side} holds question index {indices[-1]}; the data has {_questions(data.num_questions)} "
                    f"(0 to {data.num_questions - 1})"
                )
        if not problems:
            crossing = crossing_prompts(prompt_groups(data), self.sides(data.num_questions))
            if len(crossing):
                problems.append(
                    f"{_questions(len(crossing))} with a prompt text that also stands on another side (the first is "
                    f"question {crossing[0]}); questions with identical texts must share a side"
                )
        if problems:
            raise DataError(f"the split {self.name!r}", problems)
        return self

    def sides(self, num_questions: int) -> np.ndarray:
        """Side of each question, int8 of shape (num_questions,): 0 train, 1 val, 2 test, -1 none."""
        sides = np.full(num_questions, -1, dtype=np.int8)
        for code, side in enumerate(SPLIT_NAMES):
            sides[getattr(self, side)] = code
        return sides

    @property
    def digest(self) -> str:
        """Hex SHA-256 (first 16 digits) over the three sides: "same questions on the same sides?"."""
        sha = hashlib.sha256()
        for side in SPLIT_NAMES:
            indices = getattr(self, side)
            sha.update(np.int64(len(indices)).tobytes())
            sha.update(indices.tobytes())
        return sha.hexdigest()[:16]


def prompt_groups(data: CorrectnessMatrix) -> np.ndarray:
    """Group number per question, int64 of shape (questions,): equal exactly where the prompt texts are equal."""
    return pd.factorize(data.questions["prompt"].to_pandas(), use_na_sentinel=False)[0].astype(np.int64)


def crossing_prompts(groups: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Sorted indices of questions whose prompt group also occurs on another side.

    Args:
        groups: int64 of shape (questions,), see `prompt_groups`.
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


def given_split(data: CorrectnessMatrix) -> Split:
    """The split the source files made.

    Raises:
        DataError: if the data carries no sides, or identical prompts on different sides.
    """
    column = data.questions["split"].to_numpy(zero_copy_only=False)
    train, val, test = (np.flatnonzero(column == side) for side in SPLIT_NAMES)
    if not len(train) + len(val) + len(test):
        raise DataError(
            "the split 'given'",
            ["the source files put no question into train, val or test; use a random split of the questions"],
        )
    return Split("given", train, val, test).check(data)


def random_split(
    data: CorrectnessMatrix, *, seed: int, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
) -> Split:
    """A random split by question, stratified by benchmark; identical prompts stay together.

    Args:
        data: the data to divide.
        seed: the same seed gives the same split of the same data.
        fractions: shares of train, val and test; they sum to 1.

    Raises:
        ConfigError: for a negative seed.
        DataError: for fractions that are negative or do not sum to 1.
    """
    if seed < 0:
        raise ConfigError(f"split_seed must be at least 0 but is {seed}")
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise DataError("the split 'random'", [f"fractions {fractions} must be non-negative and sum to 1"])
    rng = np.random.default_rng(seed)
    groups = prompt_groups(data)
    _, first, group_sizes = np.unique(groups, return_index=True, return_counts=True)
    group_benchmark = pd.factorize(data.benchmarks[first], sort=True)[0]
    group_sides = np.empty(len(group_sizes), dtype=np.int8)
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
    sides = group_sides[groups]
    train, val, test = (np.flatnonzero(sides == code) for code in range(3))
    return Split("random", train, val, test, seed=seed)


def leave_out(data: CorrectnessMatrix, benchmarks: Sequence[str], *, base: Split | None = None, seed: int = 0) -> Split:
    """Leave benchmarks out: train and val know nothing of them, test is all of their questions.

    Args:
        data: the data to divide.
        benchmarks: names of the benchmarks held out.
        base: train and val are this split's without the benchmarks; None = `default_split(data, seed=seed)`.
        seed: used where `base` is None.

    Raises:
        DataError: naming every benchmark that the data does not have, or if nothing is left to train on.
    """
    known = sorted(set(data.benchmarks))
    name = f"without {', '.join(benchmarks)}"
    problems = [f"there is no benchmark {b!r}; the data has {', '.join(known)}" for b in benchmarks if b not in known]
    if not benchmarks:
        problems.append(f"no benchmark is named; the data has {', '.join(known)}")
    if problems:
        raise DataError(f"the split {name!r}", problems)
    base = base or default_split(data, seed=seed)
    held_out = np.isin(data.benchmarks, list(benchmarks))
    groups = prompt_groups(data)
    # A copy of a held-out prompt under another benchmark's name would leak it.
    touched = np.isin(groups, groups[held_out])
    train, val = base.train[~touched[base.train]], base.val[~touched[base.val]]
    if not len(train):
        raise DataError(
            f"the split {name!r}",
            [
                "no training question is left: those of other benchmarks, if there are any, have the same texts as the "
                "held-out ones; hold out fewer benchmarks"
            ],
        )
    return Split(name, train, val, np.flatnonzero(held_out), seed=base.seed)


def default_split(data: CorrectnessMatrix, seed: int = 0) -> Split:
    """The given split where the source files put every question on a side and used all three, else a random one."""
    column = data.questions["split"].to_numpy(zero_copy_only=False)
    if np.isin(column, SPLIT_NAMES).all() and all((column == side).any() for side in SPLIT_NAMES):
        return given_split(data)
    return random_split(data, seed=seed)


def nested_subset(indices: np.ndarray, size: int, *, seed: int) -> np.ndarray:
    """A random subset of questions such that, for one seed, smaller subsets lie inside larger ones.

    The subset is the prefix of a seeded permutation.

    Args:
        indices: int64 question indices to choose from, in any order.
        size: number of questions wanted.
        seed: names the permutation.

    Returns:
        int64 indices of shape (size,), sorted ascending.

    Raises:
        DataError: if `size` is below 1 or there are fewer than `size` indices.
    """
    if not 1 <= size <= len(indices):
        raise DataError(
            "the training size",
            [f"{size} questions are asked for; allowed: 1 to {len(indices)}, the questions there are"],
        )
    shuffled = np.random.default_rng(seed).permutation(np.sort(np.asarray(indices, dtype=np.int64)))
    return np.sort(shuffled[:size])


def _questions(count: int) -> str:
    return f"{count:,} question{'' if count == 1 else 's'}"
