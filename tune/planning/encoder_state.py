"""Which question encoders a sweep would find: in the cache, to be encoded first, or out of reach. Encodes nothing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.splits import Split
from embedllm.errors import EmbedLLMError

USUAL_WIDTH = 768
"""Assumed of a model whose files are not here to say."""


@dataclass(frozen=True)
class EncoderState:
    """One encoder of a space.

    Args:
        name: as given.
        state: `cached` encodings of this data, `available` but to be encoded first, or `refused`.
        width: entries per encoding; a guess where the model has never been used here.
        detail: what would be done, or why it is refused.
    """

    name: str
    state: Literal["cached", "available", "refused"]
    width: int
    detail: str


def encoder_state(name: str, data: CorrectnessMatrix, split: Split) -> EncoderState:
    """What would happen if `data` were to be encoded with the encoder called `name`."""
    from embedllm.encoders.registry import load_encoder, lsa_width, needs_fitting

    try:
        if needs_fitting(name):
            width = lsa_width(name)
            if _lsa_is_cached(width, data, split):
                return EncoderState(name, "cached", width, "fitted on the training questions")
            return EncoderState(name, "available", width, "to be fitted on the training questions, then encoded")
        encoder = load_encoder(name)
        if _is_cached(encoder.name, encoder.revision, data):
            return EncoderState(name, "cached", _folder_width(encoder.source.local_folder()), encoder.revision[:28])
        kind = {"hub": "to be downloaded where it is not yet, then encoded"}.get(encoder.source.kind, "to be encoded")
        return EncoderState(name, "available", _folder_width(encoder.source.local_folder()), kind)
    except EmbedLLMError as error:
        return EncoderState(name, "refused", USUAL_WIDTH, str(error))


def encodings_for_a_probe(state: EncoderState, data: CorrectnessMatrix, split: Split) -> np.ndarray:
    """Encodings of every question, float32 (questions, width): the cached ones, else random ones of length 1."""
    from embedllm.encoders import encode_data

    if state.state == "cached":
        return encode_data(data, state.name, fit_on=split.train).matrix
    drawn = np.random.default_rng(0).standard_normal((data.num_questions, state.width), dtype=np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def _lsa_is_cached(width: int, data: CorrectnessMatrix, split: Split) -> bool:
    from embedllm.encoders.lsa import lsa_revision

    prompts = data.prompts
    revision = lsa_revision([prompts[question] for question in split.train], width)
    return _is_cached(f"lsa:{width}", revision, data)


def _is_cached(name: str, revision: str, data: CorrectnessMatrix) -> bool:
    """Whether the cache has the entry that `embedllm.encoders.encode_data` would look for."""
    from embedllm.encoders.cache import EncodingCache, text_digest

    return EncodingCache().path(name, ["encodings", name, revision, text_digest(data.prompts)]).is_file()


def _folder_width(folder: Path | None) -> int:
    """Width of a model's encodings as its files say."""
    if folder is None or not (folder / "config.json").is_file():
        return USUAL_WIDTH
    return int(json.loads((folder / "config.json").read_text()).get("hidden_size", USUAL_WIDTH))
