"""From a name to an encoder: pretrained ones are loaded, stored ones are restored; `lsa` has to be fitted."""

from typing import Any

import numpy as np

from embedllm.encoders.lsa import DEFAULT_WIDTH, LsaEncoder
from embedllm.encoders.pretrained import PretrainedEncoder
from embedllm.encoders.protocol import QuestionEncoder
from embedllm.encoders.sources import ModelSource, find_source
from embedllm.errors import ConfigError, EmbedLLMError


def needs_fitting(name: str) -> bool:
    """Whether the encoder called `name` is fitted on training questions."""
    return name == "lsa" or name.startswith("lsa:")


def lsa_width(name: str) -> int:
    """The width asked for by `lsa` or `lsa:WIDTH`.

    Raises:
        ConfigError: if WIDTH is not a positive whole number.
    """
    _, _, width = name.partition(":")
    if name == "lsa":
        return DEFAULT_WIDTH
    if not (width.isascii() and width.isdigit() and int(width) > 0):
        raise ConfigError(f"encoder {name!r}: WIDTH in `lsa:WIDTH` must be a positive whole number, as in `lsa:256`")
    return int(width)


def load_encoder(name: str, *, device: str | None = None) -> PretrainedEncoder:
    """The pretrained encoder called `name`.

    Its version is looked up at once: in a folder, the hub's local cache, or, for the newest, the hub. Its files are
    loaded when first used.

    Args:
        name: a sentence-transformers model of the hub, or a local folder.
        device: `cpu`, `cuda`…; None takes a GPU if there is one.

    Raises:
        ConfigError: for `lsa`, which has to be fitted.
        EmbedLLMError: if there is no such model or it is out of reach, with the choices that work offline.
    """
    if not name.strip():
        raise ConfigError("the question encoder's name is empty; try `lsa`, or `all-mpnet-base-v2`")
    if needs_fitting(name):
        raise ConfigError(f"encoder {name!r} has no pretrained version: `fit_lsa` fits it on questions")
    return PretrainedEncoder(find_source(name), device=device)


def restore_encoder(
    values: dict[str, Any], arrays: dict[str, np.ndarray], *, device: str | None = None
) -> QuestionEncoder:
    """The encoder whose `state()` this is. Gives the same encodings; loads nothing until it has to encode.

    Raises:
        EmbedLLMError: if the state is of an unknown kind or incomplete.
    """
    kind = values.get("kind")
    if kind == "lsa":
        return LsaEncoder.restore(values, arrays)
    if kind != "sentence-transformers":
        raise EmbedLLMError(f"stored question encoder of unknown kind {kind!r}; known: lsa, sentence-transformers")
    try:
        source = ModelSource(values["name"], values["revision"], values["source"])
        return PretrainedEncoder(source, width=values["width"], device=device)
    except KeyError as error:
        raise EmbedLLMError(f"the stored question encoder lacks {error}; fit the model again") from error
