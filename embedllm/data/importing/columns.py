"""Which of a table's columns mean what, and messages about those that are missing."""

import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from embedllm.data.importing.problems import Problems, count_of, listed

SYNONYMS: dict[str, tuple[str, ...]] = {
    # Ids first: beside one of them, a column `question` holds the text.
    "question": (
        *("question_id", "prompt_id", "item_id", "sample_id", "doc_id", "example_id", "instance_id"),
        *("question", "item"),
    ),
    "model": ("model", "model_id", "model_name", "llm", "llm_id", "llm_name", "subject_model"),
    "label": ("label", "correct", "is_correct", "correctness", "score", "acc", "accuracy", "exact_match", "result"),
    "attempts": ("attempts", "count", "trials", "num_attempts", "n_attempts"),
    "prompt": ("prompt", "question_text", "text", "prompt_text", "question"),
    "category": ("category", "task", "task_name", "subject"),
    "benchmark": ("benchmark", "dataset", "dataset_name", "source_dataset"),
    "split": ("split", "side", "partition"),
    "model_name": ("model_name", "model_label"),
}
"""Column names understood without a mapping, best first, compared without regard to case, blanks, dashes and
underscores."""

_INDEX_COLUMN = re.compile(r"|__index_level_\d+__|Unnamed: \d+")
"""Names that pandas gives the index of a frame: in CSV, in Parquet, and in CSV that it read and wrote again."""


def matched(names: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Canonical name -> column, from the explicit mapping first, then by synonyms; a column serves once."""
    found = dict(columns)
    plain = {_plain(name): name for name in reversed(names)} | {name: name for name in names}
    for name, synonyms in SYNONYMS.items():
        if name in columns:
            continue
        for synonym in synonyms:
            column = plain.get(synonym, plain.get(_plain(synonym)))
            if column is not None and column not in found.values():
                found[name] = column
                break
    return found


def without(names: Sequence[str], ignore: Collection[str], path: Path, problems: Problems) -> list[str]:
    """The column names that none of the names or glob patterns in `ignore` is for; one without a match is a problem."""
    for pattern in ignore:
        if not any(_is_for(pattern, name) for name in names):
            problems.add(f"there is no column `{pattern}` to ignore; {path.name} has {listed(names)}")
    return [name for name in names if not any(_is_for(pattern, name) for pattern in ignore)]


def is_index(name: str) -> bool:
    """Whether a column is the index of a pandas frame, which says nothing about the row."""
    return bool(_INDEX_COLUMN.fullmatch(name))


def note_not_used(names: Sequence[str], notes: list[str]) -> None:
    """Name the columns that a table has to spare."""
    indices = [f"`{name}`" if name else "without a name" for name in names if is_index(name)]
    if indices:
        notes.append(f"not read: the column {' and the column '.join(indices)}, the index of a pandas frame")
    others = [name for name in names if not is_index(name)]
    if others:
        notes.append(f"not used: {count_of(len(others), 'column')}: {listed(others)}")


def refuse_absent(path: Path, columns: Mapping[str, str], names: Sequence[str], problems: Problems) -> None:
    """Note the given columns that a file does not have: guessing others instead would not be what was asked for."""
    for name, column in columns.items():
        if column not in names:
            problems.add(f"there is no column `{column}` (given for {name}); {path.name} has {listed(names)}")


def refuse_lacking(
    path: Path, required: Sequence[str], found: Mapping[str, str], names: Sequence[str], problems: Problems, hint: str
) -> None:
    """Note what no column was found for, all of it in one message, with the columns that may be meant.

    Args:
        path: the table.
        required: canonical names that must be there.
        found: canonical name -> column, as far as known.
        names: the table's columns.
        problems: receives the message.
        hint: what else may be amiss, the end of the message; may be empty.
    """
    lacking = [name for name in required if name not in found]
    if not lacking:
        return
    spare = [name for name in names if name not in found.values() and not is_index(name)]
    problems.add(
        f"{path.name} has {' and '.join(f'no {name} column' for name in lacking)}; name "
        f"{'it' if len(lacking) == 1 else 'them'} with {' '.join(f'--columns.{name} NAME' for name in lacking)}; "
        f"{f'candidates: {listed(spare)}' if spare else f'all its columns have a meaning: {listed(names)}'}{hint}"
    )


def _plain(name: str) -> str:
    """`Question ID`, `question-id` and `questionId` alike."""
    return re.sub(r"[\s_-]+", "", name.lower())


def _is_for(pattern: str, name: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)
