"""A member's own random streams: batch order and noise. They depend on its configuration alone, never on companions."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from embedllm.config import FitConfig
from embedllm.training.data import FitData

NOISE_CHUNK = 1 << 18  # floats drawn at once: large enough to amortise the call, 1 MiB per member


class MemberStreams:
    """Initialisation, batches and noise of one member, each from a generator of its own."""

    def __init__(self, config: FitConfig, data: FitData, subset: np.ndarray) -> None:
        """`subset`: rows of `data` the member trains on, int64."""
        init_seed, order_seed, noise_seed = np.random.SeedSequence(config.seed).generate_state(3, np.uint64)
        self.init = torch.Generator().manual_seed(int(init_seed))
        self._order = torch.Generator().manual_seed(int(order_seed))
        self._noise = torch.Generator(device=data.device).manual_seed(int(noise_seed))
        self._subset = torch.from_numpy(subset)
        self._sample = self._subset[torch.randperm(len(subset), generator=torch.Generator().manual_seed(0))]
        self.questions, self.groups = config.batch_shape(data.num_models, len(subset))
        self.blocks = -(-len(subset) // self.questions)

    def sample(self, size: int) -> Tensor:
        """At most `size` of the member's training rows, always the same: what the training-loss curve is taken on."""
        return self._sample[:size]

    def epoch_blocks(self) -> tuple[Tensor, Tensor]:
        """The next epoch's blocks of shuffled questions: rows int64 (blocks, B) and which of them count, float32.

        The last block is filled up with row 0 at weight 0, so that every block has one shape.
        """
        size = self.blocks * self.questions
        short = (0, size - len(self._subset))
        rows = self._subset[torch.randperm(len(self._subset), generator=self._order)]
        mask = torch.ones(len(rows))
        shape = (self.blocks, self.questions)
        return functional.pad(rows, short).view(shape), functional.pad(mask, short).view(shape)

    def fill_noise(self, chunk: Tensor) -> None:
        """Overwrite a contiguous tensor with the next standard normals of this member's stream."""
        chunk.normal_(generator=self._noise)


def noise_chunk_blocks(floats_per_block: int) -> int:
    """Blocks whose noise is drawn together: a function of one member's shapes only, so that streams never shift."""
    return max(1, NOISE_CHUNK // floats_per_block)
