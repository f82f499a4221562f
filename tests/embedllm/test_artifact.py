"""Artifacts: what comes back, what is refused, nothing half-written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from embedllm.artifact import CONFIG_FILE, TENSORS_FILE, check_target, load_artifact, save_artifact
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


def test_a_sentence_transformers_model_is_neither_replaced_nor_loaded(tmp_path: Path):
    (tmp_path / CONFIG_FILE).write_text('{"hidden_size": 384}')
    save_file({"weight": torch.zeros(1)}, tmp_path / TENSORS_FILE)
    with pytest.raises(EmbedLLMError, match=r"exists and is not an artifact; .* \(it holds config.json and model.safe"):
        check_target(tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    with pytest.raises(EmbedLLMError, match=r"exists and is not an artifact; .* \(it holds 1_Pooling\)"):
        check_target(tmp_path)
    with pytest.raises(EmbedLLMError, match=r"is not an artifact \(config.json has no `format`\)"):
        load_artifact(tmp_path)


def test_files_of_the_user_in_an_artifact_are_never_deleted(fitted, artifact: Path):
    for name in "edcba":
        (artifact / name).write_text("precious")
    data, split, encodings, results = fitted
    message = "holds a, b, c and 2 more, which are not part of an artifact; choose another folder or move them away"
    with pytest.raises(EmbedLLMError, match=message):
        save_artifact(artifact, results, encodings.encoder, data, split, {})
    assert (artifact / "e").read_text() == "precious"


def test_an_artifact_is_saved_into_the_current_folder(fitted, artifact: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(artifact)
    data, split, encodings, results = fitted
    save_artifact(".", results[:1], encodings.encoder, data, split, {})
    assert load_artifact(".").metadata["seeds"] == load_artifact(artifact).metadata["seeds"] == [0]


Config = dict[str, Any]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        *((lambda config, name=name: config.pop(name), f"config.json lacks {name}") for name in
          ("fit", "seeds", "model_names", "encoder", "data_digest", "split")),
        (lambda config: config.update(seeds=[]), r"`seeds` in config.json must be a non-empty list"),
        (lambda config: config.update(seeds=[0, 1, 2]), "model.safetensors lacks seed.2.model_embeddings"),
        (lambda config: config["fit"].update(depth=3), "`fit` in config.json has entries .* not know: depth"),
        (lambda config: config["fit"].update(epochs=0), "epochs must be"),
        (lambda config: config["fit"].update(epochs="ten"), "epochs must be a whole number but is 'ten'"),
        (lambda config: config.update(encoder=None), "`encoder` in config.json must be an object but is None"),
        (lambda config: config.update(encoder=["lsa"]), r"must be an object but is \['lsa'\]"),
        (lambda config: config.update(encoder={"kind": "x"}), "unknown kind 'x'; known: lsa, sentence-transformers"),
        (lambda config: config["encoder"].pop("vocabulary"), "the stored lsa encoder lacks 'vocabulary'"),
        (lambda config: config["encoder"].update(width=None), "the `width` of `encoder` .* from 1 on but is None"),
        (lambda config: config["encoder"].update(width=-1), "the `width` of `encoder` .* from 1 on but is -1"),
        (lambda config: config.update(metrics=[1]), r"`metrics` in config.json must be an object of .* but is \[1\]"),
        (lambda config: config.update(metrics={"x": {}}), "`metrics` in config.json must be an object of .* but is"),
        (lambda config: config["model_names"].pop(), "has 5 model names, but seed.0.model_embeddings has 6 models"),
        (lambda config: config["model_names"].append(7), "`model_names` in config.json must hold strings only"),
        (lambda config: config["split"].pop("seed"), "`split` in config.json lacks seed"),
    ],
)  # fmt: skip
def test_a_damaged_config_is_told(artifact: Path, damage: Callable[[Config], object], told: str):
    config = json.loads((artifact / CONFIG_FILE).read_text())
    damage(config)
    (artifact / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(
        EmbedLLMError, match=rf"artifact is damaged: .*{told}[^;]*(; known.*)?; make it again with `emb"
    ):
        load_artifact(artifact)


def test_a_config_that_is_no_object_is_told(artifact: Path):
    (artifact / CONFIG_FILE).write_text("[]")
    with pytest.raises(EmbedLLMError, match="is not an artifact"):
        load_artifact(artifact)


Tensors = dict[str, torch.Tensor]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda tensors: tensors.pop("seed.1.bias"), "model.safetensors lacks seed.1.bias"),
        (lambda tensors: tensors.pop("encoder.idf"), "the stored lsa encoder lacks 'idf'"),
        (
            lambda tensors: tensors.update({"seed.0.projection": torch.zeros(3, 4)}),
            r"seed.0.projection has shape \(3, 4\) and type torch.float32; it must have shape \(8, 4\)",
        ),
        (
            lambda tensors: tensors.update({"seed.0.model_embeddings": torch.tensor(1.0)}),
            r"seed.0.model_embeddings must have two axes but has shape \(\)",
        ),
        (lambda tensors: tensors.update({"seed.0.head_bias": torch.zeros(2).double()}), "type torch.float64; it must"),
        (lambda tensors: tensors["seed.1.bias"].fill_(np.nan), "holds numbers that are not finite, in seed.1.bias"),
    ],
)
def test_damaged_tensors_are_told(artifact: Path, damage: Callable[[Tensors], object], told: str):
    tensors = load_file(artifact / TENSORS_FILE)
    damage(tensors)
    save_file(tensors, artifact / TENSORS_FILE)
    with pytest.raises(EmbedLLMError, match=f"artifact is damaged: .*{told}.*; make it again with `embedllm fit`"):
        load_artifact(artifact)


def test_an_undefined_metric_is_null_in_the_file_and_nan_when_read(fitted, artifact: Path):
    data, split, encodings, results = fitted
    metrics = {"test_roc_auc": np.nan, "test_accuracy": 0.5}
    save_artifact(artifact, results, encodings.encoder, data, split, metrics)

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    stored = json.loads((artifact / CONFIG_FILE).read_text(), parse_constant=refuse)["metrics"]
    assert stored == {"test_roc_auc": None, "test_accuracy": 0.5}
    assert load_artifact(artifact).metadata["metrics"] == pytest.approx(metrics, nan_ok=True)


def test_the_split_is_recorded(fitted, artifact: Path):
    _, split, _, _ = fitted
    recorded = {"name": "random", "seed": 0, "train": 160, "val": 20, "digest": split.digest}
    assert load_artifact(artifact).metadata["split"] == recorded
