"""The data of a sweep: loaded, split and encoded once, in the driver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.simulate import simulate
from embedllm.data.splits import Split, choose_split
from embedllm.errors import ConfigError
from tune.config import SweepConfig

if TYPE_CHECKING:
    from embedllm.encoders import Encodings

SIMULATED_MODELS, SIMULATED_QUESTIONS = 40, 3000
"""The quick start's data: small enough for seconds per pack, large enough that configurations differ."""


@dataclass(frozen=True)
class SweepData:
    """Everything a worker reads.

    Args:
        data: the correctness matrix.
        split: which questions train, validate and test.
        encodings: encoder name -> float32 (questions, width), for every encoder of the space.
    """

    data: CorrectnessMatrix
    split: Split
    encodings: Mapping[str, np.ndarray]


def load_data(config: SweepConfig) -> tuple[CorrectnessMatrix, Split]:
    """The sweep's data and split.

    Raises:
        DataError: if the data cannot be read, or cannot be split as configured.
    """
    if config.data is None:
        data = simulate(models=SIMULATED_MODELS, questions=SIMULATED_QUESTIONS)
    else:
        data = CorrectnessMatrix.load(config.data)
    return data, choose_split(data, config.split, config.split_seed)


def check_split_seed(config: SweepConfig, split: Split) -> None:
    """Refuse a seed that would do nothing; sweeps that were begun with one go on.

    Args:
        config: of a new sweep.
        split: as :func:`load_data` made it.

    Raises:
        ConfigError: if there is one and chance has no part in the split.
    """
    if config.split_seed and split.seed is None:
        why = "split is given" if config.split == "given" else "the data gives all three sides"
        raise ConfigError(f"split_seed {config.split_seed} has no effect: {why}; add `--split random`")


def encode(
    encoders: Sequence[str], data: CorrectnessMatrix, split: Split | None, address: str | None = None
) -> "dict[str, Encodings]":
    """Encode the questions with every encoder: once, cached, before any trial starts: one may be missing.

    Args:
        encoders: names.
        data: the questions.
        split: training questions, for encoders that are fitted; None where there is none among them.
        address: Ray cluster whose workers encode with pretrained encoders, but for those in a folder of this machine;
            None = this process does.
    """
    from embedllm.encoders import PretrainedEncoder, encode_data

    def on_cluster(encoder: PretrainedEncoder, texts: Sequence[str]) -> np.ndarray:
        from tune.engine.encoding import encode_on_cluster

        if encoder.source.kind == "folder":  # of this machine: other nodes need not have it
            return encoder.encode(texts, progress=True)
        return encode_on_cluster(encoder, texts, address=address)

    return {
        name: encode_data(
            data,
            name,
            fit_on=None if split is None else split.train,
            progress=True,
            elsewhere=None if address is None else on_cluster,
        )
        for name in encoders
    }
