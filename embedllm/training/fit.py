"""`fit_many`: train any list of configurations, fused where they can be; `fit` is the list of one."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from embedllm.config import FitConfig
from embedllm.data.splits import nested_subset
from embedllm.errors import ConfigError, DataError
from embedllm.flops import FORMS, padded_dim, step_flops
from embedllm.model import EmbedLLM
from embedllm.training.data import FitData, Sides
from embedllm.training.fused import EpochEnd, FusedRun, Member
from embedllm.training.layout import Layout

if TYPE_CHECKING:
    from embedllm.data import Split

PADDING_COST = 1.5
"""Members are fused while padding to the widest embedding costs the narrowest at most this many times its FLOPs."""

CACHED = 14 << 20
"""Bytes that members fused on a CPU may touch in a step, for each of at most two threads: four of the paper's recipe.
Beyond the cache they wait for memory, and how much that costs depends on the machine (`benchmarks.shapes`)."""


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
        seconds: share of the fused run's time, as :func:`embedllm.training.fused.clock_of` tells it.
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
    sides = _member_sides(configs, data, splits)
    results: list[FitResult | None] = [None] * len(configs)
    # Who watches epochs compares means over seeds, which must come together.
    for group in fusible_groups(configs, data, sides, seeds_together=on_epoch is not None):
        run = FusedRun([configs[index] for index in group], [sides[index] for index in group], data)
        report = None if on_epoch is None else _for_group(on_epoch, group, len(configs))
        for index, member in zip(group, run.train(report), strict=True):
            results[index] = _result(member)
    return [result for result in results if result is not None]


def fusible_groups(
    configs: Sequence[FitConfig],
    data: FitData,
    sides: Sequence[Sides] | None = None,
    *,
    seeds_together: bool = False,
) -> list[list[int]]:
    """Indices of the configurations that train fused: equal batch shape, epochs and noise kind, similar dimension.

    On a CPU, groups are cut to what fits in its cache.

    Args:
        configs: the members.
        data: what they train on.
        sides: their rows; None = the split `data` was built of.
        seeds_together: never part configurations that differ in nothing but their seed.
    """
    rows = sides or _member_sides(configs, data, None)
    shapes = [config.batch_shape(data.num_models, len(side.train)) for config, side in zip(configs, rows, strict=True)]
    keys = [(*shape, config.epochs, config.noise_per) for shape, config in zip(shapes, configs, strict=True)]
    groups: list[list[int]] = []
    previous: tuple[object, ...] | None = None
    cheapest = 0
    for index in sorted(range(len(configs)), key=lambda i: (*keys[i], configs[i].embedding_dim)):
        flops = _flops(configs[index], data, shapes[index])
        if keys[index] != previous or flops > PADDING_COST * cheapest:
            groups.append([])
            previous, cheapest = keys[index], flops
        groups[-1].append(index)
    if data.device.type != "cpu":
        return groups
    streams = [(config.seed, id(side.train)) for config, side in zip(configs, rows, strict=True)]
    return [
        part
        for group in groups
        for part in _cached_parts(group, configs, streams, data, shapes[group[0]][0], seeds_together)
    ]


def _cached_parts(
    group: list[int],
    configs: Sequence[FitConfig],
    streams: Sequence[Hashable],
    data: FitData,
    questions: int,
    seeds_together: bool,
) -> list[list[int]]:
    """A group in parts of about equal size whose parameters, moments and batches of `questions` fit in the cache.

    Members of one stream read the same questions and noise: they stay in one part as far as they fit, or, where the
    seeds of a configuration must not be parted, those do. Streams share their batches only in a part where each has
    equally many members.
    """
    cache = CACHED * min(torch.get_num_threads(), 2)
    dim = padded_dim(configs[group[-1]].embedding_dim)
    state = 4 * Layout(data.num_models, data.width, dim).size
    bundles: dict[Hashable, list[int]] = {}
    for index in group:
        kept = configs[index].replace(seed=0) if seeds_together else streams[index]
        bundles.setdefault(kept, []).append(index)

    def fits(members: Sequence[int]) -> bool:
        read = questions * data.width * len({streams[index] for index in members})
        return 4 * (state * len(members) + read) <= cache

    order = [index for bundle in bundles.values() for index in bundle]
    fewest = -(-4 * state * len(order) // cache)
    count = next((count for count in range(fewest, len(order)) if all(map(fits, _evenly(order, count)))), len(order))
    most = -(-len(order) // count)  # of members in a part
    parts: list[list[int]] = []
    length = 0
    for bundle in sorted(bundles.values(), key=len):
        for piece in [bundle] if seeds_together else _evenly(bundle, -(-len(bundle) // most)):
            if len(piece) == length and len(parts[-1]) + length <= most:
                parts[-1] += piece
            else:
                parts.append(piece)
                length = len(piece)
    return parts


def _evenly(members: list[int], count: int) -> list[list[int]]:
    """`members` in `count` runs whose lengths differ by one at most."""
    return [part.tolist() for part in np.array_split(members, count)]


def _flops(config: FitConfig, data: FitData, batch_shape: tuple[int, int]) -> int:
    """Arithmetic of one training step."""
    questions, groups = batch_shape
    shape = (-(-data.num_models // groups), data.width, padded_dim(config.embedding_dim), questions)
    pair_noise = config.noise_per == "pair"
    return min(step_flops(form, *shape, pair_noise=pair_noise) for form in FORMS)


def _member_sides(configs: Sequence[FitConfig], data: FitData, splits: "Sequence[Split] | None") -> list[Sides]:
    """Rows every member trains and validates on; members of one split and training size share their arrays."""
    if data.is_pool != (splits is not None) or (splits is not None and len(splits) != len(configs)):
        given = "none" if splits is None else str(len(splits))
        wanted = f"{len(configs)}, one for each configuration" if data.is_pool else "none: the data is of one split"
        raise ConfigError(f"{given} splits are given; wanted: {wanted}")
    whole: dict[int, Sides] = {}
    if splits is not None:
        for split in splits:
            if id(split) not in whole:
                whole[id(split)] = _labelled_sides(split, data)
    found: dict[tuple[int, int | None, int], Sides] = {}
    sides = []
    for number, config in enumerate(configs):
        split_id = 0 if splits is None else id(splits[number])
        base = data.sides if splits is None else whole[split_id]
        key = (split_id, config.training_questions, config.seed)
        if key not in found:
            found[key] = _subset(base, config)
        sides.append(found[key])
    return sides


def _labelled_sides(split: "Split", data: FitData) -> Sides:
    """A split's rows of a pool."""
    problems = []
    for side, rows in (("training", split.train), ("validation", split.val)):
        if not len(rows):
            problems.append(f"the split {split.name!r} has no {side} questions")
        elif data.weight is not None and not bool(data.weight[torch.from_numpy(rows).to(data.device)].any()):
            problems.append(f"no {side} question of the split {split.name!r} has a label")
    if problems:
        raise DataError("the data to fit", problems)
    return Sides(split.train, split.val)


def _subset(sides: Sides, config: FitConfig) -> Sides:
    """With a nested random subset of the training rows, where the configuration asks for one."""
    if config.training_questions is None:
        return sides
    if config.training_questions > len(sides.train):
        raise ConfigError(
            f"training_questions is {config.training_questions} but there are {len(sides.train)} training questions; "
            "use at most that many, or null for all"
        )
    return Sides(nested_subset(sides.train, config.training_questions, seed=config.seed), sides.val)


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
