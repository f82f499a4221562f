"""Artifacts on data: encodings come from the cache, and numbers on other data carry a warning."""

from pathlib import Path

import pytest

from embedllm import CorrectnessMatrix, fit_and_compare, preset
from embedllm.artifact import load_artifact
from embedllm.data import simulate
from embedllm.encoders import LsaEncoder
from embedllm.scoring import score_artifact


@pytest.fixture(scope="module")
def artifact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    simulate(models=5, questions=120, seed=3).save(folder / "data")
    config = preset("fast").replace(encoder="lsa:8", embedding_dim=4, epochs=2)
    fit_and_compare(CorrectnessMatrix.load(folder / "data"), config, seeds=1).save(folder / "artifact")
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
