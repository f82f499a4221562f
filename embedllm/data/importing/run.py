"""The import: recognise the layout, stream every file into a collector, check, save."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from embedllm.data.importing.assemble import assemble
from embedllm.data.importing.collector import Collector
from embedllm.data.importing.harness import harness_blocks
from embedllm.data.importing.labels import Place
from embedllm.data.importing.layout import Layout, recognise
from embedllm.data.importing.problems import Problems, count_of
from embedllm.data.importing.report import ImportReport
from embedllm.data.importing.tables import NotIntegers, starts_with_integers, stream_table
from embedllm.data.matrix import SPLIT_NAMES, CorrectnessMatrix, check_target
from embedllm.errors import DataError

Duplicates = Literal["binomial", "majority", "max", "last"]

_FRAME = "a pandas data frame"


def import_data(
    source: str | os.PathLike[str] | pd.DataFrame,
    target: str | os.PathLike[str],
    *,
    format: Literal["auto", "official", "long", "wide", "harness"] = "auto",
    duplicates: Duplicates = "binomial",
    columns: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
    skip: Sequence[str] = (),
    progress: bool = False,
    provenance: Mapping[str, object] | None = None,
) -> ImportReport:
    """Import correctness labels and save them as a `CorrectnessMatrix` folder.

    A label is 0 or 1 (or false/true). A fraction is allowed where a column `attempts` says out of how many answers.
    Where there is none, the answer counts as not known, and the report says how many rows that were.
    Questions are ordered by question_order.csv, else by id; models by model_order.csv, else by id.

    Args:
        source: official: a folder with train.csv, val.csv, test.csv (prompt_id, model_id, label, prompt, category and
            optionally model_name), and optionally model_order.csv and question_order.csv. long: a CSV or Parquet table,
            or a folder of such, with one row per graded answer. wide: a table with a row per question and a column per
            model. harness: a folder of lm-evaluation-harness sample logs, a sub-folder per model. A long or wide table
            may also be JSON lines or a pandas data frame.
        target: the folder to write; an earlier import there is replaced.
        format: "auto" recognises the layout.
        duplicates: several rows of one (model, question) pair: "binomial" keeps them as attempts, "majority" (ties
            count as right), "max" (right if any row is) and "last" make one attempt of them.
        columns: canonical column name -> name in the source, where it is none of `columns.SYNONYMS`.
        ignore: names or glob patterns of a table's columns to take no notice of, such as those of a wide table that
            are no models.
        skip: names or glob patterns of the harness's tasks to leave out, such as those without a metric that is a
            label.
        progress: show a line that counts rows while reading.
        provenance: entries added to the matrix's `meta`.

    Returns:
        The report of what was merged, moved, skipped and guessed.

    Raises:
        DataError: listing every problem found; nothing is written then.
    """
    read = partial(
        _import,
        target=target,
        format=format,
        duplicates=duplicates,
        columns=columns,
        ignore=ignore,
        skip=skip,
        progress=progress,
        provenance=provenance,
    )
    if not isinstance(source, pd.DataFrame):
        return read(Path(source), name=str(source))
    with _as_file(source) as file:
        try:
            return read(file, name=_FRAME)
        except DataError as error:
            raise (DataError(_FRAME, error.problems) if error.source == str(file) else error) from None


def _import(
    source: Path,
    *,
    name: str,
    target: str | os.PathLike[str],
    format: str,
    duplicates: Duplicates,
    columns: Mapping[str, str] | None,
    ignore: Sequence[str],
    skip: Sequence[str],
    progress: bool,
    provenance: Mapping[str, object] | None,
) -> ImportReport:
    """As :func:`import_data`, of a file or folder; `name` is what the report calls it."""
    started = time.perf_counter()
    if duplicates not in get_args(Duplicates):
        raise DataError(str(source), [f"duplicates={duplicates!r}; allowed: {', '.join(get_args(Duplicates))}"])
    check_target(target)  # before minutes of reading, not after
    problems, notes = Problems(), list[str]()
    layout = recognise(source, format, columns, problems, notes, ignore=ignore, skip=skip)
    problems.raise_if_any(str(source))
    assert layout is not None
    # The official files name questions and models by integers, which are read far sooner than texts.
    ids = [layout.columns[name] for name in ("question", "model")] if layout.format == "official" else []
    # With attempts, a label is a share of them, so it is no integer.
    integers = (
        bool(ids)
        and "attempts" not in layout.columns
        and all(starts_with_integers(path, ids) for path, _ in layout.files)
    )
    collector = _collect(layout, duplicates, progress, notes, integers=integers)
    problems = collector.problems
    if not collector.rows:
        if not problems:
            problems.add("no row has a label")
        problems.raise_if_any(str(source))

    if collector.unlabelled:
        were = "was" if collector.unlabelled == 1 else "were"
        notes.append(f"{count_of(collector.unlabelled, 'row')} without a label {were} left out")
    tables = assemble(collector, source if layout.format == "official" else None, problems, notes)
    correct, attempts, repeats, conflicts = collector.matrices(
        tables.model_numbers, tables.question_numbers, duplicates
    )
    problems.raise_if_any(str(source))
    sides = Counter(tables.questions["split"].to_pylist())
    cells = int(np.count_nonzero(attempts))
    report = ImportReport(
        source=name,
        format=layout.format,
        files=tuple(str(path.relative_to(source)) if source.is_dir() else path.name for path, _ in layout.files),
        columns=dict(layout.columns),
        rows=collector.rows,
        models=len(tables.model_numbers),
        questions=len(tables.question_numbers),
        benchmarks=len(set(tables.questions["benchmark"].to_pylist())),
        sides={**{side: sides[side] for side in SPLIT_NAMES}, "without a side": sides[None]},
        cells=cells,
        missing_share=1 - cells / attempts.size,
        repeated_answers=repeats,
        conflicting_cells=conflicts,
        duplicates=duplicates,
        notes=tuple(notes),
        seconds=time.perf_counter() - started,
    )
    meta = {"source": name, "simulated": False, "import": report.as_dict(), **(provenance or {})}
    CorrectnessMatrix(correct, attempts, tables.questions, tables.models, meta).save(target)
    return report


@contextmanager
def _as_file(frame: pd.DataFrame) -> Iterator[Path]:
    """The data frame as a Parquet file that lasts as long as the context.

    Raises:
        DataError: if a column holds values of several types, such as numbers and texts.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "frame.parquet"
        try:
            frame.rename(columns=str).to_parquet(path)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise DataError(_FRAME, [f"it cannot be made a table: {error}"]) from error
        yield path


