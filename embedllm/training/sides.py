"""Which rows every member of a fit trains and validates on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from embedllm.config import FitConfig
from embedllm.data.splits import nested_subset
from embedllm.errors import ConfigError, DataError
from embedllm.training.data import FitData, Sides

if TYPE_CHECKING:
    from embedllm.data import Split


def member_sides(configs: Sequence[FitConfig], data: FitData, splits: "Sequence[Split] | None") -> list[Sides]:
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
