"""What the user chose about a source, held against its layout: columns named, columns ignored, tasks skipped."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from embedllm.data.importing.columns import SYNONYMS
from embedllm.data.importing.harness import task_of
from embedllm.data.importing.problems import Problems, count_of, listed

QUESTION_COLUMNS = ("question", "prompt", "category", "benchmark", "split")
"""What a wide table has columns of its own for: everything about a question."""

_USED: dict[str, tuple[tuple[str, ...], str]] = {
    "official": (
        tuple(name for name in SYNONYMS if name != "split"),
        "the names train.csv, val.csv and test.csv say it",
    ),
    "wide": (
        QUESTION_COLUMNS,
        "a wide table has a column per model; where it has a row per answer, name the label with --columns.label",
    ),
    "harness": (("label",), "logs of lm-evaluation-harness are laid out alike, and only the metric is a choice"),
}
"""What columns can be given for in a layout that does not use all of them, and why not for the others."""


def refuse_unused(format: str, columns: Mapping[str, str], problems: Problems) -> None:
    """Note the columns that are given for what the layout has no use for."""
    used, why = _USED.get(format, (tuple(SYNONYMS), ""))
    for name, column in columns.items():
        if name not in used:
            problems.add(f"column `{column}` is given for {name}, which the {format} layout does not use: {why}")


def refuse_choices(
    format: str, problems: Problems, *, ignore: Collection[str] = (), skip: Collection[str] = ()
) -> None:
    """Note choices that a source of this kind leaves no room for."""
    if ignore:
        problems.add(
            f"columns to ignore are given ({', '.join(ignore)}), but in the {format} layout no other columns are read "
            "than those it knows"
        )
    if skip:
        problems.add(
            f"tasks to skip are given ({', '.join(skip)}), but this is no folder of lm-evaluation-harness logs; "
            "leave the rows out of the table instead"
        )


def not_skipped(samples: Sequence[Path], skip: Collection[str], problems: Problems, notes: list[str]) -> list[Path]:
    """The logs of tasks that no pattern in `skip` is for; a pattern without a match is a problem."""
    tasks = {path: task_of(path) for path in samples}
    names = sorted(set(tasks.values()))
    for pattern in skip:
        if not any(fnmatchcase(name, pattern) for name in names):
            problems.add(f"there is no task {pattern!r} to skip; the logs are of {listed(names)}")
    skipped = [name for name in names if any(fnmatchcase(name, pattern) for pattern in skip)]
    if skipped:
        notes.append(f"skipped as asked: {count_of(len(skipped), 'task')}: {listed(skipped)}")
    if len(skipped) == len(names):
        problems.add("every task is skipped; leave one")
    return [path for path in samples if tasks[path] not in skipped]
