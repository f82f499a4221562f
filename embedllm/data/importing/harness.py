"""Sample logs of lm-evaluation-harness: `samples_TASK_TIME.jsonl`, written by --log_samples, one folder per model."""

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
from embedllm.data.importing.problems import Problems

METRICS = ("acc", "exact_match", "mc1", "pass@1", "em", "prompt_level_strict_acc")
"""Metrics taken as the label, best first; another one can be named as the column `label`."""

_FILE_NAME = re.compile(r"samples_(?P<task>.+?)(_\d{4}-\d{2}-\d{2}T[\d\-.:]+)?\.jsonl$")


def harness_blocks(path: Path, label: str | None, problems: Problems) -> Iterator[Block]:
    """One block with all rows of a log: question, model, label, prompt, category. The folder's name is the model's
    (the harness writes `org__model` for org/model).

    A task that grades an answer under several filters has several rows per question: they become attempts of one cell.
    """
    name = f"{path.parent.name}/{path.name}"
    match = _FILE_NAME.match(path.name)
    task = match["task"] if match else path.stem
    try:
        with path.open(encoding="utf-8") as file:
            first = _record(next(filter(str.strip, file), ""))
        metric = _metric(first, label)
        if metric is None:
            wanted = f"`{label}`" if label else ", ".join(METRICS)
            numbers = [key for key, value in first.items() if isinstance(value, int | float) and key != "doc_id"]
            problems.add(f"{name} has no metric {wanted}; its numbers are {', '.join(numbers) or 'none'}")
            return
        prompt_type = _prompt_type(first)
        prompts = pa.array(_prompts_line_by_line(path) if prompt_type is None else [], pa.string())
        fields = [
            pa.field("doc_id", pa.int64()),
            pa.field(metric, pa.bool_() if isinstance(first[metric], bool) else pa.float64()),
        ]
        if prompt_type is not None:
            fields.append(pa.field("arguments", prompt_type))
        table = pajson.read_json(
            path,
            # One block for the file's longest line; a log's line holds a few-shot prompt once per answer choice.
            read_options=pajson.ReadOptions(block_size=max(1 << 20, min(path.stat().st_size, 1 << 28))),
            parse_options=pajson.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore"),
        ).combine_chunks()
        if prompt_type is not None:
            prompts = pc.fill_null(_first_argument(table["arguments"].combine_chunks()), "")
    except _NoRecord as error:
        problems.add(f"{name} is not a sample log: {error}")
        return
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError, TypeError) as error:
        problems.add(f"{name} cannot be read (damaged or truncated?): {error}")
        return
    rows = table.num_rows
    number = pc.fill_null(table["doc_id"].cast(pa.string()), "")
    question = pc.binary_join_element_wise(pc.if_else(pc.equal(number, ""), None, task), number, "/")
    block = {
        "question": _encoded(question),
        "model": _constant(path.parent.name.replace("__", "/"), rows),
        "label": _encoded(table[metric].cast(pa.string())),
        "category": _constant(task, rows),
        "prompt": prompts,
    }
    if not first.get("arguments"):
        problems.add(f"{name} carries no prompt texts (`arguments`)")
        return
    yield block


class _NoRecord(Exception):
    """A line of a log is JSON, but not the account of one answer."""


def _record(line: str) -> dict[str, Any]:
    record = json.loads(line)
    if not isinstance(record, dict):
        raise _NoRecord(f"each line must be a JSON object, not {line.strip()[:60]}")
    return record


def _metric(record: dict[str, Any], label: str | None) -> str | None:
    for name in (label,) if label else METRICS:
        if isinstance(record.get(name), int | float):
            return name
    return None


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
    with path.open(encoding="utf-8") as file:
        for line in filter(str.strip, file):  # as Arrow, which passes over blank lines
            arguments = _record(line).get("arguments")
            first = arguments["gen_args_0"]["arg_0"] if isinstance(arguments, dict) else (arguments or [[""]])[0][0]
            prompts.append(first[0] if isinstance(first, list) else first)
    return prompts


def _encoded(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return pc.fill_null(column, "").dictionary_encode()


def _constant(text: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), pa.array([text]))
