"""What the shapes of fused training gain: whole vector registers, groups that fit in the cache, halves side by side.

    python -m benchmarks.shapes        # simulated data, random encodings; four minutes

- registers: three seeds of the `fast` preset at dimensions that are no multiple of 8, trained at their own width and
  at :func:`embedllm.flops.padded_dim`, as fits are.
- cache: members of the `paper` recipe, seconds per member and epoch, trained in one group and in the groups of
  :func:`embedllm.training.fusible_groups`.
- lanes: large groups on two threads, whole and as two halves in a Python thread each, as
  :func:`embedllm.training.grouping.fusible_lanes` has them.

The first two on one thread, as a slot of a sweep has on two cores; both ways in turns, the best of `--rounds`.
"""

import argparse
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
import torch

from embedllm.config import PRESETS
from embedllm.data.simulate import simulate
from embedllm.data.splits import random_split
from embedllm.flops import padded_dim
from embedllm.training import FitData, fit_many, fused, grouping


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=3000, help="of the small data; the large has twelve times")
    args = parser.parse_args()
    torch.set_num_threads(1)
    registers(problem_of(models=83, questions=args.questions, width=384), args.rounds)
    large = problem_of(models=112, questions=12 * args.questions, width=768)
    cache(large, args.rounds)
    torch.set_num_threads(2)
    lanes(large, args.rounds)


def problem_of(models: int, questions: int, width: int) -> FitData:
    data = simulate(models=models, questions=questions, seed=0)
    encodings = np.random.default_rng(0).standard_normal((questions, width), dtype=np.float32) / width**0.5
    return FitData.build(data, random_split(data, seed=0), encodings)


def registers(problem: FitData, rounds: int) -> None:
    print("| dimension | trained at | own width | padded | ratio |\n|---|---|---|---|---|")
    for dim in (11, 20, 31, 47, 62, 101):
        configs = [PRESETS["fast"].replace(embedding_dim=dim, seed=seed) for seed in range(3)]

        def own_width(configs: list = configs) -> None:
            with mock.patch.object(fused, "padded_dim", lambda width: width):
                fit_many(configs, problem)

        alone, padded = in_turns(own_width, lambda configs=configs: fit_many(configs, problem), rounds)
        print(f"| {dim} | {padded_dim(dim)} | {alone:.3f} s | {padded:.3f} s | {alone / padded:.2f} x |", flush=True)


def cache(problem: FitData, rounds: int) -> None:
    print("\n| members | dimension | one group | cut to the cache | ratio |\n|---|---|---|---|---|")
    for dim, members in ((64, 16), (232, 12)):
        configs = [PRESETS["paper"].replace(embedding_dim=dim, seed=seed, epochs=1) for seed in range(members)]

        def one_group(configs: list = configs) -> None:
            with mock.patch.object(grouping, "CACHED", 1 << 40):
                fit_many(configs, problem)

        whole, cut = in_turns(one_group, lambda configs=configs: fit_many(configs, problem), rounds)
        whole, cut = whole / members, cut / members
        print(f"| {members} | {dim} | {whole:.3f} s | {cut:.3f} s | {whole / cut:.2f} x |", flush=True)


def lanes(problem: FitData, rounds: int) -> None:
    print("\n| preset | members | seeds | dimension | whole | halves | ratio |\n|---|---|---|---|---|---|---|")
    cases = [("paper", 16, 1, 32), ("paper", 16, 16, 32), ("paper", 16, 1, 64), ("paper", 16, 16, 64)]
    for preset, members, seeds, dim in [*cases, ("fast", 6, 3, 64), ("fast", 12, 3, 232)]:
        base = PRESETS[preset].replace(embedding_dim=dim, epochs=1)
        configs = [base.replace(seed=member % seeds, noise=0.01 * member) for member in range(members)]

        def whole_groups(configs: list = configs) -> None:
            with mock.patch.object(grouping, "LANE_FLOPS", float("inf")):
                fit_many(configs, problem)

        whole, halves = in_turns(whole_groups, lambda configs=configs: fit_many(configs, problem), rounds)
        whole, halves = whole / members, halves / members
        print(
            f"| {preset} | {members} | {seeds} | {dim} | {whole:.3f} s | {halves:.3f} s | {whole / halves:.2f} x |",
            flush=True,
        )


def in_turns(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Least seconds of either."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for action, taken in zip((first, second), seconds, strict=True):
            started = time.perf_counter()
            action()
            taken.append(time.perf_counter() - started)
    return min(seconds[0]), min(seconds[1])


if __name__ == "__main__":
    main()
