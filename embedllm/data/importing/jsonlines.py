"""JSON lines: an object a line, packed or not."""

import io
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.json as pajson

JSON_SUFFIXES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")

_BLOCK_BYTES = 1 << 26
_HEAD_LINES = 1000


def is_json(path: Path) -> bool:
    """Whether the file's name is that of JSON lines, which may be a table: `df.to_json(lines=True, orient="records")`
    writes one.
    """
    return path.name.lower().endswith(JSON_SUFFIXES)


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a text file, packed or not."""
    with pa.input_stream(str(path)) as stream:
        yield from io.BufferedReader(stream)


def json_keys(path: Path) -> list[str]:
    """The keys that the first lines of a JSON-lines file have."""
    try:
        lines = islice(filter(bytes.strip, lines_of(path)), _HEAD_LINES)
        return list(dict.fromkeys(key for line in lines for key in dict(json.loads(line))))
    except (TypeError, ValueError) as error:
        raise pa.ArrowInvalid(f"every line must hold a JSON object: {error}") from error


def json_table(path: Path) -> pa.Table:
    """The whole file at once: nothing less tells the types of its columns."""
    return pajson.read_json(path, read_options=pajson.ReadOptions(block_size=_BLOCK_BYTES))
