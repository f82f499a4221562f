"""Streaming tables out of CSV, Parquet and JSON-lines files: columns as dictionary-encoded text, block by block.

Dictionaries leave small integers to work on, and as text a label such as `yes` arrives here instead of ending the read,
so that all such labels of a file can be listed in one message.
"""

import codecs
import sys
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from embedllm.data.importing.jsonlines import is_json, json_keys, json_table, lines_of
from embedllm.data.importing.keys import plain_integers
from embedllm.data.importing.problems import Problems

CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT = pa.dictionary(pa.int32(), pa.string())

_BLOCK_BYTES = 1 << 21
_BATCH_ROWS = 1 << 16
_SEPARATORS = {",": "','", ";": "';'", "\t": "tabs", "|": "'|'"}
_AHEAD = 4  # blocks parsed ahead, so that neither thread waits for the other's slow ones


def is_table(path: Path) -> bool:
    """Whether the file's name is that of a table."""
    return path.name.lower().endswith(CSV_SUFFIXES + PARQUET_SUFFIXES)


def column_names(path: Path, problems: Problems) -> list[str] | None:
    """The column names of a table, without the blanks around them; None, with the problem noted, where the file has
    none or cannot be read.
    """
    try:
        if not _is_parquet(path):
            if not path.stat().st_size:
                wanted = "hold a JSON object a line" if is_json(path) else "begin with a line of column names"
                problems.add(f"{path.name} is empty; it must {wanted}")
                return None
            if not _is_utf8(path, whole=False):
                problems.add(_not_utf8(path))
                return None
        names = [name.strip() for name in _spelled_names(path)]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        problems.add(f"{path.name} cannot be read ({error})")
        return None
    other = [said for mark, said in _SEPARATORS.items() if len(names) == 1 and mark in names[0]]
    if other and not _is_parquet(path) and not is_json(path):
        needed = "tabs" if _separator(path) == "\t" else "commas"
        problems.add(f"{path.name}: the columns seem to be separated by {other[0]}; {needed} are needed")
        return None
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        called = ", ".join(name or "nothing" for name in repeated)
        problems.add(f"{path.name} has more than one column called {called}; names must be unique")
        return None
    return names


def starts_with_integers(path: Path, columns: Sequence[str]) -> bool:
    """Whether the first rows of a CSV file spell these columns as plain integers: "7", not "007" or "q7"."""
    try:
        kinds = dict.fromkeys(_spelled(path, columns), TEXT)
        with _quiet_decoding(), _open_csv(path, kinds, []) as reader:
            batch = reader.read_next_batch()
    except (pa.ArrowException, StopIteration):
        return False  # whatever it is, reading the file as text will tell
    return all(plain_integers(column.dictionary) is not None for column in batch.columns)


class NotIntegers(Exception):
    """A column read as integers holds something else; read it as text, which can tell what."""


def stream_table(
    path: Path,
    columns: Sequence[str],
    problems: Problems,
    notes: list[str],
    *,
    plain: Collection[str] = (),
    integers: Collection[str] = (),
) -> Iterator[pa.RecordBatch]:
    """Record batches of the named columns, each of type dictionary<int32, string> without nulls (null becomes "").

    Columns in `plain` are of type string instead, which is cheaper for long texts, and columns in `integers`, of CSV
    files only, of type int32, which is cheaper still.

    Rows with too few or too many values, columns that are no text, and whatever stops the reader are noted as problems.

    Raises:
        NotIntegers: if a column of `integers` holds anything else in a row.
    """
    rows = 0
    try:
        spelled = _spelled(path, columns)
        if is_json(path):
            table = json_table(path)
            if _reports_nested(path, table.schema, spelled, problems):
                return
            for batch in table.select(spelled).to_batches(max_chunksize=_BATCH_ROWS):
                rows += batch.num_rows
                yield _as_text(_under(batch, spelled, columns), plain)
        elif _is_parquet(path):
            with pq.ParquetFile(path) as file:
                if _reports_nested(path, file.schema_arrow, spelled, problems):
                    return
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=spelled):
                    rows += batch.num_rows
                    yield _as_text(_under(batch, spelled, columns), plain)
        else:
            broken: list[pacsv.InvalidRow] = []
            types = {name: pa.string() if name in plain else TEXT for name in columns}
            types |= dict.fromkeys(integers, pa.int32())
            kinds = {inside: types[name] for inside, name in zip(spelled, columns, strict=True)}
            with _quiet_decoding(), _open_csv(path, kinds, broken) as reader:
                for batch in (_under(batch, spelled, columns) for batch in _read_ahead(reader)):
                    if any(batch.column(name).null_count for name in integers):
                        raise NotIntegers
                    rows += batch.num_rows
                    yield batch
            for row in broken:
                kind = f"{path.name}: rows without the {row.expected_columns} values of the header (a truncated file?)"
                problems.count(kind, 1, [f"{row.actual_columns} values in {row.text[:60]!r}"])
            if not path.name.lower().endswith(".gz") and not _ends_with_newline(path):
                notes.append(f"{path.name} does not end with a line break; check that its last row is whole")
            rows += len(broken)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if integers:
            raise NotIntegers from error
        if not _is_parquet(path) and not _is_utf8(path, whole=True):
            problems.add(_not_utf8(path))
            return
        problems.add(f"{path.name} cannot be read beyond row {rows:,} (damaged or truncated?): {error}")
        return
    if not rows:
        problems.add(f"{path.name} has column names but no rows")


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(PARQUET_SUFFIXES)


