"""Artifacts: what comes back, what is refused, nothing half-written."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from embedllm.artifact import CONFIG_FILE, TENSORS_FILE, load_artifact, save_artifact
from embedllm.config import FitConfig
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.simulate import simulate
from embedllm.data.splits import Split, random_split
from embedllm.encoders import Encodings, encode_data
from embedllm.errors import EmbedLLMError
from embedllm.training import FitData, FitResult, fit_many

CONFIG = FitConfig(encoder="lsa:8", embedding_dim=4, batch_questions=50, epochs=2, learning_rate=0.02)
QUESTIONS = ["Which planet is closest to the sun?", "What is 2 + 2?"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> tuple[CorrectnessMatrix, Split, Encodings, list[FitResult]]:
    data = simulate(models=6, questions=200, seed=0)
    split = random_split(data, seed=0)
    encodings = encode_data(data, CONFIG.encoder, fit_on=split.train, cache_dir=tmp_path_factory.mktemp("cache"))
    results = fit_many([CONFIG.replace(seed=seed) for seed in range(2)], FitData.build(data, split, encodings.matrix))
    return data, split, encodings, results


@pytest.fixture
def artifact(fitted, tmp_path: Path) -> Path:
    data, split, encodings, results = fitted
    return save_artifact(tmp_path / "artifact", results, encodings.encoder, data, split, {"val_accuracy": 0.5})


def test_an_artifact_predicts_as_the_fit_did(fitted, artifact: Path):
    data, _, encodings, results = fitted
    loaded = load_artifact(artifact)
    expected = np.mean([result.model.predict_proba(encodings.matrix[:5]) for result in results], axis=0)
    np.testing.assert_allclose(loaded.predict_proba(data.prompts[:5]), expected, rtol=1e-4)
    assert loaded.config == CONFIG
    assert list(loaded.model_names) == data.model_names
    assert loaded.predict_proba(QUESTIONS).shape == (6, 2)


def test_provenance_is_recorded(fitted, artifact: Path):
    metadata = load_artifact(artifact).metadata
    assert metadata["data_digest"] == fitted[0].digest
    assert metadata["data_simulated"] is True
    assert metadata["metrics"] == {"val_accuracy": 0.5}
    assert metadata["seeds"] == [0, 1]
    assert "torch" in metadata["packages"]


def test_it_holds_plain_files_only(artifact: Path):
    assert sorted(file.name for file in artifact.iterdir()) == [CONFIG_FILE, TENSORS_FILE]


def test_a_new_artifact_replaces_an_old_one(fitted, artifact: Path):
    data, split, encodings, results = fitted
    save_artifact(artifact, results[:1], encodings.encoder, data, split, {})
    assert load_artifact(artifact).metadata["seeds"] == [0]
    assert [path.name for path in artifact.parent.iterdir()] == ["artifact"]


def test_a_folder_of_something_else_is_left_alone(fitted, tmp_path: Path):
    data, split, encodings, results = fitted
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(EmbedLLMError, match="exists and is not an artifact"):
        save_artifact(tmp_path, results, encodings.encoder, data, split, {})
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_failed_seeds_alone_cannot_be_saved(fitted, tmp_path: Path):
    data, split, encodings, _ = fitted
    failed = FitResult(CONFIG, None, {}, 0, 1, 0.1, "diverged", "diverged: log-loss is nan")
    with pytest.raises(EmbedLLMError, match=r"nothing to save .* diverged: log-loss is nan"):
        save_artifact(tmp_path / "a", [failed], encodings.encoder, data, split, {})
    assert not (tmp_path / "a").exists()


def test_loading_something_else_says_how_to_write_one(tmp_path: Path):
    with pytest.raises(EmbedLLMError, match=r"is not an artifact .*embedllm fit DATA --out ARTIFACT"):
        load_artifact(tmp_path)


def test_damaged_artifacts_are_told(artifact: Path):
    (artifact / TENSORS_FILE).write_bytes((artifact / TENSORS_FILE).read_bytes()[:100])
    with pytest.raises(EmbedLLMError, match=r"cannot be read .*fit it again"):
        load_artifact(artifact)


def test_newer_formats_are_refused(artifact: Path):
    config = json.loads((artifact / CONFIG_FILE).read_text())
    (artifact / CONFIG_FILE).write_text(json.dumps(config | {"format": 99}))
    with pytest.raises(EmbedLLMError, match="has artifact format 99; this version reads format 1: update"):
        load_artifact(artifact)


def test_a_full_disk_is_told_and_leaves_the_old_artifact(fitted, artifact: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr("embedllm.artifact.save_file", full)
    data, split, encodings, results = fitted
    with pytest.raises(EmbedLLMError, match=r"cannot be written .*No space left on device.*is the disk full"):
        save_artifact(artifact, results, encodings.encoder, data, split, {"val_accuracy": 0.9})
    assert load_artifact(artifact).metadata["metrics"] == {"val_accuracy": 0.5}
