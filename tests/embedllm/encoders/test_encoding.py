"""Encoding a whole data set: what is fitted on what, and what comes from the cache."""

import weakref

import numpy as np
import pytest

import embedllm.encoders.encoding as encoding
from embedllm.encoders import PretrainedEncoder, encode_data
from embedllm.encoders.sources import ModelSource
from embedllm.errors import ConfigError


def test_lsa_never_sees_other_than_training_texts(tmp_path, texts, matrix_of):
    train = np.arange(40)
    data = matrix_of(texts)
    changed = matrix_of([*texts[:40], *(f"altogether different words {row}" for row in range(20))])
    first = encode_data(data, "lsa:8", fit_on=train, cache_dir=tmp_path)
    second = encode_data(changed, "lsa:8", fit_on=train, cache_dir=tmp_path / "other")
    assert first.encoder.revision == second.encoder.revision
    np.testing.assert_array_equal(first.matrix[:40], second.matrix[:40])
    np.testing.assert_array_equal(first.encoder.encode(texts), first.matrix)
    # Other training questions, another fit.
    assert encode_data(data, "lsa:8", fit_on=np.arange(39), cache_dir=tmp_path).encoder.revision != (
        first.encoder.revision
    )


def test_order_of_the_training_questions_does_not_matter(tmp_path, texts, matrix_of):
    data = matrix_of(texts)
    first = encode_data(data, "lsa:8", fit_on=np.arange(40), cache_dir=tmp_path)
    second = encode_data(data, "lsa:8", fit_on=np.arange(40)[::-1], cache_dir=tmp_path)
    assert second.cached
    assert first.encoder.revision == second.encoder.revision


def test_second_encoding_neither_fits_nor_encodes(tmp_path, texts, matrix_of, monkeypatch):
    data = matrix_of(texts)
    first = encode_data(data, "lsa:8", fit_on=np.arange(40), cache_dir=tmp_path)
    assert not first.cached
    monkeypatch.setattr(encoding, "fit_lsa", None)
    second = encode_data(data, "lsa:8", fit_on=np.arange(40), cache_dir=tmp_path)
    assert second.cached
    np.testing.assert_array_equal(first.matrix, second.matrix)
    np.testing.assert_array_equal(second.encoder.encode(texts), second.matrix)
    info = second.info
    assert (info.name, info.width, info.questions, info.cached) == ("lsa:8", 8, 60, True)
    assert info.revision == second.encoder.revision
    assert 0 < info.seconds < 10


def test_changed_texts_are_encoded_again(tmp_path, texts, matrix_of):
    encode_data(matrix_of(texts), "lsa:8", fit_on=np.arange(40), cache_dir=tmp_path)
    changed = matrix_of([*texts[:-1], "a judge of polynomials"])
    assert not encode_data(changed, "lsa:8", fit_on=np.arange(40), cache_dir=tmp_path).cached


def test_cached_encodings_of_a_pretrained_encoder_need_no_model(tmp_path, matrix_of, monkeypatch):
    class CountingEncoder(PretrainedEncoder):
        def encode(self, texts, *, progress=False):
            calls.append(len(texts))
            return np.ones((len(texts), 5), np.float32)

    calls: list[int] = []
    source = ModelSource("toy", "0" * 40, "hub")
    monkeypatch.setattr(encoding, "load_encoder", lambda name, device: CountingEncoder(source, device=device))
    data = matrix_of(["a", "b"])
    for cached in (False, True):
        encodings = encode_data(data, "toy", fit_on=None, cache_dir=tmp_path)
        assert encodings.cached is cached
        assert encodings.encoder.width == 5
        assert encodings.encoder.state()[0]["width"] == 5
    assert calls == [2]


@pytest.mark.parametrize("in_use", [True, False])
def test_the_gpu_is_given_back_when_the_model_is_gone(tmp_path, matrix_of, monkeypatch, in_use):
    class Loaded(PretrainedEncoder):
        def encode(self, texts, *, progress=False):
            return np.ones((len(texts), 5), np.float32)

    alive: list[bool] = []
    loaded: list[weakref.ref] = []

    def load(name, device):
        encoder = Loaded(ModelSource("toy", "0" * 40, "hub"), device=device)
        loaded.append(weakref.ref(encoder))
        return encoder

    monkeypatch.setattr(encoding, "load_encoder", load)
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: in_use)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: alive.append(loaded[0]() is not None))
    encode_data(matrix_of(["a", "b"]), "toy", fit_on=None, cache_dir=tmp_path)
    assert alive == ([False] if in_use else [])


@pytest.mark.parametrize("fit_on", [None, np.array([], dtype=np.int64)])
def test_lsa_without_training_questions(tmp_path, texts, matrix_of, fit_on):
    with pytest.raises(ConfigError, match="fitted on training questions, but none are given: pass `fit_on`"):
        encode_data(matrix_of(texts), "lsa", fit_on=fit_on, cache_dir=tmp_path)


def test_a_mask_is_not_a_list_of_indices(tmp_path, texts, matrix_of):
    with pytest.raises(ConfigError, match="`fit_on` must hold indices of questions but has dtype bool"):
        encode_data(matrix_of(texts), "lsa", fit_on=np.ones(60, dtype=bool), cache_dir=tmp_path)


def test_progress_shows_on_standard_error_only(tmp_path, texts, matrix_of, capsys):
    encode_data(matrix_of(texts), "lsa:8", fit_on=np.arange(40), cache_dir=tmp_path, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Encoding with lsa:8" in shown.err
    encode_data(matrix_of(texts), "lsa:7", fit_on=np.arange(40), cache_dir=tmp_path)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("index", [999, -1])
def test_training_questions_beyond_the_data_are_named(tmp_path, texts, matrix_of, index):
    with pytest.raises(
        ConfigError, match=rf"`fit_on` holds question index {index}; the data has 60 questions \(0 to 59"
    ):
        encode_data(matrix_of(texts), "lsa:8", fit_on=np.array([0, index]), cache_dir=tmp_path)
