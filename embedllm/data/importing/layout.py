"""Which layout a source has, and which of its columns mean what."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from embedllm.data.importing.problems import Problems, count_of, some_of
from embedllm.data.importing.tables import column_names, is_table
from embedllm.data.matrix import META_FILE, SPLIT_NAMES
from embedllm.errors import DataError

Format = Literal["official", "long", "wide", "harness"]

SYNONYMS: dict[str, tuple[str, ...]] = {
    "question": ("question", "question_id", "prompt_id", "item", "item_id", "sample_id", "doc_id", "example_id"),
    "model": ("model", "model_id", "model_name", "llm", "llm_id", "llm_name", "subject_model"),
    "label": ("label", "correct", "is_correct", "correctness", "score", "acc", "accuracy", "exact_match", "result"),
    "attempts": ("attempts", "count", "trials", "num_attempts", "n_attempts"),
    "prompt": ("prompt", "question_text", "text", "prompt_text"),
    "category": ("category", "task", "task_name", "subject"),
    "benchmark": ("benchmark", "dataset", "dataset_name", "source_dataset"),
    "split": ("split", "side", "partition"),
    "model_name": ("model_name", "model_label"),
}
"""Column names understood without a mapping, best first, compared without regard to case."""

_OFFICIAL = {name: name for name in ("label", "prompt", "category", "model_name")}
_OFFICIAL |= {"question": "prompt_id", "model": "model_id"}
_OFFICIAL_REQUIRED = ("question", "model", "label", "category")
_ORDER_FILES = ("model_order.csv", "question_order.csv")
_OWN = ("question", "prompt", "category", "benchmark", "split")
_USED: dict[str, tuple[tuple[str, ...], str]] = {
    "official": (
        tuple(name for name in SYNONYMS if name != "split"),
        "the names train.csv, val.csv and test.csv say it",
    ),
    "wide": (
        _OWN,
        "a wide table has a column per model; where it has a row per answer, name the label with --columns.label",
    ),
    "harness": (("label",), "logs of lm-evaluation-harness are laid out alike, and only the metric is a choice"),
}
"""What columns can be given for in a layout that does not use all of them, and why not for the others."""
_INDEX_COLUMN = re.compile(r"|__index_level_\d+__|Unnamed: \d+")
"""Names that pandas gives the index of a frame: in CSV, in Parquet, and in CSV that it read and wrote again."""
_REQUIRED = {"long": ("model", "question", "label"), "wide": ("question",)}


@dataclass(frozen=True)
class Layout:
    """What was recognised in a source.

    Args:
        format: the layout.
        files: the table or sample files, each with the side its questions belong to (None: not said by the file).
        columns: canonical column name -> name in the files, for tables.
        models: in a wide table, the columns that hold one model's labels each.
        absent: optional columns that some files lack, each as the file and the canonical name.
    """

    format: Format
    files: tuple[tuple[Path, str | None], ...]
    columns: Mapping[str, str]
    models: tuple[str, ...] = ()
    absent: frozenset[tuple[Path, str]] = frozenset()


def recognise(
    source: Path, format: str, columns: Mapping[str, str] | None, problems: Problems, notes: list[str]
) -> Layout | None:
    """The layout of `source`; None where the problems found rule out reading it.

    Raises:
        DataError: for a source that does not exist, is imported data already, or matches no layout.
    """
    columns = {name: column.strip() for name, column in (columns or {}).items()}
    if format not in ("auto", *get_args(Format)):
        raise DataError(str(source), [f"unknown format {format!r}; allowed: auto, {', '.join(get_args(Format))}"])
    unknown = [name for name in columns if name not in SYNONYMS]
    if unknown:
        raise DataError(
            str(source), [f"cannot map a column to {name!r}; allowed: {', '.join(SYNONYMS)}" for name in unknown]
        )
    if not source.exists():
        raise DataError(str(source), ["no such file or folder"])
    if source.is_dir() and (source / META_FILE).is_file():
        raise DataError(str(source), ["this is already imported data; use it as DATA"])

    sides = [(source / f"{side}.csv", side) for side in SPLIT_NAMES] if source.is_dir() else []
    present = tuple((path, side) for path, side in sides if path.is_file())
    if format == "official" or (format == "auto" and present):
        read = [path for path, _ in present]
        beside = ", ".join(path.name for path in read)
        _note_tables_not_read(source, [*read, *(source / name for name in _ORDER_FILES)], beside, notes)
        return _official(source, present, columns, problems, notes)
    samples = sorted(source.rglob("samples_*.jsonl")) if source.is_dir() else []
    if source.is_file() and source.suffix == ".jsonl":
        samples = [source]
    if format == "harness" or (format == "auto" and samples):
        if not samples:
            raise DataError(
                str(source), ["there is no samples_*.jsonl below this folder; make them with --log_samples"]
            )
        _note_tables_not_read(source, [], "samples_*.jsonl", notes)
        _refuse_unused("harness", columns, problems)
        return None if problems else Layout("harness", tuple((path, None) for path in samples), columns)
    tables = _tables_of(source) if source.is_dir() else [source] * is_table(source)
    if not tables:
        raise DataError(str(source), [_nothing_found(source)])
    return _table(tables, format, columns, problems, notes)


def _tables_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_table(path))


def _note_tables_not_read(source: Path, read: Sequence[Path], beside: str, notes: list[str]) -> None:
    """Name the tables of a folder that its layout passes over; someone may have meant them."""
    names = [path.name for path in _tables_of(source) if path not in read] if source.is_dir() else []
    if names:
        notes.append(f"not read: {count_of(len(names), 'table')} beside {beside}: {some_of(names)}")


def _refuse_unused(format: str, columns: Mapping[str, str], problems: Problems) -> None:
    """Note the columns that are given for what the layout has no use for."""
    used, why = _USED.get(format, (tuple(SYNONYMS), ""))
    for name, column in columns.items():
        if name not in used:
            problems.add(f"column `{column}` is given for {name}, which the {format} layout does not use: {why}")


def _refuse_absent(path: Path, columns: Mapping[str, str], names: Sequence[str], problems: Problems) -> None:
    """Note the given columns that a file does not have: guessing others instead would not be what was asked for."""
    for name, column in columns.items():
        if column not in names:
            problems.add(f"there is no column `{column}` (given for {name}); {path.name} has {', '.join(names)}")


def _official(
    source: Path,
    present: tuple[tuple[Path, str], ...],
    columns: Mapping[str, str],
    problems: Problems,
    notes: list[str],
) -> Layout | None:
    if not present:
        raise DataError(str(source), ["there is no train.csv, val.csv or test.csv in this folder"])
    absent = [f"{side}.csv" for side in SPLIT_NAMES if side not in dict((s, p) for p, s in present)]
    if absent:
        notes.append(f"there is no {' and no '.join(absent)}; no question is on that side")
    _refuse_unused("official", columns, problems)
    wanted = {**_OFFICIAL, **columns}
    headers: dict[Path, list[str]] = {}
    for path, _ in present:
        names = column_names(path, problems)
        if names is None:
            continue
        headers[path] = names
        found = {name: column for name, column in wanted.items() if column in names}
        required = _OFFICIAL_REQUIRED if (source / "question_order.csv").is_file() else (*_OFFICIAL_REQUIRED, "prompt")
        _refuse_absent(path, columns, names, problems)
        _require(path, [name for name in required if name not in columns], found, wanted, names, problems)
    lacking = {
        name: [path for path, names in headers.items() if column not in names] for name, column in wanted.items()
    }
    # Models are named by any row that names them, but texts must be there for all questions or for none.
    if 0 < len(lacking["prompt"]) < len(present):
        notes.append(
            f"column `{wanted['prompt']}` is not in {' and not in '.join(path.name for path in lacking['prompt'])} and "
            "is not read; the texts are those of question_order.csv"
        )
        del wanted["prompt"]
    found = {name: column for name, column in wanted.items() if len(lacking[name]) < len(present)}
    gaps = frozenset((path, name) for name in found for path in lacking[name])
    return None if problems else Layout("official", present, found, absent=gaps)


def _table(
    tables: Sequence[Path], format: str, columns: Mapping[str, str], problems: Problems, notes: list[str]
) -> Layout | None:
    headers = [names for path in tables if (names := column_names(path, problems)) is not None]
    if problems:
        return None
    for path, names in zip(tables[1:], headers[1:], strict=True):
        if set(names) != set(headers[0]):
            problems.add(
                f"{path.name} has the columns {', '.join(names)}, unlike {tables[0].name}: {', '.join(headers[0])}; "
                "all tables of a folder must have the same columns"
            )
    _refuse_absent(tables[0], columns, headers[0], problems)
    if problems:
        return None
    found = _match(headers[0], columns)
    if format == "auto":
        format = "long" if "label" in found else "wide"
    _refuse_unused(format, columns, problems)
    if format == "wide":
        # In a wide table only the question's own columns are not a model's; `label` and the like name none.
        found = {name: column for name, column in found.items() if name in _OWN}
    if "question" not in found and "prompt" in found:
        found["question"] = found["prompt"]
    wanted = {name: columns.get(name, "` or `".join(SYNONYMS[name])) for name in SYNONYMS}
    _require(tables[0], _REQUIRED[format], found, wanted, headers[0], problems)
    others = [name for name in headers[0] if name not in found.values()] if format == "wide" else []
    models = tuple(name for name in others if not _INDEX_COLUMN.fullmatch(name))
    if format == "wide" and len(models) < 2:
        problems.add(
            f"{tables[0].name} has the columns {', '.join(headers[0])}: neither a long table (columns `model`, "
            "`question`, `label`) nor a wide one (a question column and one column per model); name the columns that "
            "hold them, for instance --columns.label=NAME"
        )
    indices = [f"`{name}`" if name else "without a name" for name in others if name not in models]
    if indices:
        notes.append(f"not read: the column {' and the column '.join(indices)}, the index of a pandas frame")
    if models:
        notes.append(f"{count_of(len(models), 'model')} read from the columns {some_of(models)}")
    files = tuple((path, None) for path in tables)
    return None if problems else Layout("long" if format == "long" else "wide", files, found, models)


def _match(names: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Canonical name -> column, from the explicit mapping first, then by synonyms; a column serves once."""
    found = dict(columns)
    lowered = {name.lower(): name for name in reversed(names)}
    for name, synonyms in SYNONYMS.items():
        if name in columns:
            continue
        for synonym in synonyms:
            column = lowered.get(synonym)
            if column is not None and column not in found.values():
                found[name] = column
                break
    return found


def _require(
    path: Path,
    required: Sequence[str],
    found: Mapping[str, str],
    wanted: Mapping[str, str],
    names: Sequence[str],
    problems: Problems,
) -> None:
    for name in required:
        if name not in found:
            means = f" (the {name})" if wanted[name] != name else ""
            problems.add(f"{path.name} has no column `{wanted[name]}`{means}; it has {', '.join(names)}")


def _nothing_found(source: Path) -> str:
    what = "the folder holds" if source.is_dir() else "it is"
    return (
        f"{what} nothing that can be imported; allowed: a folder with train.csv, val.csv and test.csv, a .csv, .tsv or "
        ".parquet table (long or wide), or a folder of lm-evaluation-harness logs samples_*.jsonl"
    )
