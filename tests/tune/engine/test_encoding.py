"""Questions encoded by workers: what a cluster is divided into, the same encodings as here, and whose fault it was."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.simulate import simulate
from embedllm.data.splits import random_split
from embedllm.encoders import PretrainedEncoder, load_encoder
from embedllm.encoders.sources import ModelSource
from embedllm.errors import ConfigError, EmbedLLMError
from tests.embedllm.encoders.test_pretrained import needs_minilm
from tune.data import encode
from tune.engine import encoding as encoding_module
from tune.engine.encoding import Copies, encode_on_cluster
from tune.engine.slots import Node


def node(cpus: float, gpus: float = 0, *, alive: bool = True) -> Node:
    return Node("0" * 8, "10.0.0.1", alive, cpus, gpus, 1 << 30)


@pytest.mark.parametrize(
    ("nodes", "copies", "words"),
    [
        ([node(0), node(8, 2), node(4, 1)], Copies(3, 1, 1), "3 GPUs"),
        ([node(8, 0), node(4, 1)], Copies(1, 1, 1), "1 GPU"),
        ([node(0), node(8), node(9)], Copies(4, 4, 0), "16 CPUs"),
        ([node(2), node(8)], Copies(5, 2, 0), "10 CPUs"),
        ([node(1), node(8, alive=False)], Copies(1, 1, 0), "1 CPU"),
        ([node(2, 8)], Copies(2, 1, 1), "2 GPUs"),
    ],
)
def test_copies_of_an_encoder(nodes, copies, words):
    assert Copies.on(nodes) == copies
    assert copies.words == words


def test_a_cluster_without_workers():
    with pytest.raises(
        ConfigError, match=r"no node of the cluster has a CPU for Ray to use yet; .* `python -m tune cl"
    ):
        Copies.on([node(0), node(4, alive=False)])


@needs_minilm
def test_workers_give_the_encodings_that_this_process_gives(ray_here, monkeypatch, capsys, caplog):
    monkeypatch.setattr(encoding_module, "CHUNK_TEXTS", 3)
    texts = ["one", "two words", "", "three words here", "one", "four", "five", "word " * 300]
    encoder = load_encoder("all-MiniLM-L6-v2", device="cpu")
    found = encode_on_cluster(encoder, texts, address=None)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, encoder.encode(texts), atol=1e-5)
    assert "Encoding with all-MiniLM-L6-v2 on 2 CPUs" in capsys.readouterr().err
    told = (
        "all-MiniLM-L6-v2 reads the first 256 tokens of a text: of 7 different texts 1 is longer, and what follows is"
    )
    assert [message.startswith(told) for message in caplog.messages] == [True, True], "the workers' and ours"


def test_what_is_wrong_in_a_worker_is_told(ray_here, tmp_path: Path):
    gone = PretrainedEncoder(ModelSource(str(tmp_path / "gone"), "files-0", "folder"))
    with pytest.raises(EmbedLLMError) as caught:
        encode_on_cluster(gone, ["a", "b"], address=None)
    assert str(caught.value).startswith(
        f"the cluster cannot encode with {tmp_path}/gone: question encoder '{tmp_path}/gone' is needed at revision "
        "files-0, but it is not there: put the model's files back"
    )


@needs_minilm
def test_only_with_an_address_and_only_what_is_not_in_the_cache(ray_here, tmp_path, monkeypatch):
    data: CorrectnessMatrix = simulate(models=3, questions=20, seed=0)
    split = random_split(data, seed=0)
    asked: list[tuple[str, int, str | None]] = []

    def on_cluster(encoder: PretrainedEncoder, texts: list[str], *, address: str | None) -> np.ndarray:
        asked.append((encoder.name, len(texts), address))
        return encoder.encode(texts)

    monkeypatch.setattr(encoding_module, "encode_on_cluster", on_cluster)
    for address in ("10.0.0.1:6379", "10.0.0.1:6379", None):
        encode(["lsa:4", "all-MiniLM-L6-v2"], data, split, address)
    assert asked == [("all-MiniLM-L6-v2", 20, "10.0.0.1:6379")]
    folder = load_encoder("all-MiniLM-L6-v2").source.local_folder()
    copy = str(shutil.copytree(folder, tmp_path / "model")) if folder else ""
    matrix = encode([copy], data, split, "10.0.0.1:6379")[copy].matrix
    assert matrix.shape == (20, 384)
    assert len(asked) == 1, "a folder of this machine: the others need not have it"
    monkeypatch.setenv("EMBEDLLM_CACHE", str(tmp_path))
    encode(["all-MiniLM-L6-v2"], data, split, None)
    assert len(asked) == 1
