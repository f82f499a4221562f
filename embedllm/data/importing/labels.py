"""Reading labels: 0 or 1, or a share of right answers together with the number of attempts."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from embedllm.data.importing.keys import is_missing
from embedllm.data.importing.problems import Problems

MAX_ATTEMPTS = 255
"""Attempts that fit a cell of the correctness matrix."""

TASK_REMEDY = "leave these tasks out with --skip {}, or choose another metric with --columns.label"
"""What to do about tasks of lm-evaluation-harness without labels; `{}` stands for their names."""
_COLUMN_REMEDY = (
    "leave columns that are no models out with --columns.ignore {}; round or threshold scores to 0 and 1 (shares of "
    "several answers need a long table with a column `attempts`); if it is a long table, with a row per answer, use "
    "--columns.model NAME --columns.label NAME"
)

_TRUTH_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Place:
    """Where a block of rows stands, for messages.

    Args:
        file: its file.
        first_row: number of the block's first row, from 1.
        column: of a wide table, the column that holds the labels: the rows are those of every other such column too.
        task: of a sample log, its task.
    """

    file: str
    first_row: int
    column: str | None = None
    task: str | None = None

    def rows(self, selected: np.ndarray) -> list[str]:
        """The first few selected rows: "row 12"."""
        return [f"row {self.first_row + int(row):,}" for row in np.flatnonzero(selected)[:5]]

    def values(self, column: pa.DictionaryArray, selected: np.ndarray) -> list[str]:
        """The first few distinct values in the selected rows: "'x' (row 12)"; one for a wide table's column or a log,
        of which there are many.
        """
        rows = np.flatnonzero(selected)
        _, first = np.unique(column.indices.to_numpy()[rows], return_index=True)
        where = f"column {self.column}, " if self.column else f"{self.file}, " if self.task else ""
        shown = rows[np.sort(first)[: 1 if where else 5]]
        return [f"{column[int(row)].as_py()!r} ({where}row {self.first_row + int(row):,})" for row in shown]


@dataclass(frozen=True)
class Grades:
    """Grades of a block of rows.

    Args:
        right: right answers, uint32 of shape (rows,).
        attempts: graded answers likewise, or 1.
        skip: the rows to leave out, bool of shape (rows,), or None where all count.
        missing: those of them that have no label, likewise.
    """

    right: np.ndarray
    attempts: np.ndarray | int
    skip: np.ndarray | None = None
    missing: np.ndarray | None = None


def read_grades(
    label: pa.DictionaryArray, attempts: pa.DictionaryArray | None, place: Place, problems: Problems
) -> Grades:
    """Grades of a block of rows. A row without a label is an answer nobody knows, and no problem.

    Args:
        label: 0 or 1 (false/true) per row; with `attempts`, the share of right answers.
        attempts: graded answers per row, whole numbers from 1 to 255; None: one each.
        place: where the rows stand.
        problems: receives labels and attempts that are not allowed.
    """
    values, missing = _numbers(label.dictionary)
    binary = (values == 0) | (values == 1)
    rows = label.indices.to_numpy()
    if attempts is None and binary.all():
        return Grades(values.astype(np.uint32)[rows], 1)
    skip = missing[rows]
    if attempts is None:
        fraction = (values > 0) & (values < 1)
        refused = ~missing & ~binary
        _refuse_labels(label, (refused & ~fraction)[rows], place, problems, fractions=False)
        _refuse_labels(label, (refused & fraction)[rows], place, problems, fractions=True)
        return Grades(np.where(binary, values, 0).astype(np.uint32)[rows], 1, skip | refused[rows], skip)

    counts, _ = _numbers(attempts.dictionary)
    whole = (counts >= 1) & (counts <= MAX_ATTEMPTS) & (counts == np.round(counts))
    refused = ~whole[attempts.indices.to_numpy()] & ~skip
    verdict = f"values of `attempts` that are not whole numbers from 1 to {MAX_ATTEMPTS}"
    _report(attempts, refused, verdict, place, problems)
    graded = np.where(whole, counts, 1)[attempts.indices.to_numpy()]
    right = np.where(missing, 0, values)[rows] * graded
    fits = (right >= 0) & (right <= graded) & (np.abs(right - np.round(right)) < 0.01)
    verdict = "labels that are not the share of right answers out of their `attempts`"
    _report(label, ~skip & ~refused & ~fits, verdict, place, problems)
    out = skip | refused | ~fits
    return Grades(np.where(out, 0, np.round(right)).astype(np.uint32), graded.astype(np.uint32), out, skip)


def _refuse_labels(
    label: pa.DictionaryArray, selected: np.ndarray, place: Place, problems: Problems, *, fractions: bool
) -> None:
    """Note labels other than 0 and 1, with the way out that the layout has."""
    if not selected.any():
        return
    remedy, name = "", ""
    kind = f"{place.file}: labels that are {'fractions' if fractions else 'neither 0 nor 1'}"
    if place.task:
        kind = "metrics that are no labels of 0 or 1"
        remedy, name = TASK_REMEDY, place.task
    elif place.column:
        kind = f"{place.file}: values other than 0 and 1 in columns taken for models"
        remedy, name = _COLUMN_REMEDY, place.column
    elif fractions:
        kind += "; a label is 0 or 1, or the share of right answers where a column `attempts` says out of how many"
    problems.count(kind, int(selected.sum()), place.values(label, selected), remedy=remedy, name=name)


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
