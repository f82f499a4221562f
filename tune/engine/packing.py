"""Packs: groups of trials trained fused."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from embedllm.config import FitConfig
from tune.config import SearchSpace

MAX_PACK = 16
"""Largest pack chosen by itself: fusing more members gains little and feeds the sampler less often."""

CPU_MEMBERS = 12
"""Members (trials x seeds) that fuse well on a CPU; more gain nothing there and keep the sampler waiting."""

ROUNDS = 6
"""Packs a slot should get one after the other, where there are trials enough, so that the sampler can learn."""


@dataclass(frozen=True)
class Pack:
    """Trials that one worker trains together.

    Args:
        trials: (trial number, configuration) pairs; all on one question encoder.
        role: `trial`, or `baseline` for the baseline's own pack.
        attempt: how often a worker has died on these trials.
    """

    trials: tuple[tuple[int, FitConfig], ...]
    role: Literal["trial", "baseline"] = "trial"
    attempt: int = 0

    @property
    def encoder(self) -> str:
        return self.trials[0][1].encoder

    def split(self) -> list["Pack"]:
        """The pack for another attempt: in halves where it can be, for it may have run out of memory."""
        return [replace(part, attempt=self.attempt + 1) for part in self.shared(2)]

    def shared(self, count: int) -> list["Pack"]:
        """The pack in at most `count` parts of even size, the larger ones first."""
        count = min(count, len(self.trials))
        ends = [-(-len(self.trials) * part // count) for part in range(count + 1)]
        return [replace(self, trials=self.trials[start:end]) for start, end in pairwise(ends)]


FusionKey = tuple[str, tuple[int, int], int, str]


def fusion_key(config: FitConfig, num_models: int, num_train: int) -> FusionKey:
    """What trials of one pack share. The rest (rates, noise level, training size, seed, dimension) is per member."""
    shape = config.batch_shape(num_models, config.training_questions or num_train)
    return config.encoder, shape, config.epochs, config.noise_per


def make_packs(trials: Sequence[tuple[int, FitConfig]], size: int, num_models: int, num_train: int) -> list[Pack]:
    """Group trials into packs of at most `size`, as few as possible, the most work first.

    Inside a group trials are ordered by embedding dimension: members are padded to the widest of their fused group.

    Args:
        trials: (trial number, configuration) pairs.
        size: most trials of a pack.
        num_models: LLMs in the pool.
        num_train: training questions there are; both set the shape of a batch.
    """
    groups: dict[FusionKey, list[tuple[int, FitConfig]]] = defaultdict(list)
    for number, config in trials:
        groups[fusion_key(config, num_models, num_train)].append((number, config))
    packs = []
    for members in groups.values():
        members.sort(key=lambda member: (member[1].embedding_dim, member[0]))
        count = -(-len(members) // size)
        # Even sizes: 9 trials in packs of 8 are 5 and 4, not 8 and a straggler.
        ends = [len(members) * part // count for part in range(count + 1)]
        packs += [Pack(tuple(members[start:end])) for start, end in pairwise(ends)]
    return sorted(packs, key=lambda pack: -_work(pack, num_train))


def fusion_kinds(space: SearchSpace) -> int:
    """Kinds of trials that cannot share a pack; asking for a pack's worth of each keeps packs full."""
    return len(space.encoder) * len(space.batch_questions or [0]) * len(space.epochs or [0])


def choose_pack_size(trials: int, slots: int, seeds: int, *, learns: bool = True, gpu: bool = False) -> int:
    """Trials per pack where nothing was measured: enough to fuse well, few enough that a sampler that learns can."""
    enough = -(-CPU_MEMBERS // seeds) if learns and not gpu else MAX_PACK
    return max(1, min(enough, trials // ((ROUNDS if learns else ROUNDS // 2) * slots)))


def _work(pack: Pack, num_train: int) -> float:
    """Rough size of a pack's training, to start the longest first."""
    return float(
        sum(
            config.epochs * (config.training_questions or num_train) * config.embedding_dim for _, config in pack.trials
        )
    )
