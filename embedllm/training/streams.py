"""The random streams of training: batch order and noise. They depend on a member's own configuration alone.

Members with the same seed and training questions have the same stream, whatever they train with: they see the same
batches and the same standard normals, which makes their comparison sharper and lets fused members share the work.
Batches are the same on every device; noise is drawn on the device itself, and a GPU draws other normals than a CPU.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from embedllm.config import FitConfig
from embedllm.training.data import FitData

NOISE_CHUNK = 1 << 15
"""Standard normals drawn at once: enough to amortise the call, few enough for many streams to stay in cache."""

NOISE_TABLE = 1 << 20
"""Standard normals that noise per question is cut from on a CPU, where an epoch needs more: 4 MiB a stream."""


class Stream:
    """Batches and noise of the members of one seed and training subset, each from a generator of its own."""

    def __init__(self, config: FitConfig, data: FitData, subset: np.ndarray) -> None:
        """`subset`: rows of `data` to train on, int64."""
        self._init_seed, order_seed, noise_seed = np.random.SeedSequence(config.seed).generate_state(3, np.uint64)
        self._order = torch.Generator().manual_seed(int(order_seed))
        self._noise = torch.Generator(device=data.device).manual_seed(int(noise_seed))
        self._subset = torch.from_numpy(subset)
        sample = self._subset[torch.randperm(len(subset), generator=torch.Generator().manual_seed(0))]
        self._sample = sample.to(data.device)
        self.questions, self.groups = config.batch_shape(data.num_models, len(subset))
        self.blocks = -(-len(subset) // self.questions)
        block = self.questions * data.width if config.noise_per == "question" else 0
        tabled = data.device.type == "cpu" and block <= NOISE_TABLE // 2 and self.blocks * block > NOISE_TABLE
        self._table = torch.empty(NOISE_TABLE) if tabled else None

    def initialiser(self) -> torch.Generator:
        """A fresh generator of initial parameters: members of one stream start alike, as far as their shapes do."""
        return torch.Generator().manual_seed(int(self._init_seed))

    def sample(self, size: int) -> Tensor:
        """At most `size` of the training rows, on the device, always the same: the training-loss curve is of these."""
        return self._sample[:size]

    def epoch_blocks(self) -> tuple[Tensor, Tensor]:
        """The next epoch's blocks of shuffled questions: rows int64 (blocks, B) and which of them count, float32.

        The last block is filled up with row 0 at weight 0, so that every block has one shape.
        """
        size = self.blocks * self.questions
        short = (0, size - len(self._subset))
        if self._table is not None:
            self._table.normal_(generator=self._noise)
        rows = self._subset[torch.randperm(len(self._subset), generator=self._order)]
        mask = torch.ones(len(rows))
        shape = (self.blocks, self.questions)
        return functional.pad(rows, short).view(shape), functional.pad(mask, short).view(shape)

    def fill_noise(self, chunk: Tensor) -> None:
        """Overwrite a contiguous tensor with the next standard normals.

        Noise per question takes a normal for every number read, which a CPU draws more slowly than it learns from them.
        There it is cut out of a table at a random place, as evolution strategies do (Salimans et al. 2017, arXiv
        1703.03864). The table is drawn anew every epoch.
        """
        if self._table is None:
            chunk.normal_(generator=self._noise)
        else:
            start = torch.randint(NOISE_TABLE - chunk.numel() + 1, (), generator=self._noise)
            chunk.view(-1).copy_(self._table[start : start + chunk.numel()])


def noise_chunk_blocks(floats_per_block: int) -> int:
    """Blocks whose noise is drawn together: a function of its own shapes only, so that streams never shift."""
    return max(1, NOISE_CHUNK // floats_per_block)