def _collect(layout: Layout, duplicates: Duplicates, progress: bool, notes: list[str], *, integers: bool) -> Collector:
    """Read every file. `integers`: try to read ids and labels as integers; files that hold others are read again."""
    collector = Collector(Problems(), keep_last=duplicates == "last", texts_may_differ=layout.format == "harness")
    seen: list[str] = []
    try:
        with _progress_line(progress) as advance:
            for path, side in layout.files:
                _read(path, side, layout, collector, seen, advance, integers)
    except NotIntegers:
        return _collect(layout, duplicates, progress, notes, integers=False)
    notes.extend(seen)
    return collector


def _read(
    path: Path,
    side: str | None,
    layout: Layout,
    collector: Collector,
    notes: list[str],
    advance: Callable[[str, int], None],
    integers: bool,
) -> None:
    """Stream one file into the collector."""
    problems = collector.problems
    if layout.format == "harness":
        for block, place in harness_blocks(path, layout.columns.get("label"), problems):
            collector.add(block, place)
            advance(path.name, len(block["label"]))
        return
    row = 1
    columns = {name: column for name, column in layout.columns.items() if (path, name) not in layout.absent}
    needed = list(dict.fromkeys([*columns.values(), *layout.models]))
    # A prompt that is the question's key as well is looked up like an id, so it needs its dictionary.
    plain = {columns["prompt"]} - {columns["question"]} if "prompt" in columns else set()
    whole = {columns[name] for name in ("question", "model", "label")} if integers else set()
    for batch in stream_table(path, needed, problems, notes, plain=plain, integers=whole):
        block = {name: batch.column(column) for name, column in columns.items()}
        if "prompt" in block:
            block["prompt"] = block["prompt"].cast(pa.string())
        if layout.format == "wide":
            for number, model in enumerate(layout.models):
                answers = {"model": _constant(model, batch.num_rows), "label": batch.column(model)}
                collector.add(block | answers, Place(path.name, row, column=model), again=number > 0)
                block = {"question": block["question"]}  # texts and attributes once are enough
        else:
            collector.add(block, Place(path.name, row), side=side)
        row += batch.num_rows
        advance(path.name, batch.num_rows)


def _constant(text: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), pa.array([text]))


@contextmanager
def _progress_line(show: bool) -> Iterator[Callable[[str, int], None]]:
    """A function (file name, rows read) that keeps a counting line on stderr up to date."""
    if not show:
        yield lambda name, rows: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,} rows read, now {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda name, rows: bar.update(task, advance=rows, description=name)
