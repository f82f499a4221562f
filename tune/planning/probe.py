"""How fast packs of several sizes train here: a few real training steps on a worker, before a plan is made."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any, NamedTuple

import numpy as np

from embedllm.config import EPOCH_BATCHES, FitConfig
from embedllm.data.splits import Split
from tune.config import Range, SweepConfig
from tune.data import SweepData
from tune.engine.cluster import hide_other_gpus
from tune.engine.packing import Pack
from tune.engine.slots import Slots
from tune.search.space import INTEGER_AXES, baseline_config, fit_config

SIZES = (1, 2, 4, 8, 16)
"""Trials of the packs that are timed."""

PASSES = 2
"""How often each is timed, where time allows; the faster one counts: what else a machine does only slows it."""

QUANTILES = 4
"""Packs of every size are timed over at least so many embedding dimensions, so that sizes can be compared."""

SECONDS = 2.0
"""Time for all packs together; sizes for which it does not suffice are left out."""

TIMEOUT = 120.0
"""Seconds until a worker that does not answer is given up; its start and its imports are among them."""


@dataclass(frozen=True)
class ProbeTask:
    """What a worker is sent.

    Args:
        config: the sweep's configuration.
        source: the data; encodings of the space's encoders, real ones or random ones of the same width.
        seconds: time for all packs together.
    """

    config: SweepConfig
    source: SweepData
    seconds: float = SECONDS


@dataclass(frozen=True)
class Throughput:
    """What a probe measured on one worker.

    Args:
        epoch_seconds: trials in a pack -> seconds per member and epoch, over all training questions.
        trial_seconds: seconds per trial besides its epochs: set-up, and judging it on the validation questions.
        baseline_seconds: seconds per member and epoch of the baseline.
        relative: encoder -> time of an epoch relative to the encoder that was probed.
        gpu_bytes: memory of the worker's GPU, all and free; None on a CPU.
    """

    epoch_seconds: Mapping[int, float]
    trial_seconds: float
    baseline_seconds: float
    relative: Mapping[str, float]
    gpu_bytes: tuple[int, int] | None = None

    def member_epoch(self, trials: int) -> float:
        """Seconds per member and epoch in a pack of `trials`, interpolated over the logarithm of the measured sizes."""
        sizes = sorted(self.epoch_seconds)
        return float(np.interp(np.log(trials), np.log(sizes), [self.epoch_seconds[size] for size in sizes]))


def probe(task: ProbeTask, slots: Slots) -> Throughput:
    """Measure on a worker of the cluster that has the resources of a pack. Ray must be running.

    Raises:
        ray.exceptions.RayError: if the worker fails or does not answer in time.
    """
    import ray

    resources: dict[str, Any] = {"num_cpus": slots.cpus, "num_gpus": slots.gpus, "max_retries": 0}
    answer = ray.remote(**resources)(measure).remote(task, slots.cpus)
    try:
        return ray.get(answer, timeout=TIMEOUT)
    except ray.exceptions.GetTimeoutError:
        ray.cancel(answer, force=True)  # it would go on holding the resources of a pack
        raise


def measure(task: ProbeTask, threads: int) -> Throughput:
    """Time packs of growing size, the baseline and the other encoders, in this process.

    Few questions are trained on, at the sweep's batch size; seconds are scaled to all of them. Packs of every size
    cover the same spread of embedding dimensions; what else the space holds is taken from its middle.
    """
    hide_other_gpus()
    config, num_train = task.config, len(task.source.split.train)
    encoders = sorted(config.space.encoder, key=lambda name: -task.source.encodings[name].shape[1])
    deadline = time.perf_counter() + task.seconds

    def spread(encoder: str, trials: int) -> list[FitConfig]:
        return [middle_config(config, encoder, (place + 0.5) / trials, num_train) for place in range(trials)]

    _train(task, spread(encoders[0], 1), threads)  # first calls pay for libraries
    epoch_seconds: dict[int, float] = {}
    other_seconds: list[float] = []
    took: dict[int, float] = {}
    for size in SIZES * PASSES:
        started = time.perf_counter()
        if took and started + took.get(size, 2 * max(took.values())) > deadline:
            break
        rounds = max(1, QUANTILES // size)
        configs = spread(encoders[0], rounds * size)
        timings = [_train(task, configs[first::rounds], threads) for first in range(rounds)]
        epoch_seconds[size] = min(fmean(timing.epoch for timing in timings), epoch_seconds.get(size, math.inf))
        other_seconds += [timing.other for timing in timings]
        took[size] = time.perf_counter() - started
    relative = {encoders[0]: 1.0}
    size = min(QUANTILES, max(epoch_seconds))
    for name in encoders[1:]:
        timing = _train(task, spread(name, size), threads) if time.perf_counter() < deadline else None
        relative[name] = 1.0 if timing is None else timing.epoch / epoch_seconds[size]
    baseline = _train(task, [baseline_config(config).replace(epochs=1)], threads)
    return Throughput(epoch_seconds, median(other_seconds), baseline.epoch, relative, _gpu_bytes())


def _gpu_bytes() -> tuple[int, int] | None:
    """Memory of this process's GPU, all and free; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    torch.cuda.empty_cache()  # what the probe's own packs took there is free for those of the sweep
    free, total = torch.cuda.mem_get_info()
    return total, free


