"""Which layout a source has."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from embedllm.data.importing.choices import QUESTION_COLUMNS, not_skipped, refuse_choices, refuse_unused
from embedllm.data.importing.columns import (
    SYNONYMS,
    is_index,
    matched,
    note_not_used,
    refuse_absent,
    refuse_lacking,
    without,
)
from embedllm.data.importing.harness import is_log
from embedllm.data.importing.jsonlines import is_json
from embedllm.data.importing.problems import Problems, count_of, listed, some_of
from embedllm.data.importing.tables import column_names, has_fewer_rows, is_table
from embedllm.data.matrix import META_FILE, SPLIT_NAMES
from embedllm.errors import DataError

Format = Literal["official", "long", "wide", "harness"]

_OFFICIAL = {name: name for name in ("label", "prompt", "category", "model_name")}
_OFFICIAL |= {"question": "prompt_id", "model": "model_id"}
_OFFICIAL_REQUIRED = ("question", "model", "label", "category")
_ORDER_FILES = ("model_order.csv", "question_order.csv")
_REQUIRED = {"long": ("model", "question", "label"), "wide": ("question",)}
_OTHERWISE = {
    "long": "; if it is a wide table, with a column per model, add --format wide",
    "wide": "; if it is a long table, with a row per answer, add --columns.model NAME --columns.label NAME as well",
}
"""What to do where a table's layout was guessed, and wrongly."""
_MANY_COLUMNS = 20  # above which a table with few rows may be turned by a quarter
_LOGS = ("samples_*.jsonl", "samples_*.jsonl.gz")


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
    source: Path,
    format: str,
    columns: Mapping[str, str] | None,
    problems: Problems,
    notes: list[str],
    *,
    ignore: Collection[str] = (),
    skip: Collection[str] = (),
) -> Layout | None:
    """The layout of `source`; None where the problems found rule out reading it.

    Args:
        source: a file or a folder.
        format: a layout, or "auto".
        columns: canonical column name -> name in the source.
        problems: receives what rules out reading the source.
        notes: receives what is passed over.
        ignore: names or glob patterns of columns to take no notice of.
        skip: names or glob patterns of tasks whose logs are passed over.

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
        refuse_choices("official", problems, ignore=ignore, skip=skip)
        return _official(source, present, columns, problems, notes)
    samples = sorted(path for kind in _LOGS for path in source.rglob(kind)) if source.is_dir() else []
    if source.is_file() and is_json(source) and (format == "harness" or is_log(source)):
        samples = [source]
    if format == "harness" or (format == "auto" and samples):
        if not samples:
            raise DataError(
                str(source), ["there is no samples_*.jsonl below this folder; make them with --log_samples"]
            )
        _note_tables_not_read(source, samples, "samples_*.jsonl", notes)
        refuse_unused("harness", columns, problems)
        refuse_choices("harness", problems, ignore=ignore)
        samples = not_skipped(samples, skip, problems, notes)
        return None if problems else Layout("harness", tuple((path, None) for path in samples), columns)
    tables = _tables_of(source) if source.is_dir() else [source] * (is_table(source) or is_json(source))
    if not tables:
        raise DataError(str(source), [_nothing_found(source)])
    refuse_choices("table", problems, skip=skip)
    return _table(tables, format, columns, ignore, problems, notes)


def _tables_of(folder: Path) -> list[Path]:
    files = sorted(folder.iterdir())
    return [path for path in files if is_table(path)] or [path for path in files if is_json(path)]


def _note_tables_not_read(source: Path, read: Sequence[Path], beside: str, notes: list[str]) -> None:
    """Name the tables of a folder that its layout passes over; someone may have meant them."""
    names = [path.name for path in _tables_of(source) if path not in read] if source.is_dir() else []
    if names:
        notes.append(f"not read: {count_of(len(names), 'table')} beside {beside}: {some_of(names)}")


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
    refuse_unused("official", columns, problems)
    wanted = {**_OFFICIAL, **columns}
    headers: dict[Path, list[str]] = {}
    for path, _ in present:
        names = column_names(path, problems)
        if names is None:
            continue
        headers[path] = names
        found = {name: column for name, column in wanted.items() if column in names}
        required = _OFFICIAL_REQUIRED if (source / "question_order.csv").is_file() else (*_OFFICIAL_REQUIRED, "prompt")
        refuse_absent(path, columns, names, problems)
        usual = ", ".join(f"`{wanted[name]}`" for name in required if name not in {*found, *columns})
        refuse_lacking(path, required, {**found, **columns}, names, problems, f"; usual here: {usual}")
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
    tables: Sequence[Path],
    format: str,
    columns: Mapping[str, str],
    ignore: Collection[str],
    problems: Problems,
    notes: list[str],
) -> Layout | None:
    headers = [names for path in tables if (names := column_names(path, problems)) is not None]
    if problems:
        return None
    for path, header in zip(tables[1:], headers[1:], strict=True):
        if set(header) != set(headers[0]):
            problems.add(
                f"{path.name} has the columns {listed(header)}, unlike {tables[0].name}: {listed(headers[0])}; "
                "all tables of a folder must have the same columns"
            )
    refuse_absent(tables[0], columns, headers[0], problems)
    names = without(headers[0], ignore, tables[0], problems)
    if problems:
        return None
    found = matched(names, columns)
    if "question" not in found and "prompt" in found:
        found["question"] = found["prompt"]
    guessed = format == "auto"
    if guessed:
        # A column that names models says that a row is about one of them, whatever its label is called.
        format = "long" if {"model", "label"} & found.keys() else "wide"
    refuse_unused(format, columns, problems)
    if _is_transposed(tables[0], found, names):
        by = found.get("model", names[0])
        problems.add(
            f"{tables[0].name} looks transposed: {len(names):,} columns ({some_of(names)}) and few rows. A row per "
            "question and a column per model are needed: turn it, in pandas with "
            f"`df.set_index({by!r}).T.rename_axis('question')`"
        )
        return None
    if format == "wide":
        # In a wide table only the question's own columns are not a model's; `label` and the like name none.
        found = {name: column for name, column in found.items() if name in QUESTION_COLUMNS}
    hint = _OTHERWISE[format] if guessed else ""
    refuse_lacking(tables[0], _REQUIRED[format], found, names, problems, hint)
    others = [name for name in names if name not in found.values()]
    models = tuple(name for name in others if not is_index(name)) if format == "wide" else ()
    if format == "wide" and len(models) < 2 and not problems:
        problems.add(
            f"{tables[0].name} has the columns {listed(names)}: neither a long table (columns `model`, "
            "`question`, `label`) nor a wide one (a question column and one column per model); name the columns that "
            "hold them, for instance --columns.label=NAME"
        )
    note_not_used([name for name in others if name not in models], notes)
    if models:
        notes.append(f"{count_of(len(models), 'model')} read from the columns {some_of(models)}")
    files = tuple((path, None) for path in tables)
    return None if problems else Layout("long" if format == "long" else "wide", files, found, models)


def _is_transposed(path: Path, found: Mapping[str, str], names: Sequence[str]) -> bool:
    """Whether nothing names the questions, and the columns outnumber the rows by far."""
    return "question" not in found and len(names) > _MANY_COLUMNS and has_fewer_rows(path, len(names) // 2)


def _nothing_found(source: Path) -> str:
    what = "the folder holds" if source.is_dir() else "it is"
    return (
        f"{what} nothing that can be imported; allowed: a folder with train.csv, val.csv and test.csv, a .csv, .tsv, "
        ".parquet or .jsonl table (long or wide), or a folder of lm-evaluation-harness logs samples_*.jsonl"
    )
