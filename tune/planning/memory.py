"""What a pack needs in memory, computed from shapes alone: no PyTorch, no data.

The sum follows the tensors that `embedllm.training` allocates; a test holds it against what real packs take.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedllm.config import FitConfig
from embedllm.flops import cheaper_form, padded_dim

if TYPE_CHECKING:
    from embedllm.data.matrix import CorrectnessMatrix
    from embedllm.data.splits import Split

MIB = 1 << 20
GIB = 1 << 30

HOST_PROCESS = 360 * MIB
"""A worker with PyTorch, before it has done anything, on the CPU."""

CUDA_CONTEXT = 600 * MIB
"""What CUDA and its libraries take of a GPU for every process."""

STATE_VECTORS = 5
"""Vectors of all parameters while a member trains: values, gradient, best so far, and Adam's two moments."""

SCRATCH_VECTORS = 1
"""The same in a step of the optimizer on a GPU, which takes all members at once: Adam's denominators."""

NOISE_CHUNK, NOISE_TABLE = 1 << 15, 1 << 20
"""Standard normals drawn at once for a stream of batches, and of the table that noise per question is cut from on a
CPU, as in `embedllm.training.streams`."""

GATHERED = 1 << 18
"""Floats of encodings gathered at once for all streams, as in `embedllm.training.batches`."""

SCORED_AT_ONCE, SCORED_AT_ONCE_ON_GPU = 1 << 19, 1 << 25
"""Forecasts made at once when members are scored, as in `embedllm.training.scoring`."""

EVALUATION_CELLS = 10
"""Float64 vectors of all validation cells alive at once while a trained member is judged."""


@dataclass(frozen=True)
class DataShape:
    """The sizes of a sweep's data.

    Args:
        models: LLMs in the pool.
        train: training questions.
        val: validation questions.
        widths: encoder name -> width of its encodings.
        weighted: whether some cell has not exactly one attempt, so that training needs weights.
    """

    models: int
    train: int
    val: int
    widths: Mapping[str, int]
    weighted: bool

    @classmethod
    def of(cls, data: "CorrectnessMatrix", split: "Split", widths: Mapping[str, int]) -> "DataShape":
        """The sizes of `data` as `split` divides it."""
        weighted = bool((data.attempts != 1).any())
        return cls(data.num_models, len(split.train), len(split.val), dict(widths), weighted)


@dataclass(frozen=True)
class PackMemory:
    """Bytes a pack takes at its peak.

    Args:
        process: of the worker itself: PyTorch on the host, or CUDA's context on a GPU.
        data: encodings and labels, of every encoder that the worker may meet.
        members: parameters, gradients, best copies, Adam's moments.
        models: the trained models, on the host, until the pack is judged.
        batch: gathered batches and what the gradient of one needs.
        noise: standard normals drawn ahead, and the order of an epoch's questions.
        scoring: validation of the members scored at once, or of one that is judged.
    """

    process: int
    data: int
    members: int
    models: int
    batch: int
    noise: int
    scoring: int

    @property
    def total(self) -> int:
        """At the worse of two moments: in a training step, or while the trained models are judged."""
        return self.process + self.data + self.members + max(self.batch + self.noise, self.scoring) + self.models


def pack_memory(configs: Sequence[FitConfig], seeds: int, shape: DataShape, *, gpu: bool = False) -> PackMemory:
    """Memory of a pack of trials, each trained with `seeds` seeds, where all are fused into one program.

    Args:
        configs: a configuration per trial, of one encoder and one shape of batch; at least one.
        seeds: members per trial.
        shape: the data.
        gpu: of the GPU the pack trains on, instead of the host.
    """
    first = configs[0]
    models, width = shape.models, shape.widths[first.encoder]
    members = len(configs) * seeds
    dim = padded_dim(max(config.embedding_dim for config in configs))
    subsets = [config.training_questions or shape.train for config in configs]
    questions, groups = first.batch_shape(models, max(subsets))
    streams = len(set(subsets)) * seeds
    noisy = any(config.noise > 0 for config in configs)
    pair_noise = noisy and first.noise_per == "pair"
    group = -(-models // groups)

    parameters = parameter_floats(models, width, dim)
    form = cheaper_form(group, width, dim, questions, pair_noise=pair_noise)
    of_stream = Counter(subsets).values()
    shared = len(set(of_stream)) == 1 and (max(of_stream) == 1 or pair_noise or not noisy)
    per_block = groups * questions * group if pair_noise else questions * width
    noise = streams * max(NOISE_CHUNK, per_block) if noisy else 0
    if noisy and not pair_noise and not gpu:
        noise += streams * NOISE_TABLE
    labels = 2 if shape.weighted else 1
    blocks = -(-max(subsets) // questions)
    chunk = max(1, GATHERED // ((streams if shared else members) * questions * width))
    chunk = min(chunk, blocks, max(1, NOISE_CHUNK // per_block) if noisy else blocks)
    # What the steps of a chunk of blocks read: encodings and labels, and with attempts every cell's weight.
    block = questions * (width + models * labels)
    if shared:
        held = streams * chunk * block
        gathered = held + streams * chunk * questions * models * (labels - 1)  # weights before they are normalised
    else:
        held = members * chunk * (block + per_block * pair_noise)
        gathered = (streams + members) * chunk * block + members * chunk * questions * models * (labels - 1)
        gathered += members * chunk * per_block * noisy
    outputs = 3 * questions * group
    if form == "collapsed":
        step = members * (2 * group * width + 3 * group * dim + outputs)
    else:
        noise_terms = 2 * dim * dim + 2 * width * dim if pair_noise else 0
        step = members * (2 * questions * dim + 4 * group * dim + outputs + noise_terms)
    # A chunk is gathered while the last step's views still hold the one before; the second may be a shorter one.
    second = gathered * min(chunk, blocks - chunk) // chunk
    batch = max(held + step, gathered, held + second if second else 0)

    order = 3 * streams * max(subsets)  # int64 rows and a float32 mask

    at_once = SCORED_AT_ONCE_ON_GPU if gpu else SCORED_AT_ONCE
    together = min(members, max(1, at_once // max(1, shape.val * models)))
    scored = shape.val * (width + models * (1 + 6 * together)) + together * models * width
    judged = 2 * EVALUATION_CELLS * models * shape.val + shape.val * width
    tables = [(shape.train + shape.val) * (encoding + models * labels) for encoding in shape.widths.values()]
    return PackMemory(
        process=CUDA_CONTEXT if gpu else HOST_PROCESS,
        data=4 * sum(tables),
        members=4 * (STATE_VECTORS + SCRATCH_VECTORS * gpu) * members * parameters,
        models=0 if gpu else 4 * members * parameters,
        batch=4 * batch,
        noise=4 * (noise + order),
        scoring=4 * (scored if gpu else max(scored, judged)),
    )


def parameter_floats(models: int, width: int, dim: int) -> int:
    """Parameters of one member: embeddings (M, d), projection (D, d) and its bias, the two-class head."""
    return (models + width + 3) * dim + 2


def show_bytes(count: float) -> str:
    """`312 MiB`, `4.2 GiB`."""
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / MIB:.0f} MiB"
