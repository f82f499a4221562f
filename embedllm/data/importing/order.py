"""The order of questions and models: that of question_order.csv and model_order.csv, else by id."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from embedllm.data.importing.keys import Vocabulary
from embedllm.data.importing.problems import Problems, count_of, some_of
from embedllm.data.importing.tables import column_names, stream_table

_COLUMNS = {"question": ("prompt_id", "prompt"), "model": ("model_id", "model_name")}


@dataclass(frozen=True)
class Order:
    """The questions or models of the result.

    Args:
        numbers: their numbers in the vocabulary of ids, int64, in the order wanted.
        texts: prompts or model names that the order file gives them, object array of the same shape; None: it has none.
    """

    numbers: np.ndarray
    texts: np.ndarray | None


def ordered(
    keys: Vocabulary, answered: np.ndarray, kind: str, folder: Path | None, problems: Problems, notes: list[str]
) -> Order:
    """Order the ids that have labels.

    Args:
        keys: the ids seen in the rows.
        answered: whether an id has any label, bool of shape (ids,); the others are left out, with a note.
        kind: "question" or "model".
        folder: where an order file may lie; None: there is none.
        problems: receives ids that the order file does not list.
        notes: receives what is left out.
    """
    ids = keys.texts()
    silent = ~answered
    silent[keys.missing] = False  # a row that names nothing is no question or model
    if silent.any():
        notes.append(f"left out: {count_of(int(silent.sum()), kind)} without a single label: {some_of(ids[silent])}")
    path = folder / f"{kind}_order.csv" if folder is not None else None
    if path is None or not path.is_file():
        kept = np.flatnonzero(answered)
        numeric = all(map(str.isdecimal, ids[kept])) and max(map(len, ids[kept]), default=0) <= 18
        order = np.argsort(ids[kept].astype(np.int64 if numeric else str), kind="stable")
        return Order(kept[order], None)

    listed, texts = _read(path, kind, problems, notes)
    place = pd.Series(np.arange(len(listed)), index=pd.Index(listed, dtype=object))
    if not place.index.is_unique:
        problems.add(f"{path.name} lists ids more than once: {some_of(listed[place.index.duplicated()])}")
        return Order(np.flatnonzero(answered), None)
    where = place.reindex(ids).to_numpy(dtype=np.float64)
    known = ~np.isnan(where)
    strange = ids[~known & ~np.isin(np.arange(len(ids)), keys.missing)]
    if len(strange):
        problems.add(
            f"{count_of(len(strange), f'{kind} id')} not listed in {path.name}: {some_of(strange)}; "
            f"allowed: the {len(listed):,} ids of that file"
        )
    absent = listed[~np.isin(listed.astype(str), ids.astype(str))]
    if len(absent):
        notes.append(f"left out: {count_of(len(absent), kind)} of {path.name} without a single row: {some_of(absent)}")
    numbers = np.argsort(where, kind="stable")
    numbers = numbers[answered[numbers] & known[numbers]]
    return Order(numbers, None if texts is None else texts[where[numbers].astype(np.int64)])


def _read(path: Path, kind: str, problems: Problems, notes: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Ids and texts of an order file, object arrays."""
    id_name, text_name = _COLUMNS[kind]
    names = column_names(path, problems) or []
    if id_name not in names:
        if names:
            problems.add(f"{path.name} has no column `{id_name}`; it has {', '.join(names)}")
        return np.empty(0, dtype=object), None
    wanted = [name for name in (id_name, text_name) if name in names]
    batches = list(stream_table(path, wanted, problems, notes, plain=wanted))
    table = pa.Table.from_batches(batches, pa.schema([(name, pa.string()) for name in wanted]))
    columns = [table[name].to_numpy().astype(object) for name in wanted]
    return columns[0], columns[1] if text_name in wanted else None
