"""`fit_many`: train any list of configurations, fused where they can be; `fit` is the list of one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embedllm.config import FitConfig
from embedllm.data.splits import nested_subset
from embedllm.errors import ConfigError
from embedllm.model import EmbedLLM
from embedllm.training.bilinear import FORMS, step_flops
from embedllm.training.data import FitData
from embedllm.training.fused import EpochEnd, FusedRun, Member

PADDING_COST = 1.5
"""Members are fused while padding to the widest embedding costs the narrowest at most this many times its FLOPs."""


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
        seconds: share of the fused run's wall time.
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


def fit_many(configs: Sequence[FitConfig], data: FitData, *, on_epoch: EpochEnd | None = None) -> list[FitResult]:
    """Train K configurations on one set of encodings, fused into as few programs as their shapes allow.

    A member's result depends on its own configuration only, up to rounding: fusing it with others changes the order of
    floating-point sums, nothing else.

    Args:
        configs: the members; all on the encoder whose encodings `data` holds.
        data: training and validation questions on the device.
        on_epoch: called after every epoch of every fused group as (epoch, val_log_loss, val_accuracy), float64 arrays
            of shape (K,) with NaN for members not in the group or no longer training; returns the indices of members
            to drop.

    Returns:
        A result per configuration, in order. A diverged member has `failure` set and no model; others are unaffected.

    Raises:
        ConfigError: if configurations name different encoders, or more training questions than there are.
    """
    encoders = sorted({config.encoder for config in configs})
    if len(encoders) > 1:
        raise ConfigError(f"members of one fit must share a question encoder but have {', '.join(encoders)}")
    results: list[FitResult | None] = [None] * len(configs)
    for group in fusible_groups(configs, data):
        subsets = [_training_rows(configs[index], data) for index in group]
        run = FusedRun([configs[index] for index in group], subsets, data)
        report = None if on_epoch is None else _for_group(on_epoch, group, len(configs))
        for index, member in zip(group, run.train(report), strict=True):
            results[index] = _result(member)
    return [result for result in results if result is not None]


def fusible_groups(configs: Sequence[FitConfig], data: FitData) -> list[list[int]]:
    """Indices of the configurations that train fused: equal batch shape, epochs and noise kind, similar dimension."""
    groups: list[list[int]] = []
    previous: tuple[object, ...] | None = None
    cheapest = 0
    by_shape = sorted(range(len(configs)), key=lambda i: (*_shape_key(configs[i], data), configs[i].embedding_dim))
    for index in by_shape:
        key, flops = _shape_key(configs[index], data), _flops(configs[index], data)
        if key != previous or flops > PADDING_COST * cheapest:
            groups.append([])
            previous, cheapest = key, flops
        groups[-1].append(index)
    return groups


def _shape_key(config: FitConfig, data: FitData) -> tuple[int, int, int, str]:
    shape = config.batch_shape(data.num_models, config.training_questions or data.num_train)
    return (*shape, config.epochs, config.noise_per)


def _flops(config: FitConfig, data: FitData) -> int:
    """Arithmetic of one training step."""
    questions, groups = config.batch_shape(data.num_models, config.training_questions or data.num_train)
    shape = (-(-data.num_models // groups), data.width, config.embedding_dim, questions)
    pair_noise = config.noise_per == "pair"
    return min(step_flops(form, *shape, pair_noise=pair_noise) for form in FORMS)


def _training_rows(config: FitConfig, data: FitData) -> np.ndarray:
    """Rows the member trains on: a nested random subset of the training side, or all of it."""
    rows = np.arange(data.num_train)
    if config.training_questions is None:
        return rows
    if config.training_questions > data.num_train:
        raise ConfigError(
            f"training_questions is {config.training_questions} but there are {data.num_train} training questions; "
            "use at most that many, or null for all"
        )
    return nested_subset(rows, config.training_questions, seed=config.seed)


def _for_group(on_epoch: EpochEnd, group: list[int], total: int) -> EpochEnd:
    """Translate a group's member indices to the caller's and back."""
    position = {index: place for place, index in enumerate(group)}

    def report(epoch: int, losses: np.ndarray, accuracies: np.ndarray) -> Iterable[int]:
        wide = [np.full(total, np.nan) for _ in range(2)]
        wide[0][group], wide[1][group] = losses, accuracies
        return [position[index] for index in on_epoch(epoch, wide[0], wide[1]) if index in position]

    return report


def _result(member: Member) -> FitResult:
    return FitResult(
        config=member.config,
        model=member.model,
        history=member.history,
        best_epoch=member.best_epoch,
        epochs_run=len(member.history["val_log_loss"]),
        seconds=member.seconds,
        stopped=member.stopped,
        failure=member.failure,
    )
