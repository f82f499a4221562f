"""What is said of an encoder before anything is encoded is what then happens."""

from pathlib import Path

import numpy as np
import pytest

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.simulate import simulate
from embedllm.data.splits import Split, random_split
from embedllm.encoders import encode_data
from tune.planning.encoder_state import USUAL_WIDTH, encoder_state, encodings_for_a_probe


@pytest.fixture(scope="module")
def data() -> CorrectnessMatrix:
    return simulate(models=5, questions=200, seed=0)


@pytest.fixture(scope="module")
def split(data: CorrectnessMatrix) -> Split:
    return random_split(data, seed=0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMBEDLLM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_lsa_is_available_and_then_cached(data: CorrectnessMatrix, split: Split, cache: Path) -> None:
    before = encoder_state("lsa:16", data, split)
    assert (before.state, before.width) == ("available", 16)
    assert "to be fitted on the training questions" in before.detail
    drawn = encodings_for_a_probe(before, data, split)
    assert not cache.exists()
    assert drawn.shape == (200, 16)
    assert drawn.dtype == np.float32
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(1, abs=1e-5)

    real = encode_data(data, "lsa:16", fit_on=split.train)
    after = encoder_state("lsa:16", data, split)
    assert after.state == "cached"
    assert np.array_equal(encodings_for_a_probe(after, data, split), real.matrix)
    # Fitted on other questions it is another encoder.
    assert encoder_state("lsa:16", data, random_split(data, seed=1)).state == "available"


def test_a_pretrained_folder_says_how_wide_it_is(data: CorrectnessMatrix, split: Split, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "modules.json").write_text("[]")
    assert encoder_state(str(folder), data, split).width == USUAL_WIDTH
    (folder / "config.json").write_text('{"hidden_size": 320}')
    state = encoder_state(str(folder), data, split)
    assert (state.state, state.width, state.detail) == ("available", 320, "to be encoded")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("./nowhere", "question encoder './nowhere': no such folder"),
        ("lsa:many", "WIDTH in `lsa:WIDTH` must be a positive whole number"),
    ],
)
def test_what_is_out_of_reach_is_refused(data: CorrectnessMatrix, split: Split, name: str, reason: str) -> None:
    state = encoder_state(name, data, split)
    assert state.state == "refused"
    assert reason in state.detail