class _Timing(NamedTuple):
    """Seconds per member and epoch over all training questions, and per trial besides."""

    epoch: float
    other: float


def _train(task: ProbeTask, configs: Sequence[FitConfig], threads: int) -> _Timing:
    """Train a pack for one epoch on a few questions: as many as make an epoch of about `EPOCH_BATCHES` batches."""
    from embedllm.training.fused import clock_of
    from tune.engine.fitting import PackFitter

    data, split = task.source.data, task.source.split
    questions = min(len(split.train), EPOCH_BATCHES * configs[0].batch_for(data.num_models))
    share = questions / len(split.train)
    few = Split(
        "probe", _some(split.train, questions), _some(split.val, max(1, round(len(split.val) * share))), split.test
    )
    fitter = PackFitter(
        replace(task.source, split=few), seeds=task.config.seeds, objective=task.config.objective, threads=threads
    )
    clock = clock_of(fitter.fit_data(configs[0].encoder).device)  # as training is timed, to be taken from it
    started = clock()
    records = fitter.fit(Pack(tuple(enumerate(configs))))
    elapsed = clock() - started
    training = sum(record.seconds for record in records)
    members = len(configs) * task.config.seeds
    return _Timing(training / members / share, max(0.0, elapsed - training) / len(configs))


def _some(questions: np.ndarray, wanted: int) -> np.ndarray:
    """`wanted` of the questions, evenly spaced."""
    return questions[np.linspace(0, len(questions) - 1, wanted).astype(np.int64)]


def middle_config(config: SweepConfig, encoder: str, quantile: float, num_train: int) -> FitConfig:
    """One epoch on all training questions, at a quantile of the embedding dimension and the middle of every other axis.

    Args:
        config: holds the space.
        encoder: the question encoder.
        quantile: of the axis of embedding dimensions, 0 to 1.
        num_train: training questions there are.
    """
    values = {
        name: _at(axis, quantile if name == "embedding_dim" else 0.5) for name, axis in config.space.axes().items()
    }
    values |= {"encoder": encoder, "training_questions": 1.0, "epochs": 1}
    for name in set(values) & set(INTEGER_AXES):
        values[name] = max(1, round(values[name]))
    return fit_config(values, config, num_train).replace(training_questions=None)


def _at(axis: Range | list[Any], quantile: float) -> Any:
    """The value at a quantile of an axis."""
    if isinstance(axis, Range):
        if axis.log:
            return axis.low * (axis.high / axis.low) ** quantile
        return axis.low + (axis.high - axis.low) * quantile
    return sorted(axis)[min(int(quantile * len(axis)), len(axis) - 1)]
