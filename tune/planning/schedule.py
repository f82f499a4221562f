"""How large packs should be, and how long a sweep will take: a rehearsal of its schedule on measured speeds."""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embedllm.config import FitConfig
from embedllm.flops import epoch_flops
from tune.config import Range, SweepConfig
from tune.engine.dispatch import GENERATION
from tune.engine.packing import MAX_PACK, ROUNDS, choose_pack_size, fusion_kinds, make_packs
from tune.engine.slots import Slots
from tune.planning.memory import DataShape, PackMemory, pack_memory, show_bytes
from tune.planning.probe import Throughput
from tune.search.space import INTEGER_AXES, baseline_config, fit_config, suggest

CANDIDATES = (1, 2, 3, 4, 6, 8, 12, 16)

PACK_SECONDS = 0.03
"""What a pack costs besides training: its way through Ray Tune, the study and MLflow."""

REHEARSED = 512
"""Trials rehearsed at most; longer sweeps are in proportion."""

AS_GOOD = 1.05
"""Of sizes whose time is within this factor of the best, the smallest is taken: the sampler hears of results sooner."""


MEMORY_SHARE = 0.8
"""Share of the available memory a pack may be estimated to need: estimates are right to about a fifth."""

CPU_FLOPS, GPU_FLOPS = 10e9, 2e11
"""Speed per thread and per GPU assumed where nothing was measured: small products reach no more."""

WORTH_PROBING = 60.0
"""Seconds a sweep must be thought to take for a probe, itself seconds, to be worth it."""


@dataclass(frozen=True)
class PackPlan:
    """The packs of a sweep.

    Args:
        size: most trials of a pack.
        reason: why, for the user.
        memory: of the largest pack the space allows.
        available: bytes each pack may take; None where unknown.
        seconds: wall time of all packs, the baseline's included; None where nothing was measured.
        baseline_seconds: of that, the baseline's pack; None where nothing was measured.
    """

    size: int
    reason: str
    memory: PackMemory
    available: int | None
    seconds: float | None = None
    baseline_seconds: float | None = None

    @property
    def problem(self) -> str | None:
        """Why it would fail, if it is likely to."""
        if self.available is None or self.memory.total <= self.available:
            return None
        return (
            f"a pack of {self.size} needs about {show_bytes(self.memory.total)}, "
            f"but {show_bytes(self.available)} are available to each pack"
        )


