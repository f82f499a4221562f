"""Artifacts on data: encodings come from the cache, and numbers on other data carry a warning."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embedllm import CorrectnessMatrix, fit_and_compare, preset
from embedllm.artifact import CONFIG_FILE, load_artifact
from embedllm.data import Split, leave_out, random_split, simulate
from embedllm.data.splits import choose_split
from embedllm.encoders import LsaEncoder
from embedllm.errors import DataError
from embedllm.evaluation import METRICS
from embedllm.scoring import score_artifact

CONFIG = preset("fast").replace(encoder="lsa:8", embedding_dim=4, epochs=2)


@pytest.fixture(scope="module")
def artifact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    simulate(models=5, questions=120, seed=3).save(folder / "data")
    fit_and_compare(CorrectnessMatrix.load(folder / "data"), CONFIG, seeds=1).save(folder / "artifact")
    return folder


def test_what_fit_encoded_is_not_encoded_again(artifact_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, artifact = CorrectnessMatrix.load(artifact_folder / "data"), load_artifact(artifact_folder / "artifact")
    expected = score_artifact(artifact, data)
    monkeypatch.setattr(LsaEncoder, "encode", lambda *_, **__: pytest.fail("encoded again"))
    again = score_artifact(artifact, data)
    assert again.rows == expected.rows
    assert again.notes == []


def test_other_data_may_share_questions_and_the_reader_is_told(artifact_folder: Path) -> None:
    other = simulate(models=5, questions=60, seed=3)
    notes = score_artifact(load_artifact(artifact_folder / "artifact"), other).notes
    assert any(note.startswith("not the data the artifact was trained on") for note in notes)


@pytest.mark.parametrize("seed", [None, 0, 5])
@pytest.mark.parametrize("training_questions", [None, 20])
def test_its_own_test_questions_are_found_again(
    artifact_folder: Path, tmp_path: Path, seed: int | None, training_questions: int | None
) -> None:
    data = CorrectnessMatrix.load(artifact_folder / "data")
    split = None if seed is None else random_split(data, seed=seed)
    config = CONFIG.replace(training_questions=training_questions)
    comparison = fit_and_compare(data, config, seeds=1, split=split)
    [row] = score_artifact(load_artifact(comparison.save(tmp_path / "artifact")), data).rows
    assert row["questions"] == len(comparison.split.test)
    assert [row[name] for name in METRICS] == pytest.approx([comparison.rows[0][name] for name in METRICS], abs=1e-6)


def test_validation_questions_drawn_from_a_given_train_are_found_again(tmp_path: Path) -> None:
    data = simulate(models=5, questions=120, seed=3)
    sides = pa.array(["test" if number % 4 == 0 else "train" for number in range(data.num_questions)])
    table = data.questions.set_column(data.questions.schema.get_field_index("split"), "split", sides)
    given = CorrectnessMatrix(data.correct, data.attempts, table, data.models, {})
    for seed in (0, 5):
        comparison = fit_and_compare(given, CONFIG, seeds=1, split=choose_split(given, "auto", seed))
        assert np.array_equal(comparison.split.test, np.arange(0, 120, 4)), "the user's test questions stay test"
        [row] = score_artifact(load_artifact(comparison.save(tmp_path / f"artifact{seed}")), given).rows
        assert row["questions"] == 30
        assert [row[name] for name in METRICS] == pytest.approx(
            [comparison.rows[0][name] for name in METRICS], abs=1e-6
        )


SPLITS: list[Callable[[CorrectnessMatrix], Split]] = [
    lambda data: leave_out(data, ["mmlu"]),
    lambda data: random_split(data, seed=0, fractions=(0.5, 0.25, 0.25)),
    lambda data: Split("random", np.arange(0, 120, 3), np.arange(1, 120, 3), np.arange(2, 120, 3)),
    lambda data: Split("given", np.arange(0, 120, 3), np.arange(1, 120, 3), np.arange(2, 120, 3)),
    lambda data: Split("mine", random_split(data, seed=0).test, *np.split(random_split(data, seed=0).train, [20])),
]


@pytest.mark.parametrize("make", SPLITS)
@pytest.mark.parametrize("side", [None, "val", "test", "train"])
def test_a_split_that_cannot_be_made_again_is_refused(
    artifact_folder: Path, tmp_path: Path, make: Callable[[CorrectnessMatrix], Split], side: Any
) -> None:
    """Questions it was trained on would be scored as test."""
    data = CorrectnessMatrix.load(artifact_folder / "data")
    split = make(data)
    artifact = load_artifact(fit_and_compare(data, CONFIG, seeds=1, split=split).save(tmp_path / "artifact"))
    message = f"trained on the split {split.name!r} of it, which cannot be made again .*; use --side all"
    with pytest.raises(DataError, match=message):
        score_artifact(artifact, data, side=side)
    assert score_artifact(artifact, data, side="all").rows[0]["questions"] == 120


@pytest.mark.parametrize(
    ("change", "fine"), [({}, True), ({"train": 95}, False), ({"name": "mine"}, False), ({"seed": None}, False)]
)
def test_artifacts_of_older_versions_are_checked_by_their_counts(
    artifact_folder: Path, tmp_path: Path, change: dict[str, Any], fine: bool
) -> None:
    data = CorrectnessMatrix.load(artifact_folder / "data")
    folder = fit_and_compare(data, CONFIG, seeds=1, split=random_split(data, seed=5)).save(tmp_path / "artifact")
    config = json.loads((folder / CONFIG_FILE).read_text())
    del config["split"]["digest"]
    config["split"] |= change
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    if fine:
        assert score_artifact(load_artifact(folder), data).rows[0]["questions"] == 12
    else:
        with pytest.raises(DataError, match="cannot be made again"):
            score_artifact(load_artifact(folder), data)


def test_every_row_says_what_it_is_about(artifact_folder: Path) -> None:
    data, artifact = CorrectnessMatrix.load(artifact_folder / "data"), load_artifact(artifact_folder / "artifact")
    [whole] = score_artifact(artifact, data).rows
    assert (whole["side"], whole["models"], whole["questions"]) == ("test", 5, 12)
    benchmarks = score_artifact(artifact, data, by="benchmark").rows
    assert {(row["side"], row["models"]) for row in benchmarks} == {("test", 5)}
    assert sum(row["questions"] for row in benchmarks) == 12
    models = score_artifact(artifact, data, by="model").rows
    assert [(row["side"], row["models"], row["questions"]) for row in models] == [("test", 1, 12)] * 5
    assert [row["model_name"] for row in models] == data.model_names


def test_sides_with_nothing_to_score_are_told(artifact_folder: Path) -> None:
    artifact = load_artifact(artifact_folder / "artifact")
    data = simulate(models=5, questions=60, seed=3)
    sides = data.questions["split"].to_pylist()
    correct, attempts = data.correct.copy(), data.attempts.copy()
    for side in ("test", None):
        empty = [side in (None, own) for own in sides]
        correct[:, empty] = attempts[:, empty] = 0
        unlabelled = CorrectnessMatrix(correct, attempts, data.questions, data.models)
        asked, told = (
            ("all", "no question has .*; import some") if side is None else (side, "no test question has .*all")
        )
        with pytest.raises(DataError, match=told):
            score_artifact(artifact, unlabelled, side=asked)
