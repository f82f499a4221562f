"""Splits: which questions a model is trained on, selected on (val) and reported on (test).

A split divides questions, never rows, and questions with the same prompt text always share a side: otherwise the text
of a test question would have been seen in training.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from embedllm.config import SplitChoice
from embedllm.data.division import crossing_prompts, divided
from embedllm.data.matrix import SPLIT_NAMES, CorrectnessMatrix
from embedllm.errors import ConfigError, DataError

VALIDATION_DRAWN = "given, validation drawn from train"
"""Name of a given split whose validation questions were drawn, by its seed, from the training questions given."""


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of questions. They need not cover all questions of the data.

    Args:
        name: how the split was made, for tables and logs.
        train: int64 indices of the training questions, kept sorted ascending.
        val: int64 indices of the questions that model selection sees.
        test: int64 indices of the questions that only the final report sees.
        seed: the seed of a split with random parts, None where no chance was involved and so no seed matters.

    Raises:
        DataError: for what are no indices, negative or repeated ones, or a question on two sides.
    """

    name: str
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    seed: int | None = None

    def __post_init__(self) -> None:
        problems = []
        for side in SPLIT_NAMES:
            given = np.asarray(getattr(self, side))
            if fault := _no_indices(given):
                problems.append(f"{side} {fault}")
                given = np.empty(0)
            indices = np.sort(given.astype(np.int64))
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


def _no_indices(given: np.ndarray) -> str | None:
    """What is wrong with a side's indices as such, to be read after its name; None if nothing is."""
    if given.ndim != 1:
        return f"has shape {given.shape}; a side is one list of question indices"
    if given.dtype == bool:
        return "is a mask of true and false; a side is a list of question indices: use np.flatnonzero(mask)"
    if len(given) and given.dtype.kind not in "iu":
        return f"holds {given.tolist()[0]!r}, of dtype {given.dtype}; question indices are whole numbers"
    return None


def prompt_groups(data: CorrectnessMatrix) -> np.ndarray:
    """Group number per question, int64 of shape (questions,): equal exactly where the prompt texts are equal."""
    return pd.factorize(data.questions["prompt"].to_pandas(), use_na_sentinel=False)[0].astype(np.int64)


def given_split(data: CorrectnessMatrix, *, seed: int = 0) -> Split:
    """The split the source files made. Where they name no validation questions, a tenth of train is drawn for that.

    Args:
        data: the data to divide.
        seed: used where validation questions are drawn: at random, stratified by benchmark, copies of a text together.
            The result's own `seed` says whether they were.

    Raises:
        ConfigError: for a negative seed that would be used.
        DataError: if the data carries no sides or no training questions, if identical prompts are on different sides,
            or if all training questions have one text, so that none can be drawn.
    """
    column = data.questions["split"].to_numpy(zero_copy_only=False)
    train, val, test = (np.flatnonzero(column == side) for side in SPLIT_NAMES)
    if not len(train):
        problem = "the source files put no question into train, val or test; use a random split of the questions"
        if len(val) or len(test):
            problem = (
                "the source files put questions into val or test, but none into train: mark some as train, or use a "
                "random split (`--split random`), which divides all of them anew"
            )
        raise DataError("the split 'given'", [problem])
    split = Split("given", train, val, test).check(data)
    if len(val):
        return split
    _check_seed(seed)
    groups = prompt_groups(data)[train]
    drawn = divided(groups, data.benchmarks[train], (0.9, 0.1, 0.0), np.random.default_rng(seed)) == 1
    if not drawn.any():
        raise DataError(
            "the split 'given'",
            [
                "there are no validation questions, and none can be drawn from train, whose questions all have one "
                "text; at least 2 different ones are needed"
            ],
        )
    return Split(VALIDATION_DRAWN, train[~drawn], train[drawn], test, seed=seed)


def random_split(
    data: CorrectnessMatrix, *, seed: int, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
) -> Split:
    """A random split by question, stratified by benchmark; identical prompts stay together.

    No side is empty whose share is not 0 where the questions have three different texts or more.

    Args:
        data: the data to divide.
        seed: the same seed gives the same split of the same data.
        fractions: shares of train, val and test; they sum to 1.

    Raises:
        ConfigError: for a negative seed.
        DataError: for fractions that are negative or do not sum to 1.
    """
    _check_seed(seed)
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise DataError("the split 'random'", [f"fractions {fractions} must be non-negative and sum to 1"])
    sides = divided(prompt_groups(data), data.benchmarks, fractions, np.random.default_rng(seed))
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
    if isinstance(benchmarks, str):
        raise DataError("the benchmarks to leave out", [f"they must be a list of names, as [{benchmarks!r}]"])
    name = f"without {', '.join(benchmarks)}"
    problems = [f"there is no benchmark {b!r}; the data has {', '.join(known)}" for b in benchmarks if b not in known]
    if problems or not benchmarks:
        none = f"no benchmark is named; the data has {', '.join(known)}"
        raise DataError(f"the split {name!r}", problems or [none])
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
    """The given split where the source files name test questions, which then stay those; else a random one.

    Args:
        data: the data to divide.
        seed: used where chance is involved: for a random split, or where validation questions must be drawn from train.

    Raises:
        DataError: as `given_split`, if the files put questions on other sides but none into train.
    """
    present = set(data.questions["split"].to_pylist()) & set(SPLIT_NAMES)
    if not present or ("train" in present and "test" not in present):
        return random_split(data, seed=seed)
    return given_split(data, seed=seed)


def choose_split(data: CorrectnessMatrix, choice: SplitChoice, seed: int = 0) -> Split:
    """The split by name: as the data gives it, random, or `auto`: given where the data names test questions, else
    random. Where the data names no validation questions, a given split draws them from train.

    Args:
        data: the data to divide.
        choice: its name.
        seed: used where chance is involved; the result's own `seed` is None where it was not.

    Raises:
        DataError: if `given` is asked for and the data carries no sides, or sides but no training questions.
    """
    if choice == "given":
        return given_split(data, seed=seed)
    return random_split(data, seed=seed) if choice == "random" else default_split(data, seed=seed)


def split_again(data: CorrectnessMatrix, name: str, seed: int | None) -> Split | None:
    """The split that these made of the same data, from what an artifact or a sweep records of it.

    Args:
        data: the data that was divided.
        name: of the split.
        seed: likewise.

    Returns:
        The split, or None where name and seed do not tell how it was made. Whether it is the same, the digest tells.

    Raises:
        DataError: as `given_split`.
    """
    if name == "given" or (name == VALIDATION_DRAWN and seed is not None):
        return given_split(data, seed=seed or 0)
    return random_split(data, seed=seed) if name == "random" and seed is not None else None


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


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise ConfigError(f"split_seed must be at least 0 but is {seed}")


def _questions(count: int) -> str:
    return f"{count:,} question{'' if count == 1 else 's'}"
