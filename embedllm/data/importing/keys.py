"""Numbering what rows refer to: ids, texts and attributes of questions and models, each kept once."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MISSING_WORDS = ("", "nan", "na", "n/a", "null", "none")
"""Spellings of a missing id, label or name, compared in lower case without surrounding blanks."""

_MANY = 200  # texts looked up at once above which integer ids are worth a path of their own
LARGEST_ID = 10_000_000
_RUNS = 32  # stretches of consecutive texts that are compared in place; more are cheaper copied together


def is_missing(text: str) -> bool:
    """Whether a text says that there is no value."""
    return not text.isdecimal() and len(text) < 50 and text.strip().lower() in MISSING_WORDS


class Vocabulary:
    """Distinct strings, numbered in order of first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._of_integer = np.empty(0, dtype=np.int64)  # the same for texts such as "17", by value: a faster way in
        self.missing: list[int] = []
        """Numbers of the strings that say "missing"."""

    def __len__(self) -> int:
        return len(self._numbers)

    def texts(self) -> np.ndarray:
        """The strings in the order of their numbers, object array."""
        return np.array([*self._numbers, None], dtype=object)[:-1]

    def encode(self, dictionary: pa.StringArray) -> np.ndarray:
        """Numbers of distinct strings, int64 of the same length; new strings are added."""
        integers = plain_integers(dictionary) if len(dictionary) > _MANY else None
        return self._look_up(dictionary) if integers is None else self.encode_integers(integers)

    def encode_integers(self, integers: np.ndarray) -> np.ndarray:
        """Numbers of integers from 0 to 10 million, repeated or not, as if they were texts: int64 of the same shape."""
        top = int(integers.max())
        if top >= len(self._of_integer):
            spare = np.full(top + 1 + len(self._of_integer) // 2 - len(self._of_integer), -1, dtype=np.int64)
            self._of_integer = np.concatenate([self._of_integer, spare])
        numbers = self._of_integer[integers]
        new = numbers < 0
        if new.any():
            values, first = np.unique(integers[new], return_index=True)
            values = values[np.argsort(first)]
            self._of_integer[values] = self._look_up(pa.array(values).cast(pa.string()))
            numbers = self._of_integer[integers]
        return numbers

    def _look_up(self, dictionary: pa.StringArray) -> np.ndarray:
        texts = dictionary.to_numpy(zero_copy_only=False)
        numbers = list(map(self._numbers.get, texts))
        if None in numbers:
            for text in texts:
                if text not in self._numbers:
                    if is_missing(text):
                        self.missing.append(len(self._numbers))
                    self._numbers[text] = len(self._numbers)
            numbers = list(map(self._numbers.get, texts))
        return np.array(numbers, dtype=np.int64)


def plain_integers(texts: pa.StringArray) -> np.ndarray | None:
    """The texts as int64, if each is the usual spelling ("7", not "07") of an integer from 0 to 10 million."""
    try:
        integers = texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    bounds = pc.min_max(integers).as_py()
    if bounds["min"] < 0 or bounds["max"] > LARGEST_ID or not integers.cast(pa.string()).equals(texts):
        return None
    return integers.to_numpy()


class Texts:
    """Long strings by number, in pieces whose sizes fall by half, so that appending copies each a few times only."""

    def __init__(self) -> None:
        self._pieces: list[pa.StringArray] = []

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def append(self, texts: pa.StringArray) -> None:
        """Add texts under the next numbers."""
        self._pieces.append(texts)
        while len(self._pieces) > 1 and 2 * len(self._pieces[-1]) > len(self._pieces[-2]):
            self._pieces[-2:] = [pa.concat_arrays(self._pieces[-2:])]

    def equal(self, numbers: np.ndarray, texts: pa.StringArray, rows: np.ndarray) -> bool:
        """Whether the text of each of `numbers` is that in the row of `texts` named beside it in `rows`."""
        self._gather(len(numbers))
        ends = (np.flatnonzero((np.diff(numbers) != 1) | (np.diff(rows) != 1)) + 1).tolist()
        if len(ends) >= _RUNS or len(self._pieces) > 1:
            seen = texts if len(rows) == len(texts) else texts.take(pa.array(rows))
            return not pc.equal(self.take(numbers), seen).false_count
        bounds = pairwise([0, *ends, len(numbers)])
        return not any(
            pc.equal(
                self._pieces[0].slice(int(numbers[start]), end - start), texts.slice(int(rows[start]), end - start)
            ).false_count
            for start, end in bounds
        )

    def _gather(self, wanted: int) -> None:
        """Make one piece of all before many texts are asked for."""
        if len(self._pieces) > 1 and 16 * wanted > len(self):
            self._pieces = [pa.concat_arrays(self._pieces)]

    def take(self, numbers: np.ndarray) -> pa.StringArray:
        """The texts of these numbers, in their order: piece by piece for a few, from one piece for many."""
        self._gather(len(numbers))
        starts = np.cumsum([0, *map(len, self._pieces)])
        piece_of = np.searchsorted(starts, numbers, side="right") - 1
        order = np.argsort(piece_of, kind="stable") if len(self._pieces) > 1 else np.arange(len(numbers))
        bounds = np.searchsorted(piece_of[order], np.arange(len(self._pieces) + 1))
        taken = [
            piece.take(pa.array(numbers[order[low:high]] - start))
            for piece, start, low, high in zip(self._pieces, starts[:-1], bounds[:-1], bounds[1:], strict=True)
            if high > low
        ]
        if len(taken) <= 1:
            return taken[0] if taken else pa.array([], pa.string())
        return pa.concat_arrays(taken).take(pa.array(np.argsort(order)))


@dataclass
class Attribute:
    """A property of each question or model that takes few values, such as its category."""

    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    of_key: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    differing: set[int] = field(default_factory=set)
    """Keys that were seen with more than one value; the first is kept."""

    def merge(self, keys: np.ndarray, values: np.ndarray, dictionary: pa.StringArray) -> None:
        """Take over values: `keys` and `values` (numbers in `dictionary`) have one shape (rows,)."""
        values = self.vocabulary.encode(dictionary)[values]
        if (top := int(keys.max())) >= len(self.of_key):
            self.of_key = np.concatenate([self.of_key, np.full(2 * (top + 1) - len(self.of_key), -1)])
        present = self.of_key[keys]
        fresh = present < 0
        if fresh.any():  # reversed, because the last of repeated assignments stays
            self.of_key[keys[fresh][::-1]] = values[fresh][::-1]
            present = self.of_key[keys]
        other = present != values
        if other.any():
            self.differing.update(np.unique(keys[other]).tolist())

    def texts(self, count: int) -> np.ndarray:
        """The value of each of `count` keys, object array; "" where none was seen."""
        names = np.append(self.vocabulary.texts(), "")
        return names[np.append(self.of_key, np.full(max(0, count - len(self.of_key)), -1))[:count]]
