"""`fit_many`: train any list of configurations, fused where they can be; `fit` is the list of one."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedllm.config import FitConfig
from embedllm.errors import ConfigError
from embedllm.model import EmbedLLM
from embedllm.training.data import FitData
from embedllm.training.fused import EpochEnd, FusedRun, Member
from embedllm.training.grouping import fusible_lanes
from embedllm.training.lanes import side_by_side
from embedllm.training.sides import member_sides

if TYPE_CHECKING:
    from embedllm.data import Split


@dataclass(frozen=True)
class FitResult:
    """Outcome of one configuration.

    Args:
        config: the configuration.
        model: the trained model, or None if it failed.
        history: train_log_loss, val_log_loss, val_accuracy -> a value per epoch run, noise-free, at the epoch's end.
            The training loss is taken on as many of the training questions as there are validation questions.
        best_epoch: 1-based epoch whose parameters the model holds.
        epochs_run: epochs trained.
        seconds: share of the fused run's time, as :func:`embedllm.training.fused.clock_of` tells it; half of that where
            two ran side by side.
        stopped: None if all epochs ran, else `patience`, `pruned` or `diverged`.
        failure: why there is no model.
    """

    config: FitConfig
    model: EmbedLLM | None
    history: Mapping[str, Sequence[float]]
    best_epoch: int
    epochs_run: int
    seconds: float
    stopped: str | None = None
    failure: str | None = None


def fit(config: FitConfig, data: FitData) -> FitResult:
    """Train one configuration; see :func:`fit_many`."""
    return fit_many([config], data)[0]


def fit_many(
    configs: Sequence[FitConfig],
    data: FitData,
    *,
    splits: "Sequence[Split] | None" = None,
    on_epoch: EpochEnd | None = None,
) -> list[FitResult]:
    """Train K configurations on one set of encodings, fused into as few programs as their shapes allow.

    A member's result depends on its own configuration only, up to rounding: fusing it with others changes the order of
    floating-point sums, nothing else.

    Args:
        configs: the members; all on the encoder whose encodings `data` holds.
        data: training and validation questions on the device, or a pool of all questions.
        splits: where `data` is a pool, the split of every member: it learns from `train` (a nested random subset of it,
            if `training_questions` says so) and validates on `val`. Members of different splits train fused.
        on_epoch: called after every epoch of every fused group as (epoch, val_log_loss, val_accuracy), float64 arrays
            of shape (K,) with NaN for members not in the group or no longer training; returns the indices of members
            to drop.

    Returns:
        A result per configuration, in order. A diverged member has `failure` set and no model; others are unaffected.

    Raises:
        ConfigError: if `data` is not FitData; if configurations name different encoders, or more training questions
            than there are; if a pool comes without a split per configuration, or splits without a pool.
        DataError: if a split has no labelled training or validation question.
    """
    if not isinstance(data, FitData):  # an AttributeError would tell newcomers nothing
        raise ConfigError(
            f"data must be FitData but is {type(data).__name__}; for a correctness matrix, give "
            "FitData.build(matrix, split, encode_data(matrix, encoder, fit_on=split.train).matrix)"
        )
    encoders = sorted({config.encoder for config in configs})
    if len(encoders) > 1:
        raise ConfigError(f"members of one fit must share a question encoder but have {', '.join(encoders)}")
    sides = member_sides(configs, data, splits)

    def train(group: list[int], report: EpochEnd | None) -> list[Member]:
        return FusedRun([configs[index] for index in group], [sides[index] for index in group], data).train(report)

    results: list[FitResult | None] = [None] * len(configs)
    # Who watches epochs compares means over seeds, which must come together.
    for lanes in fusible_lanes(configs, data, sides, seeds_together=on_epoch is not None):
        if len(lanes) == 1:
            trained = [
                train(group, None if on_epoch is None else _for_group(on_epoch, group, len(configs)))
                for group in lanes[0]
            ]
        else:
            trained = side_by_side(lanes, train)
        for group, members in zip(itertools.chain.from_iterable(lanes), trained, strict=True):
            for index, member in zip(group, members, strict=True):
                results[index] = _result(member, share=1 / len(lanes))
    return [result for result in results if result is not None]


def _for_group(on_epoch: EpochEnd, group: list[int], total: int) -> EpochEnd:
    """Translate a group's member indices to the caller's and back."""
    position = {index: place for place, index in enumerate(group)}

    def report(epoch: int, losses: np.ndarray, accuracies: np.ndarray) -> Iterable[int]:
        wide = [np.full(total, np.nan) for _ in range(2)]
        wide[0][group], wide[1][group] = losses, accuracies
        return [position[index] for index in on_epoch(epoch, wide[0], wide[1]) if index in position]

    return report


def _result(member: Member, share: float) -> FitResult:
    return FitResult(
        config=member.config,
        model=member.model,
        history=member.history,
        best_epoch=member.best_epoch,
        epochs_run=len(member.history["val_log_loss"]),
        seconds=member.seconds * share,
        stopped=member.stopped,
        failure=member.failure,
    )
