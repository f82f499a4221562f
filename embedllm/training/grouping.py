"""Which members train fused with which, and which fused groups train side by side on a CPU."""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import torch

from embedllm.config import FitConfig
from embedllm.flops import FORMS, padded_dim, step_flops
from embedllm.training.data import FitData, Sides
from embedllm.training.layout import Layout
from embedllm.training.sides import member_sides

PADDING_COST = 1.5
"""Members are fused while padding to the widest embedding costs the narrowest at most this many times its FLOPs."""

CACHED = 14 << 20
"""Bytes that members fused on a CPU may touch in a step, for each of at most two threads: four of the paper's recipe.
Beyond the cache they wait for memory, and how much that costs depends on the machine (`benchmarks.shapes`)."""

LANE_FLOPS = 60e6
"""Arithmetic of a fused step that is worth a Python thread of its own. Below, two threads wait for Python's lock more
than they gain (`benchmarks.shapes`)."""

Lanes = list[list[list[int]]]
"""Fused groups, in one lane or in two that train side by side; the groups of a lane train one after the other."""


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
    rows = sides or member_sides(configs, data, None)
    return [
        group
        for lanes in fusible_lanes(configs, data, rows, seeds_together=seeds_together)
        for lane in lanes
        for group in lane
    ]


def fusible_lanes(
    configs: Sequence[FitConfig], data: FitData, sides: Sequence[Sides], *, seeds_together: bool = False
) -> Iterator[Lanes]:
    """The groups of :func:`fusible_groups`, those that train side by side together.

    A second PyTorch thread helps a step's products, but not its many small operations: on a CPU a large group trains
    faster as two halves, in a Python thread each. With `seeds_together` the halves would have to wait for each other
    after every epoch; there is one lane.
    """
    shapes = [config.batch_shape(data.num_models, len(side.train)) for config, side in zip(configs, sides, strict=True)]
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
        yield from ([[group]] for group in groups)
        return
    streams = [(config.seed, id(side.train)) for config, side in zip(configs, sides, strict=True)]
    kept = [config.replace(seed=0) for config in configs] if seeds_together else streams
    threads = torch.get_num_threads()
    for group in groups:
        shape = shapes[group[0]]
        worth_it = len(group) * _flops(configs[group[-1]], data, shape) >= 2 * LANE_FLOPS
        halves = _halves(group, streams) if threads > 1 and worth_it and not seeds_together else [group]
        cache = CACHED * min(threads // len(halves), 2)
        yield [
            _cached_parts(half, configs, streams, kept, data, shape[0], cache, whole=seeds_together) for half in halves
        ]


def _halves(group: list[int], streams: Sequence[Hashable]) -> list[list[int]]:
    """Two halves of a group that take equally long, or the whole group where there are none.

    Each takes half of every stream's members, or, where a stream has an odd number of them, half of the streams.
    """
    bundles = _bundled(group, streams)
    if all(len(bundle) % 2 == 0 for bundle in bundles):
        first = {index for bundle in bundles for index in bundle[::2]}
    elif len(bundles) % 2 == 0 and len({len(bundle) for bundle in bundles}) == 1:
        first = {index for bundle in bundles[::2] for index in bundle}
    else:
        return [group]
    return [[index for index in group if (index in first) == side] for side in (True, False)]


def _cached_parts(
    group: list[int],
    configs: Sequence[FitConfig],
    streams: Sequence[Hashable],
    kept: Sequence[Hashable],
    data: FitData,
    questions: int,
    cache: int,
    *,
    whole: bool,
) -> list[list[int]]:
    """A group in parts of about equal size whose parameters, moments and batches of `questions` fit in `cache` bytes.

    Members of one stream read the same questions and noise: they stay in one part as far as they fit. Where `kept` are
    not the streams, equal ones stay together in any case (`whole`). Streams share their batches only in a part where
    each has equally many members.
    """
    dim = padded_dim(configs[group[-1]].embedding_dim)
    state = 4 * Layout(data.num_models, data.width, dim).size
    bundles = _bundled(group, kept)

    def fits(members: Sequence[int]) -> bool:
        read = questions * data.width * len({streams[index] for index in members})
        return 4 * (state * len(members) + read) <= cache

    order = [index for bundle in bundles for index in bundle]
    fewest = -(-4 * state * len(order) // cache)
    count = next((count for count in range(fewest, len(order)) if all(map(fits, _evenly(order, count)))), len(order))
    most = -(-len(order) // count)  # of members in a part
    parts: list[list[int]] = []
    length = 0
    for bundle in sorted(bundles, key=len):
        for piece in [bundle] if whole else _evenly(bundle, -(-len(bundle) // most)):
            if len(piece) == length and len(parts[-1]) + length <= most:
                parts[-1] += piece
            else:
                parts.append(piece)
                length = len(piece)
    return parts


def _bundled(group: Sequence[int], kept: Sequence[Hashable]) -> list[list[int]]:
    """The members of a group in bundles of equal `kept`, in order."""
    bundles: dict[Hashable, list[int]] = {}
    for index in group:
        bundles.setdefault(kept[index], []).append(index)
    return list(bundles.values())


def _evenly(members: list[int], count: int) -> list[list[int]]:
    """`members` in `count` runs whose lengths differ by one at most."""
    return [part.tolist() for part in np.array_split(members, count)]


def _flops(config: FitConfig, data: FitData, batch_shape: tuple[int, int]) -> int:
    """Arithmetic of one training step."""
    questions, groups = batch_shape
    shape = (-(-data.num_models // groups), data.width, padded_dim(config.embedding_dim), questions)
    pair_noise = config.noise_per == "pair"
    return min(step_flops(form, *shape, pair_noise=pair_noise) for form in FORMS)
