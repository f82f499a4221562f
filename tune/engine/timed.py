"""Training whose time is its own: neither the worker's first steps nor waiting for a busy processor count.

What a trial costs can be an objective, and equal trials must cost the same whichever worker trains them, and when. By
the clock on the wall they do not: on the machine of a sweep the driver, other packs and other programs take turns.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean

import numpy as np
import torch

from embedllm.config import FitConfig
from embedllm.training import FitData, FitResult, fit_many, fusible_groups
from embedllm.training.fused import EpochEnd


def clock_of(device: torch.device) -> Callable[[], float]:
    """What training on a device is timed with: on a CPU the calling thread's time on it, else the time that passes.

    The calling thread does its share of every step, so that with several threads, too, its time is that of the steps. A
    GPU works while the thread waits.
    """
    return time.thread_time if device.type == "cpu" else time.perf_counter


def timed_fits(members: Sequence[FitConfig], data: FitData, on_epoch: EpochEnd | None = None) -> list[FitResult]:
    """As `fit_many`, where `seconds` is a member's share of the time that :func:`clock_of` tells of its fused program.

    Args:
        members: the configurations.
        data: what they train on.
        on_epoch: as of `fit_many`.
    """
    clock = clock_of(data.device)
    found: dict[int, FitResult] = {}
    for group in fusible_groups(members, data, seeds_together=on_epoch is not None):
        told = None if on_epoch is None else partial(_of_all, on_epoch, group, len(members))
        started = clock()
        results = fit_many([members[index] for index in group], data, on_epoch=told)
        taken = clock() - started
        passed = sum(result.seconds for result in results)
        for index, result in zip(group, results, strict=True):
            # The same for all that left together: no trial is to beat another by the order in which they were noted.
            alike = fmean(other.seconds for other in results if other.epochs_run == result.epochs_run)
            found[index] = replace(result, seconds=taken * alike / passed if passed else 0.0)
    return [found[index] for index in range(len(members))]


def _of_all(
    on_epoch: EpochEnd, group: list[int], total: int, epoch: int, losses: np.ndarray, accuracies: np.ndarray
) -> Iterable[int]:
    """Tell of one program's members by their places among all, NaN for the others; returns those to drop."""
    wide = np.full((2, total), np.nan)
    wide[:, group] = losses, accuracies
    dropped = set(on_epoch(epoch, *wide))
    return [place for place, index in enumerate(group) if index in dropped]


def warm_up(members: Sequence[FitConfig], data: FitData) -> None:
    """Train the members on a few questions, in vain: libraries load at the first step of a kind, memory is touched."""
    fit_many(
        [
            config.replace(
                epochs=1,
                training_questions=min(
                    config.batch_for(data.num_models), config.training_questions or data.num_train, data.num_train
                ),
            )
            for config in members
        ],
        data,
    )
