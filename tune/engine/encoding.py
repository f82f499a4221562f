"""Questions encoded by a cluster's workers: a copy of the encoder on every GPU, or on a few CPUs each.

The head of a cluster, where the driver runs, seldom has a GPU: encoding there would take longer than the sweep.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from embedllm.encoders.pretrained import Cut, PretrainedEncoder
from embedllm.encoders.progress import progress_bar
from embedllm.encoders.sources import ModelSource
from embedllm.errors import ConfigError, EmbedLLMError
from tune.engine.cluster import hide_other_gpus, ray_cluster
from tune.engine.slots import NO_WORKERS, Node, cluster_nodes
from tune.labels import counted, error_line

CHUNK_TEXTS = 256
"""Texts encoded at a time, at most: seconds on a CPU, so that the bar moves and a lost node loses little."""

CPUS_PER_COPY = 4
"""CPU threads of a copy of the encoder where there are no GPUs: each holds the model's weights in memory."""


@dataclass(frozen=True)
class Copies:
    """How a cluster holds copies of an encoder.

    Args:
        count: copies that encode at the same time.
        cpus: CPU threads of each.
        gpus: GPUs of each, 0 or 1.
    """

    count: int
    cpus: int
    gpus: int

    @property
    def words(self) -> str:
        """How many, and on what."""
        return counted(self.count, "GPU") if self.gpus else f"{counted(self.count * self.cpus, 'CPU')}"

    @classmethod
    def on(cls, nodes: Sequence[Node]) -> "Copies":
        """One on every GPU; without GPUs, on up to four CPUs each.

        Args:
            nodes: machines of the cluster.

        Raises:
            ConfigError: if no living node has a CPU for Ray to use.
        """
        alive = [node for node in nodes if node.alive and node.cpus >= 1]
        if not alive:
            raise ConfigError(NO_WORKERS)
        gpus = sum(min(int(node.gpus), int(node.cpus)) for node in alive)
        if gpus:
            return cls(gpus, 1, 1)
        cpus = min(CPUS_PER_COPY, *(int(node.cpus) for node in alive))
        return cls(sum(int(node.cpus) // cpus for node in alive), cpus, 0)


@lru_cache(maxsize=1)
def _copy(source: ModelSource) -> PretrainedEncoder:
    """This worker's copy of the encoder, kept from one chunk to the next."""
    return PretrainedEncoder(source)


def encode_chunk(source: ModelSource, texts: Sequence[str]) -> tuple[np.ndarray, Cut]:
    """What a worker does: encodings of `texts`, float32 of shape (texts, width), and how many were cut."""
    hide_other_gpus()
    return _copy(source).encode_counting(texts)


def encode_on_cluster(encoder: PretrainedEncoder, texts: Sequence[str], *, address: str | None) -> np.ndarray:
    """Encodings of `texts`, float32 of shape (texts, width), as :meth:`PretrainedEncoder.encode` gives them.

    Args:
        encoder: the encoder; each worker finds or downloads its files by itself.
        texts: question texts.
        address: the cluster, as in :func:`tune.engine.cluster.ray_cluster`.

    Raises:
        ConfigError: if there is no cluster at `address`, or one without workers.
        EmbedLLMError: if the workers cannot encode, a model's folder that they do not have for example.
    """
    distinct = sorted(set(texts), key=len)
    with ray_cluster(address):
        copies = Copies.on(cluster_nodes())
        parts = min(len(distinct), max(copies.count, -(-len(distinct) // CHUNK_TEXTS)))
        # Dealt by length, so that every chunk takes equally long.
        rows = _rows(encoder, [np.arange(part, len(distinct), parts) for part in range(parts)], distinct, copies)
    position = {text: number for number, text in enumerate(distinct)}
    return rows[[position[text] for text in texts]]


def _rows(encoder: PretrainedEncoder, chunks: Sequence[np.ndarray], texts: Sequence[str], copies: Copies) -> np.ndarray:
    """Encodings of `texts`, in their order; each chunk holds the numbers of some."""
    import ray
    from ray.exceptions import RayError

    # Ray gives a lost node's chunks to others. It would end a worker with a GPU after every task, and its copy with it.
    task = ray.remote(num_cpus=copies.cpus, num_gpus=copies.gpus, max_calls=0)(encode_chunk)
    waiting = {task.remote(encoder.source, [texts[number] for number in chunk]): chunk for chunk in chunks}
    rows: dict[int, np.ndarray] = {}
    cuts: list[Cut] = []
    with progress_bar(f"Encoding with {encoder.name} on {copies.words}", len(texts), enabled=True) as advance:
        try:
            while waiting:
                done, _ = ray.wait(list(waiting))
                for chunk, (encoded, cut) in zip([waiting.pop(one) for one in done], ray.get(done), strict=True):
                    rows.update(zip(chunk.tolist(), encoded, strict=True))
                    cuts.append(cut)
                    advance(len(chunk))
        except RayError as error:
            for left in waiting:
                ray.cancel(left, force=True)
            raise _failure(encoder, error) from error
    encoder.tell_cut(Cut(sum(cut.texts for cut in cuts), max(cut.tokens or 0 for cut in cuts)), len(texts))
    return np.stack([rows[number] for number in range(len(texts))])


def _failure(encoder: PretrainedEncoder, error: Exception) -> EmbedLLMError:
    """What the encoder itself raised in the worker, without the traceback Ray wraps it in; else what Ray says."""
    cause = getattr(error, "cause", None) or error
    told = cause if isinstance(cause, EmbedLLMError) else error_line(cause)
    return EmbedLLMError(f"the cluster cannot encode with {encoder.name}: {told}")