def plan_packs(
    config: SweepConfig, shape: DataShape, slots: Slots, available: int | None, throughput: Throughput | None
) -> PackPlan:
    """Choose the pack size, if it is not given, and estimate what the packs take.

    Args:
        config: the sweep.
        shape: its data.
        slots: how the cluster is divided.
        available: bytes each pack may take, on its device; None = unknown.
        throughput: what a probe measured, or None.
    """
    gpu = throughput is not None and throughput.gpu_bytes is not None
    room = largest_that_fits(config, shape, available, gpu=gpu)
    # Packs in a row that leave a learning sampler results to learn from; others only have to fill the slots evenly.
    most = max(1, min(room, config.trials // (slots.count * (ROUNDS if config.learns else 2))))
    if config.pack is not None:
        size, reason = config.pack, "as given"
    elif throughput is None:
        size = min(
            room, choose_pack_size(config.trials, slots.count, config.seeds, learns=config.learns, gpu=bool(slots.gpus))
        )
        rule = (
            f"at least {ROUNDS} packs in a row per slot, so that the sampler can learn"
            if config.learns
            else "several per slot"
        )
        reason = f"rule of thumb: {rule}"
    else:
        times = {
            candidate: rehearse(config, shape, slots, candidate, throughput)
            for candidate in CANDIDATES
            if candidate <= most
        }
        best = min(times.values())
        size = next(candidate for candidate in times if times[candidate] <= AS_GOOD * best)
        reason = "measured: " + ", ".join(f"{show_seconds(times[n])} in packs of {n}" for n in _shown(times, size))
    if config.pack is None and room < MAX_PACK and size == room:
        reason = f"more do not fit into the {show_bytes(available or 0)} available to each pack"
    seconds = baseline = None
    if throughput is not None:
        seconds = rehearse(config, shape, slots, size, throughput)
        baseline = _baseline_seconds(config, throughput)
    return PackPlan(size, reason, largest_pack(config, shape, size, gpu=gpu), available, seconds, baseline)


def largest_pack(config: SweepConfig, shape: DataShape, size: int, *, gpu: bool) -> PackMemory:
    """Memory of the largest pack of `size` trials, or of the baseline's where that is larger: nothing needs more."""
    packs = []
    for encoder in config.space.encoder:
        widest = _config_of(config, encoder, _largest, shape)
        packs.append(pack_memory([widest] * size, config.seeds, shape, gpu=gpu))
    packs.append(pack_memory([baseline_config(config)], config.seeds, shape, gpu=gpu))
    return max(packs, key=lambda memory: memory.total)


def rehearse(config: SweepConfig, shape: DataShape, slots: Slots, size: int, throughput: Throughput) -> float:
    """Wall seconds of the packs of a sweep of random trials, scheduled as the dispatcher does, baseline first.

    Pruning is not foreseen: every trial runs all its epochs.
    """
    trials = min(config.trials, REHEARSED)
    random = np.random.default_rng(config.seed)
    free = [0.0] * slots.count
    heapq.heapreplace(free, _baseline_seconds(config, throughput) + PACK_SECONDS)
    asked, generation = 0, 0.0  # the next generation waits for the trials of this one, not for the baseline
    while asked < trials:
        if config.deterministic:
            count = min(GENERATION, trials - asked)
            free = [max(moment, generation) for moment in free]
        else:
            idle = sum(moment <= free[0] for moment in free)
            count = min(size * max(idle, fusion_kinds(config.space)), trials - asked)
        drawn = [(asked + n, suggest(_Draw(random), config, shape.train)) for n in range(count)]
        for pack in make_packs(drawn, size, shape.models, shape.train):
            configs = [trial for _, trial in pack.trials]
            end = free[0] + _pack_seconds(configs, config, shape, throughput)
            heapq.heapreplace(free, end)
            generation = max(generation, end)
        asked += count
    return max(free) * config.trials / trials


def rough_seconds(config: SweepConfig, shape: DataShape, slots: Slots) -> float:
    """Wall seconds of a sweep as its arithmetic alone suggests: right to a factor of a few, and free."""
    flops = 0
    for encoder in config.space.encoder:
        trial = _config_of(config, encoder, _middle, shape)
        width = shape.widths[encoder]
        flops += trial.epochs * epoch_flops(trial, shape.models, width, shape.train) // len(config.space.encoder)
    speed = GPU_FLOPS * slots.gpus if slots.gpus else CPU_FLOPS * slots.cpus
    return config.trials * config.seeds * flops / speed / slots.count


def show_seconds(seconds: float) -> str:
    """`0.4 s`, `40 s`, `3.5 min`, `2.1 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1g} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Draw:
    """Draws each axis uniformly: stands for whatever the sampler will propose."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return choices[int(self._random.integers(len(choices)))]

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        return round(self.suggest_float(name, low, high, log=log))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        if log:
            return float(np.exp(self._random.uniform(np.log(low), np.log(high))))
        return float(self._random.uniform(low, high))


def _pack_seconds(configs: Sequence[FitConfig], config: SweepConfig, shape: DataShape, throughput: Throughput) -> float:
    seconds = PACK_SECONDS + len(configs) * throughput.trial_seconds
    epoch = throughput.member_epoch(len(configs)) * throughput.relative[configs[0].encoder]
    for trial in configs:
        share = (trial.training_questions or shape.train) / shape.train
        seconds += config.seeds * trial.epochs * share * epoch
    return seconds


def _baseline_seconds(config: SweepConfig, throughput: Throughput) -> float:
    return config.seeds * baseline_config(config).epochs * throughput.baseline_seconds


def largest_that_fits(config: SweepConfig, shape: DataShape, available: int | None, *, gpu: bool) -> int:
    """The largest candidate whose largest pack fits; 1 where not even that does."""
    if available is None:
        return MAX_PACK
    limit = available * MEMORY_SHARE
    return max((n for n in CANDIDATES if largest_pack(config, shape, n, gpu=gpu).total <= limit), default=1)


def _shown(times: Mapping[int, float], size: int) -> list[int]:
    """Pack sizes worth telling of: the one chosen, and the smallest and the largest."""
    return list(dict.fromkeys([size, min(times), max(times)]))


def _config_of(
    config: SweepConfig, encoder: str, choose: Callable[[Range | list[Any]], Any], shape: DataShape
) -> FitConfig:
    """The configuration with a value of every axis."""
    values = {name: choose(axis) for name, axis in config.space.axes().items()} | {"encoder": encoder}
    whole = {name: int(value) for name, value in values.items() if name in INTEGER_AXES}
    return fit_config(values | whole, config, shape.train)


def _largest(axis: Range | list[Any]) -> Any:
    return axis.high if isinstance(axis, Range) else max(axis)


def _middle(axis: Range | list[Any]) -> Any:
    if isinstance(axis, Range):
        return (axis.low * axis.high) ** 0.5 if axis.log else (axis.low + axis.high) / 2
    return sorted(axis)[len(axis) // 2]