def has_fewer_rows(path: Path, count: int) -> bool:
    """Whether a table has fewer rows than `count`, by its lines where it is text."""
    if _is_parquet(path):
        return int(pq.read_metadata(path).num_rows) < count
    return sum(1 for _ in islice(lines_of(path), count + 1)) <= count


def _separator(path: Path) -> str:
    return "\t" if path.name.lower().removesuffix(".gz").endswith(".tsv") else ","


def _spelled_names(path: Path) -> list[str]:
    """The column names as the file spells them, with blanks that people leave after a comma."""
    if _is_parquet(path):
        return list(pq.read_schema(path).names)
    if is_json(path):
        return json_keys(path)
    with _quiet_decoding(), _open_csv(path, None, []) as reader:
        return list(reader.schema.names)


def _spelled(path: Path, columns: Sequence[str]) -> list[str]:
    """The file's spelling of each of the columns, which are named without the blanks around them."""
    spelling = {name.strip(): name for name in _spelled_names(path)}
    return [spelling.get(name, name) for name in columns]


def _under(batch: pa.RecordBatch, spelled: Sequence[str], columns: Sequence[str]) -> pa.RecordBatch:
    """The columns that the file spells so, under the names asked for."""
    return pa.record_batch([batch.column(name) for name in spelled], names=list(columns))


def _reports_nested(path: Path, schema: pa.Schema, columns: Sequence[str], problems: Problems) -> bool:
    """Note those of the columns that hold no single values, in one problem; whether there are any."""
    kinds = {name: schema.field(name).type for name in columns if name in schema.names}
    nested = [
        f"column `{name}` holds {'structs' if pa.types.is_struct(kind) else 'lists'}"
        for name, kind in kinds.items()
        if pa.types.is_nested(kind)
    ]
    if nested:
        problems.add(f"{path.name}: {'; '.join(nested)}; text is needed")
    return bool(nested)


def _not_utf8(path: Path) -> str:
    return f"{path.name} is not UTF-8 text; save it as UTF-8"


def _is_utf8(path: Path, *, whole: bool) -> bool:
    """Whether a text file, or its first block, can be UTF-8; a UTF-16 mark at its beginning cannot. A file that breaks
    off for another reason passes: its reader tells better what that is.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with pa.input_stream(str(path)) as stream:  # unpacks .gz
            while block := stream.read(_BLOCK_BYTES):
                decoder.decode(block)
                if not whole:
                    return True
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    except (pa.ArrowException, OSError):
        return True
    return True


@contextmanager
def _quiet_decoding() -> Iterator[None]:
    """Keep Python from printing the traceback of a bad row that is no UTF-8 either: Arrow cannot hand such a row to the
    handler of `_open_csv`, and ends the read with an error that is reported anyway.
    """
    shown = sys.unraisablehook
    sys.unraisablehook = lambda seen: None if issubclass(seen.exc_type, UnicodeDecodeError) else shown(seen)
    try:
        yield
    finally:
        sys.unraisablehook = shown


def _open_csv(
    path: Path, types: Mapping[str, pa.DataType] | None, broken: list[pacsv.InvalidRow]
) -> pacsv.CSVStreamingReader:
    def skip(row: pacsv.InvalidRow) -> str:
        broken.append(row)
        return "skip"

    return pacsv.open_csv(
        path,
        read_options=pacsv.ReadOptions(block_size=_BLOCK_BYTES),
        parse_options=pacsv.ParseOptions(delimiter=_separator(path), newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pacsv.ConvertOptions(include_columns=list(types) if types else None, column_types=types),
    )


def _read_ahead(reader: pacsv.CSVStreamingReader) -> Iterator[pa.RecordBatch]:
    """The reader's batches; the next ones are parsed in a thread while the caller works on the present one."""

    def next_batch() -> pa.RecordBatch | None:
        try:
            return reader.read_next_batch()
        except StopIteration:
            return None

    with ThreadPoolExecutor(max_workers=1) as thread:
        upcoming = deque(thread.submit(next_batch) for _ in range(_AHEAD))
        while (batch := upcoming.popleft().result()) is not None:
            upcoming.append(thread.submit(next_batch))
            yield batch


def _as_text(batch: pa.RecordBatch, plain: Collection[str]) -> pa.RecordBatch:
    texts = {name: pc.fill_null(batch.column(name).cast(pa.string()), "") for name in batch.schema.names}
    return pa.record_batch({n: text if n in plain else text.dictionary_encode() for n, text in texts.items()})


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) in (b"\n", b"\r")
