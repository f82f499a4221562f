"""From collected rows to a correctness matrix: order, sides, checks that need all rows, and what to tell the user."""

import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from embedllm.data.benchmarks import benchmarks_of
from embedllm.data.division import crossing_prompts
from embedllm.data.importing.collector import Collector
from embedllm.data.importing.keys import MISSING_WORDS, is_missing
from embedllm.data.importing.order import Order, ordered
from embedllm.data.importing.problems import Problems, count_of, some_of
from embedllm.data.matrix import SPLIT_NAMES

_SIDE_NAMES = {"training": "train", "validation": "val", "valid": "val", "dev": "val", "testing": "test"}
_NO_BENCHMARK = "all"


@dataclass(frozen=True)
class Assembled:
    """Tables of the matrix, and which of the collector's models and questions their rows are (int64 numbers)."""

    questions: pa.Table
    models: pa.Table
    question_numbers: np.ndarray
    model_numbers: np.ndarray


def assemble(collector: Collector, folder: Path | None, problems: Problems, notes: list[str]) -> Assembled:
    """Build both tables; `folder` is where model_order.csv and question_order.csv may lie (None: nowhere)."""
    answered, answering = collector.answered()
    questions = ordered(collector.questions, answered, "question", folder, problems, notes)
    models = ordered(collector.models, answering, "model", folder, problems, notes)
    question_table = _question_table(collector, questions, problems, notes)
    model_table = _model_table(collector, models, problems, notes)
    return Assembled(question_table, model_table, questions.numbers, models.numbers)


def _question_table(collector: Collector, order: Order, problems: Problems, notes: list[str]) -> pa.Table:
    numbers, total = order.numbers, len(collector.questions)
    ids = collector.questions.texts()[numbers]
    texts = {name: a.texts(total)[numbers] for name, a in collector.question_attributes.items()}
    prompts = _prompts(collector, order, ids, problems, notes)
    if len(collector.prompts) and pa.array(ids, pa.string()).equals(prompts):
        ids = np.arange(len(numbers)).astype(str).astype(object)  # the text served as the key

    given = {name for name, attribute in collector.question_attributes.items() if len(attribute.vocabulary)}
    if not {"category", "benchmark"} & given:
        notes.append(
            f"there is neither a benchmark nor a category; all questions belong to benchmark {_NO_BENCHMARK!r}"
        )
        texts["category"] = texts["benchmark"] = np.full(len(numbers), _NO_BENCHMARK, dtype=object)
    elif "benchmark" not in given:
        texts["benchmark"] = benchmarks_of(texts["category"])
    elif "category" not in given:
        texts["category"] = texts["benchmark"]
    for name in sorted({"category", "benchmark"} & given):
        blank = np.isin(texts[name].astype(str), [text for text in set(texts[name]) if is_missing(text)])
        if blank.any():
            problems.add(f"{count_of(int(blank.sum()), 'question')} with an empty {name}: ids {some_of(ids[blank])}")
        differing = sorted(collector.question_attributes[name].differing)
        if differing:
            names = collector.questions.texts()[differing]
            notes.append(
                f"{count_of(len(names), 'question')} listed under more than one {name}; the first is kept: "
                f"ids {some_of(names)}"
            )
    sides = _sides(collector, texts["split"], problems)
    _keep_copies_together(sides, prompts, ids, notes)
    side_names = np.array([*SPLIT_NAMES, None], dtype=object)[sides]
    return pa.table(
        {
            "prompt_id": pa.array(ids, pa.string()),
            "prompt": prompts,
            "benchmark": pa.array(texts["benchmark"], pa.string()),
            "category": pa.array(texts["category"], pa.string()),
            "split": pa.array(side_names, pa.string()),
        }
    )


def _prompts(
    collector: Collector, order: Order, ids: np.ndarray, problems: Problems, notes: list[str]
) -> pa.StringArray:
    """The prompt of each question: from the rows, else from the order file, else the id stands in."""
    if len(collector.prompts):
        prompts = collector.prompts.take(order.numbers)
        if collector.rewordings and collector.texts_may_differ:
            notes.append(
                f"{count_of(collector.rewordings, 'row')} worded differently from the first row of the same question, "
                "whose wording is kept"
            )
        if order.texts is not None:
            differs = ~pc.equal(prompts, pa.array(order.texts, pa.string())).to_numpy(zero_copy_only=False)
            if differs.any():
                notes.append(
                    f"{count_of(int(differs.sum()), 'prompt')} unlike in question_order.csv; the wording of the rows "
                    f"is kept: ids {some_of(ids[differs])}"
                )
    elif order.texts is not None:
        prompts = pa.array(order.texts, pa.string())
    else:
        prompts = pa.array(ids, pa.string())
        notes.append("there are no prompt texts; the question ids stand in for them")
    empty = pc.equal(pc.utf8_trim_whitespace(prompts), "").to_numpy(zero_copy_only=False)
    bare = [text for text in ids[empty] if not is_missing(text)]  # rows that name no question are told as such
    if bare:
        problems.add(f"{count_of(len(bare), 'question')} with an empty prompt: ids {some_of(bare)}")
    return prompts


