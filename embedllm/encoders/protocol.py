"""What a question encoder is, and what encoding a data set gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class QuestionEncoder(Protocol):
    """Turns question texts into vectors. Same name and revision: same vectors."""

    @property
    def name(self) -> str:
        """Normalised name: `lsa:384`, `all-mpnet-base-v2`, `org/model`, or the absolute path of a local folder."""

    @property
    def revision(self) -> str:
        """Which version of `name`: a hub commit, a digest of local files, a package version, a digest of the fit."""

    @property
    def width(self) -> int:
        """Entries per encoding."""

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> np.ndarray:
        """Encodings of `texts`: float32 of shape (texts, width), every entry finite."""

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What an artifact stores so that :func:`embedllm.encoders.restore_encoder` gives this encoder back.

        A dictionary of JSON values, and arrays by name; pretrained encoders need no arrays.
        """


@dataclass(frozen=True)
class EncoderInfo:
    """One line about an encoding of a data set, as `embedllm encode` prints it.

    Args:
        name: normalised name of the encoder.
        revision: version of the encoder.
        width: entries per encoding.
        questions: number of questions encoded.
        seconds: wall time it took, reading the cache or fitting `lsa` included.
        cached: whether the encodings came from the cache.
    """

    name: str
    revision: str
    width: int
    questions: int
    seconds: float
    cached: bool


@dataclass(frozen=True)
class Encodings:
    """Encodings of all questions of a data set, and the encoder that makes more like them.

    Args:
        matrix: float32 of shape (questions, width), rows in the order of the data's questions.
        encoder: the encoder, fitted if it needed that.
        seconds: wall time it took.
        cached: whether `matrix` came from the cache.
    """

    matrix: np.ndarray
    encoder: QuestionEncoder
    seconds: float = 0.0
    cached: bool = False

    @property
    def info(self) -> EncoderInfo:
        """Name, revision, shape and cost, for printing."""
        questions, width = self.matrix.shape
        return EncoderInfo(self.encoder.name, self.encoder.revision, width, questions, self.seconds, self.cached)
