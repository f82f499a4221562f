"""Encode all questions of a data set, through the cache."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.encoders.cache import EncodingCache, Entry, text_digest
from embedllm.encoders.lsa import LsaEncoder, fit_lsa, lsa_revision
from embedllm.encoders.pretrained import PretrainedEncoder
from embedllm.encoders.protocol import Encodings, QuestionEncoder
from embedllm.encoders.registry import load_encoder, lsa_width, needs_fitting
from embedllm.errors import ConfigError

Elsewhere = Callable[[PretrainedEncoder, Sequence[str]], np.ndarray]
"""Encodes texts as the encoder given would, but not in this process: on the workers of a cluster, say."""


def encode_data(
    data: CorrectnessMatrix,
    encoder: str,
    *,
    fit_on: np.ndarray | None,
    cache_dir: Path | None = None,
    device: str | None = None,
    progress: bool = False,
    elsewhere: Elsewhere | None = None,
) -> Encodings:
    """Encodings of every question of `data`; from the cache where they are in it.

    Args:
        data: the questions.
        encoder: `lsa`, `lsa:WIDTH`, or a sentence-transformers name or folder.
        fit_on: int64 indices of the training questions, the only texts `lsa` is fitted on; ignored by pretrained ones.
        cache_dir: folder of the cache; None is `EMBEDLLM_CACHE` or `~/.cache/embedllm`.
        device: where a pretrained encoder runs; None takes a GPU if there is one.
        progress: show a progress bar on standard error.
        elsewhere: encodes, with a pretrained encoder, what the cache does not hold; None = here.

    Raises:
        ConfigError: if `lsa` has no training questions to be fitted on, or some that the data does not have.
        EmbedLLMError: if the encoder is unknown or out of reach, or the cache cannot be written.
    """
    started = time.perf_counter()
    cache = EncodingCache(cache_dir)
    question_encoder = (
        _fitted_lsa(data, encoder, fit_on, cache) if needs_fitting(encoder) else load_encoder(encoder, device=device)
    )
    matrix, cached = _encoded(data, question_encoder, cache, progress, elsewhere)
    if isinstance(question_encoder, PretrainedEncoder):
        # A fresh one: it knows its width without loading the model, and a model that was loaded is freed.
        question_encoder = PretrainedEncoder(question_encoder.source, width=matrix.shape[1], device=device)
        _free_gpu_memory()
    return Encodings(matrix, question_encoder, seconds=time.perf_counter() - started, cached=cached)


def encode_with(
    data: CorrectnessMatrix, encoder: QuestionEncoder, *, cache_dir: Path | None = None, progress: bool = False
) -> np.ndarray:
    """Encodings of every question of `data` by an encoder that is there already, float32 of shape (questions, width).

    Args:
        data: the questions.
        encoder: an artifact's, for example.
        cache_dir: as in :func:`encode_data`.
        progress: show a progress bar on standard error.

    Raises:
        EmbedLLMError: if the encoder is out of reach, or the cache cannot be written.
    """
    return _encoded(data, encoder, EncodingCache(cache_dir), progress)[0]


def _encoded(
    data: CorrectnessMatrix,
    encoder: QuestionEncoder,
    cache: EncodingCache,
    progress: bool,
    elsewhere: Elsewhere | None = None,
) -> tuple[np.ndarray, bool]:
    """Encodings, and whether they were in the cache."""

    def encode() -> Entry:
        if elsewhere is not None and isinstance(encoder, PretrainedEncoder):
            return Entry({"encodings": elsewhere(encoder, data.prompts)})
        return Entry({"encodings": encoder.encode(data.prompts, progress=progress)})

    key = ["encodings", encoder.name, encoder.revision, text_digest(data.prompts)]
    entry, cached = cache.fetch(encoder.name, key, encode)
    return entry.arrays["encodings"], cached


def _free_gpu_memory() -> None:
    """Give back what PyTorch keeps of a GPU for later: to other processes that train there, it is not free."""
    torch = sys.modules.get("torch")  # not imported, and so not in use, where encodings came from the cache
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _fitted_lsa(data: CorrectnessMatrix, name: str, fit_on: np.ndarray | None, cache: EncodingCache) -> LsaEncoder:
    width = lsa_width(name)
    if fit_on is None or len(fit_on) == 0:
        raise ConfigError(f"encoder {name!r} is fitted on training questions, but none are given: pass `fit_on`")
    if np.asarray(fit_on).dtype.kind not in "iu":
        raise ConfigError(f"`fit_on` must hold indices of questions but has dtype {np.asarray(fit_on).dtype}")
    beyond = np.asarray(fit_on)[(np.asarray(fit_on) < 0) | (np.asarray(fit_on) >= data.num_questions)]
    if len(beyond):
        raise ConfigError(
            f"`fit_on` holds question index {beyond[0]}; the data has {data.num_questions:,} questions "
            f"(0 to {data.num_questions - 1})"
        )
    # Sorted: the fit depends on which questions, not on the order a split lists them in.
    prompts = data.prompts
    texts = [prompts[index] for index in np.sort(fit_on)]

    def fit() -> Entry:
        values, arrays = fit_lsa(texts, width).state()
        return Entry(arrays, values)

    entry, _ = cache.fetch(f"fitted-lsa-{width}", ["fitted", lsa_revision(texts, width)], fit)
    return LsaEncoder.restore(dict(entry.values), dict(entry.arrays))
