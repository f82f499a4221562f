"""Reading labels: 0 or 1, or a share of right answers together with the number of attempts."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from embedllm.data.importing.keys import is_missing
from embedllm.data.importing.problems import Problems

MAX_ATTEMPTS = 255
"""Attempts that fit a cell of the correctness matrix."""

_TRUTH_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Place:
    """Where a block of rows stands, for messages: a file and the number of the block's first row, from 1."""

    file: str
    first_row: int

    def rows(self, selected: np.ndarray) -> list[str]:
        """The first few selected rows: "row 12"."""
        return [f"row {self.first_row + int(row):,}" for row in np.flatnonzero(selected)[:5]]

    def values(self, column: pa.DictionaryArray, selected: np.ndarray) -> list[str]:
        """The first few distinct values in the selected rows: "'x' (row 12)"."""
        rows = np.flatnonzero(selected)
        _, first = np.unique(column.indices.to_numpy()[rows], return_index=True)
        return [f"{column[int(row)].as_py()!r} (row {self.first_row + int(row):,})" for row in rows[np.sort(first)[:5]]]


def read_grades(
    label: pa.DictionaryArray,
    attempts: pa.DictionaryArray | None,
    place: Place,
    problems: Problems,
    *,
    blank_is_missing: bool,
) -> tuple[np.ndarray, np.ndarray | int, np.ndarray | None]:
    """Grades of a block of rows.

    Args:
        label: 0 or 1 (false/true) per row; with `attempts`, the share of right answers.
        attempts: graded answers per row, whole numbers from 1 to 255; None: one each.
        place: where the rows stand.
        problems: receives labels and attempts that are not allowed, and blank labels unless `blank_is_missing`.
        blank_is_missing: whether a blank label is a cell without an answer.

    Returns:
        Right answers, uint32 of shape (rows,); attempts likewise, or 1; and the rows to leave out, bool of shape
        (rows,), or None where all count.
    """
    values, missing = _numbers(label.dictionary)
    binary = (values == 0) | (values == 1)
    rows = label.indices.to_numpy()
    if attempts is None and binary.all():
        return values.astype(np.uint32)[rows], 1, None
    skip = missing[rows]
    if skip.any() and not blank_is_missing:
        kind = f"{place.file}: rows without a label, which must be 0 or 1"
        problems.count(kind, int(skip.sum()), place.rows(skip))
    if attempts is None:
        fraction = (values > 0) & (values < 1)
        refused = ~missing & ~binary
        _report(label, (refused & ~fraction)[rows], "labels that are neither 0 nor 1", place, problems)
        verdict = (
            "labels that are fractions; a label is 0 or 1, or the share of right answers where a column `attempts` "
        )
        _report(label, (refused & fraction)[rows], verdict + "says out of how many", place, problems)
        return np.where(binary, values, 0).astype(np.uint32)[rows], 1, skip | refused[rows]

    counts, _ = _numbers(attempts.dictionary)
    whole = (counts >= 1) & (counts <= MAX_ATTEMPTS) & (counts == np.round(counts))
    refused = ~whole[attempts.indices.to_numpy()]
    verdict = f"values of `attempts` that are not whole numbers from 1 to {MAX_ATTEMPTS}"
    _report(attempts, refused, verdict, place, problems)
    graded = np.where(whole, counts, 1)[attempts.indices.to_numpy()]
    right = np.where(missing, 0, values)[rows] * graded
    fits = (right >= 0) & (right <= graded) & (np.abs(right - np.round(right)) < 0.01)
    verdict = "labels that are not the share of right answers out of their `attempts`"
    _report(label, ~skip & ~refused & ~fits, verdict, place, problems)
    skip = skip | refused | ~fits
    return np.where(skip, 0, np.round(right)).astype(np.uint32), graded.astype(np.uint32), skip


def _report(column: pa.DictionaryArray, selected: np.ndarray, what: str, place: Place, problems: Problems) -> None:
    if selected.any():
        problems.count(f"{place.file}: {what}", int(selected.sum()), place.values(column, selected))


def _numbers(dictionary: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct texts as float64 (NaN where not a number), and whether each says "missing"."""
    texts = dictionary.to_pylist()
    values = np.array([_number(text.strip().lower()) for text in texts], dtype=np.float64)
    return values, np.array([is_missing(text) for text in texts], dtype=bool)


def _number(text: str) -> float:
    try:
        return _TRUTH_WORDS[text] if text in _TRUTH_WORDS else float(text)
    except ValueError:
        return np.nan
