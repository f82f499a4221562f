"""Sample logs of lm-evaluation-harness: `samples_TASK_TIME.jsonl`, written by --log_samples, one folder per model.

They may be packed, as `samples_TASK_TIME.jsonl.gz`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from embedllm.data.importing.collector import Block
from embedllm.data.importing.jsonlines import lines_of
from embedllm.data.importing.labels import TASK_REMEDY, Place
from embedllm.data.importing.problems import Problems

METRICS = ("acc", "exact_match", "mc1", "pass@1", "em", "prompt_level_strict_acc")
"""Metrics taken as the label, best first; another one can be named as the column `label`."""

_FILE_NAME = re.compile(r"samples_(?P<task>.+?)(_\d{4}-\d{2}-\d{2}T[\d\-.:]+)?\.jsonl(\.gz)?$")
_PACKED = 20  # times that packing makes a log smaller, at most
_OWN_KEYS = ("arguments", "doc", "resps", "filtered_resps")


def task_of(path: Path) -> str:
    """The task that a log is of, by its name."""
    match = _FILE_NAME.match(path.name)
    return match["task"] if match else path.name.partition(".jsonl")[0]


def is_log(path: Path) -> bool:
    """Whether JSON lines are a sample log, by name or by what the first one holds; else they are a table."""
    if _FILE_NAME.match(path.name):
        return True
    try:
        first = json.loads(next(_lines(path), "{}"))
    except (pa.ArrowException, OSError, ValueError):
        return False
    return isinstance(first, dict) and any(key in first for key in _OWN_KEYS)


def harness_blocks(path: Path, label: str | None, problems: Problems) -> Iterator[tuple[Block, Place]]:
    """One block with all rows of a log: question, model, label, prompt, category. The folder's name is the model's
    (the harness writes `org__model` for org/model).

    A task that grades an answer under several filters has several rows per question: they become attempts of one cell.
    """
    name, task = f"{path.parent.name}/{path.name}", task_of(path)
    try:
        first, metric = _first_graded(path, label)
        if metric is None:
            numbers = [key for key, value in first.items() if isinstance(value, int | float) and key != "doc_id"]
            kind = f"logs without the metric {f'`{label}`' if label else ' or '.join(METRICS)}"
            example = f"{name} (its numbers are {', '.join(numbers) or 'none'})"
            problems.count(kind, 1, [example], remedy=TASK_REMEDY, name=task)
            return
        prompt_type = _prompt_type(first)
        prompts = pa.array(_prompts_line_by_line(path) if prompt_type is None else [], pa.string())
        fields = [pa.field("doc_id", pa.int64())]
        if prompt_type is not None:
            fields.append(pa.field("arguments", prompt_type))
        try:
            kind = pa.bool_() if isinstance(first.get(metric), bool) else pa.float64()
            table = _table(path, [*fields, pa.field(metric, kind)])
            labels = table[metric].cast(pa.string())
        except pa.ArrowInvalid:  # a metric that is now a truth value and now a number, or a damaged file
            labels = pa.chunked_array([pa.array(_labels_line_by_line(path, metric), pa.string())])
            table = _table(path, fields)
        if prompt_type is not None:
            prompts = pc.fill_null(_first_argument(table["arguments"].combine_chunks()), "")
    except _NoRecord as error:
        problems.add(f"{name} is not a sample log: {error}")
        return
    except (pa.ArrowException, OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        problems.add(f"{name} cannot be read (damaged or truncated?): {error}")
        return
    rows = table.num_rows
    number = pc.fill_null(table["doc_id"].cast(pa.string()), "")
    question = pc.binary_join_element_wise(pc.if_else(pc.equal(number, ""), None, task), number, "/")
    block = {
        "question": _encoded(question),
        "model": _constant(path.parent.name.replace("__", "/"), rows),
        "label": _encoded(labels),
        "category": _constant(task, rows),
        "prompt": prompts,
    }
    if not first.get("arguments"):
        problems.add(f"{name} carries no prompt texts (`arguments`)")
        return
    yield block, Place(name, 1, task=task)


def _lines(path: Path) -> Iterator[str]:
    """The lines of a log without blank ones, as Arrow, which passes over them."""
    return filter(str.strip, (line.decode("utf-8") for line in lines_of(path)))


def _table(path: Path, fields: list[pa.Field]) -> pa.Table:
    """The fields of all lines, one chunk each."""
    size = path.stat().st_size * (_PACKED if path.suffix == ".gz" else 1)
    return pajson.read_json(
        path,
        # One block for the file's longest line; a log's line holds a few-shot prompt once per answer choice.
        read_options=pajson.ReadOptions(block_size=max(1 << 20, min(size, 1 << 28))),
        parse_options=pajson.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore"),
    ).combine_chunks()


def _first_graded(path: Path, label: str | None) -> tuple[dict[str, Any], str | None]:
    """The first record that has a metric, and which: one without is looked beyond only where its metric is null."""
    first: dict[str, Any] | None = None
    null = None
    for line in _lines(path):
        record = _record(line)
        first = first if first is not None else record
        for name in (label,) if label else METRICS:
            if isinstance(record.get(name), int | float):
                return record, name
            null = null or (name if name in record else None)
        if null is None:
            break
    return (first if first is not None else _record("")), null


class _NoRecord(Exception):
    """A line of a log is JSON, but not the account of one answer."""


def _record(line: str) -> dict[str, Any]:
    record = json.loads(line)
    if not isinstance(record, dict):
        raise _NoRecord(f"each line must be a JSON object, not {line.strip()[:60]}")
    return record


def _prompt_type(record: dict[str, Any]) -> pa.DataType | None:
    """Arrow type of the part of `arguments` that holds the prompt, or None where Arrow has none for it."""
    arguments = record.get("arguments")
    if isinstance(arguments, dict):
        named = arguments.get("gen_args_0")
        if isinstance(named, dict) and isinstance(named.get("arg_0"), str):
            return pa.struct({"gen_args_0": pa.struct({"arg_0": pa.string()})})
    elif isinstance(arguments, list) and arguments and isinstance(arguments[0], list):
        return pa.list_(pa.list_(pa.string())) if all(isinstance(a, str) for a in arguments[0]) else None
    return None


def _first_argument(arguments: pa.Array) -> pa.Array:
    if pa.types.is_struct(arguments.type):
        return arguments.field("gen_args_0").field("arg_0")
    return _first_element(_first_element(arguments))


def _first_element(lists: pa.Array) -> pa.Array:
    """The first element of each list, null where there is none."""
    return pc.list_element(pc.if_else(pc.greater(pc.list_value_length(lists), 0), lists, None), 0)


def _prompts_line_by_line(path: Path) -> list[str]:
    """Prompts of a log whose `arguments` mix types: old generation tasks (text beside settings), chat messages."""
    prompts = []
    for line in _lines(path):
        arguments = _record(line).get("arguments")
        first = arguments["gen_args_0"]["arg_0"] if isinstance(arguments, dict) else (arguments or [[""]])[0][0]
        prompts.append(first[0] if isinstance(first, list) else first)
    return prompts


def _labels_line_by_line(path: Path, metric: str) -> list[str | None]:
    values = (_record(line).get(metric) for line in _lines(path))
    return [None if value is None else str(value).lower() for value in values]


def _encoded(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return pc.fill_null(column, "").dictionary_encode()


def _constant(text: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), pa.array([text]))