def _sides(collector: Collector, names: np.ndarray, problems: Problems) -> np.ndarray:
    """Side of each question: int8, 0 train, 1 val, 2 test, -1 none."""
    differing = sorted(collector.question_attributes["split"].differing)
    if differing:
        both = collector.questions.texts()[differing]
        problems.add(
            f"{count_of(len(both), 'question')} in more than one of train, val and test: ids {some_of(both)}; "
            "a question belongs to one side"
        )
    lowered = pd.Series(names, dtype=object).str.strip().str.lower().replace(_SIDE_NAMES)
    codes = lowered.map({name: code for code, name in enumerate(SPLIT_NAMES)})
    unknown = codes.isna() & ~lowered.isin(MISSING_WORDS)
    if unknown.any():
        problems.add(
            f"{count_of(int(unknown.sum()), 'question')} on an unknown side: "
            f"{some_of(sorted(set(names[unknown.to_numpy()])))}; allowed: {', '.join(SPLIT_NAMES)}, or empty"
        )
    return codes.fillna(-1).to_numpy(dtype=np.int8)


def _keep_copies_together(sides: np.ndarray, prompts: pa.StringArray, ids: np.ndarray, notes: list[str]) -> None:
    """Put all questions of one prompt text on the side nearest to training; changes `sides` in place.

    Val and test then hold no text that training has seen, which matters more than keeping every question where it was.
    """
    groups = pd.factorize(prompts.to_pandas())[0].astype(np.int64)
    copies = int((np.bincount(groups)[groups] > 1).sum())
    if copies:
        notes.append(
            f"{count_of(copies, 'question')} share their prompt text with another id; they stay separate questions"
        )
    crossing = crossing_prompts(groups, sides)
    if not len(crossing):
        return
    lowest = np.full(int(groups.max()) + 1, 127, dtype=np.int8)
    np.minimum.at(lowest, groups[crossing], sides[crossing])
    moved = crossing[sides[crossing] != lowest[groups[crossing]]]
    sides[moved] = lowest[groups[moved]]
    notes.append(
        f"{count_of(len(moved), 'question')} moved from val or test to the side nearer to training that holds the same "
        f"prompt text under another id: ids {some_of(ids[moved])}"
    )


def _model_table(collector: Collector, order: Order, problems: Problems, notes: list[str]) -> pa.Table:
    ids = collector.models.texts()[order.numbers].tolist()
    attribute = collector.model_attributes["model_name"]
    names = attribute.texts(len(collector.models))[order.numbers].tolist()
    if attribute.differing:
        several = collector.models.texts()[sorted(attribute.differing)]
        problems.add(f"{count_of(len(several), 'model id')} with more than one model_name: {some_of(several)}")
    if order.texts is not None:
        listed = order.texts.tolist()
        unlike = [f"{n!r} and {o!r} (id {i})" for i, n, o in zip(ids, names, listed, strict=True) if n and n != o]
        if unlike:
            problems.add(
                f"{count_of(len(unlike), 'model')} named differently in the rows and in model_order.csv: "
                f"{some_of(unlike)}"
            )
        names = listed
    names = [name or model_id for name, model_id in zip(names, ids, strict=True)]
    alike: dict[str, set[str]] = {}
    for name in names:
        plain = unicodedata.normalize("NFKC", "".join(name.split()).casefold())  # é is one character or two
        alike.setdefault(plain, set()).add(name)
    groups = [" and ".join(map(_told_apart, sorted(group))) for group in alike.values() if len(group) > 1]
    if groups:
        notes.append(
            f"{count_of(len(groups), 'model name')} spelled in several ways that differ only in spaces, case or how "
            f"letters are encoded; they count as different models: {some_of(groups)}"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        notes.append(
            f"{count_of(len(twice), 'name')} shared by several model ids; the id is appended: {some_of(twice)}"
        )
        names = [f"{n} ({i})" if n in set(twice) else n for n, i in zip(names, ids, strict=True)]
        taken = [name for name, count in Counter(names).items() if count > 1]
        if taken:
            problems.add(
                f"{count_of(len(taken), 'model')} cannot be told apart by name, also with the id appended: "
                f"{some_of(taken)}; rename them"
            )
    return pa.table({"model_id": pa.array(ids, pa.string()), "model_name": pa.array(names, pa.string())})


def _told_apart(name: str) -> str:
    """The name in quotes; what looks like another letter, or like nothing, by its number."""
    return repr(name) if unicodedata.is_normalized("NFKC", name) else ascii(name)
