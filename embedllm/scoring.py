"""A saved artifact on data it may never have seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from embedllm.artifact import Artifact
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.splits import Split, default_split, split_again
from embedllm.encoders import encode_with
from embedllm.errors import DataError
from embedllm.evaluation import Labels, benchmark_table, evaluate, model_table, oracle

if TYPE_CHECKING:
    import pandas as pd

Side = Literal["train", "val", "test", "all"]
By = Literal["nothing", "benchmark", "model"]


@dataclass(frozen=True)
class Score:
    """How well an artifact predicts labels.

    Args:
        rows: tidy, a dict per row: side, models and questions (how many the row is about), the benchmark or model_name
            if it is about one, the metrics; of routing, `routing_regret`, what it lost against the best model of each
            question, or for an LLM `routed_share`, the share of the questions that are routed to it.
        notes: what a reader of the numbers must know.
    """

    rows: Sequence[dict[str, Any]]
    notes: Sequence[str]


def score_artifact(
    artifact: Artifact,
    data: CorrectnessMatrix,
    *,
    side: Side | None = None,
    by: By = "nothing",
    progress: bool = False,
) -> Score:
    """Predict labels with an artifact and measure how well.

    Args:
        artifact: the trained model; LLMs are matched by name.
        data: labels of some of its LLMs.
        side: questions to predict. On the data the artifact was trained on, sides are those of its own split; on other
            data, those of :func:`default_split`. None is test on its own data, all on other data.
        by: one row for everything, a row per benchmark, or a row per LLM.
        progress: show a progress bar on standard error while questions are encoded that are not in the cache.

    Raises:
        DataError: if the artifact knows none of the data's LLMs, there are no questions on this side or none with a
            label, or the artifact's own split cannot be made again.
    """
    own = artifact.metadata["data_digest"] == data.digest
    questions = _questions(artifact, data, side, own)
    known, rows_of_data, notes = _match_models(artifact, data)
    side = side or ("test" if own else "all")
    if own and side != "test":
        notes.append(f"side {side}: the artifact was trained on train questions and its epochs chosen on val questions")
    if not own:
        notes.append(
            "not the data the artifact was trained on: questions that it shares with that data make these numbers look "
            "too good"
        )
    labels = data.correct[rows_of_data][:, questions], data.attempts[rows_of_data][:, questions]
    if not labels[1].any():
        which, advice = ("question", "import some") if side == "all" else (f"{side} question", "use --side all")
        raise DataError(
            "the data to evaluate on", [f"no {which} has a label of a model that the artifact knows; {advice}"]
        )
    encodings = encode_with(data, artifact.encoder, progress=progress)[questions]
    probability = artifact.predict_encoded(encodings)[known]
    benchmarks = data.benchmarks[questions]
    about = {"side": side, "models": len(known), "questions": len(questions)}
    if by == "benchmark":
        table = benchmark_table(probability, *labels, benchmarks).reset_index()
        return Score([about | row for row in _rows(table)], notes)
    if by == "model":
        names = [artifact.model_names[model] for model in known]
        return Score([about | {"models": 1} | row for row in _rows(model_table(probability, *labels, names))], notes)
    metrics = evaluate(probability, *labels, benchmarks)
    regret = oracle(Labels(*labels, benchmarks)).micro - metrics["routing_micro"]
    return Score([about | metrics | {"routing_regret": regret}], notes)


def _rows(table: "pd.DataFrame") -> list[dict[str, Any]]:
    return [{str(column): value for column, value in row.items()} for row in table.to_dict("records")]


def _questions(artifact: Artifact, data: CorrectnessMatrix, side: Side | None, own: bool) -> np.ndarray:
    """Indices of the questions to predict."""
    if side == "all" or (side is None and not own):
        return np.arange(data.num_questions)
    split = _own_split(artifact, data) if own else default_split(data)
    questions = getattr(split, side or "test")
    if not len(questions):
        raise DataError("the data to evaluate on", [f"there are no {side or 'test'} questions; use --side all"])
    return questions


def _own_split(artifact: Artifact, data: CorrectnessMatrix) -> Split:
    """The split the artifact was trained on, made again from its name and seed.

    Raises:
        DataError: if that gives another one: its test questions may have been trained on.
    """
    trained = artifact.metadata["split"]
    split = split_again(data, trained["name"], trained["seed"])
    if split is None or not _is_recorded(split, trained):
        raise DataError(
            "the data to evaluate on",
            [
                f"the artifact was trained on the split {trained['name']!r} of it, which cannot be made again from its "
                "name and seed, so the questions it has seen are unknown; use --side all"
            ],
        )
    return split


def _is_recorded(split: Split, trained: Mapping[str, Any]) -> bool:
    """Whether an artifact's record is of this split; artifacts of older versions have counts and no digest."""
    if "digest" in trained:
        return bool(split.digest == trained["digest"])
    return (len(split.train), len(split.val)) == (trained.get("train"), trained.get("val"))


def _match_models(artifact: Artifact, data: CorrectnessMatrix) -> tuple[list[int], list[int], list[str]]:
    """LLMs that both know, as indices into the artifact's and the data's models, and a note on the others."""
    position = {name: index for index, name in enumerate(artifact.model_names)}
    pairs = [(position[name], row) for row, name in enumerate(data.model_names) if name in position]
    if not pairs:
        raise DataError(
            "the data to evaluate on",
            [
                f"the artifact knows none of its {data.num_models} models, such as {data.model_names[0]!r}; "
                f"it knows {artifact.model_names[0]!r} and {len(artifact.model_names) - 1} others"
            ],
        )
    notes = []
    strangers = [name for name in data.model_names if name not in position]
    if strangers:
        count = f"{len(strangers)} model{'' if len(strangers) == 1 else 's'}"
        notes.append(f"left out: {count} the artifact does not know, such as {strangers[0]!r}")
    return [known for known, _ in pairs], [row for _, row in pairs], notes
