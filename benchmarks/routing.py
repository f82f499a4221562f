"""Routing throughput: questions per second from ready encodings, and the share of the machine's matrix-product rate.

    python benchmarks/routing.py                                     # 112 LLMs, width 768
    python benchmarks/routing.py --questions 20000 --repeats 3       # seconds

The machine's rate is that of a large square float32 product, measured in the same run, in turn with routing, so that
both see the same load. The paper reports 789 questions/s on an A100 (3.80 s per 3,000 questions, arXiv 2410.02223
§5.2), also without the question encoder.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from embedllm.evaluation import Router

PAPER_QUESTIONS_PER_SECOND = 789
SQUARE = 2048
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def seconds(action: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    action()
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=112)
    parser.add_argument("--questions", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: for a busy machine, with --threads 1")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    rng = np.random.default_rng(0)
    names = [f"model-{number}" for number in range(arguments.models)]
    router = Router(rng.normal(size=(arguments.models, arguments.width)), rng.normal(size=arguments.models), names)
    encodings = rng.normal(size=(arguments.questions, arguments.width)).astype(np.float32)
    left, right, product = (torch.randn(SQUARE, SQUARE) for _ in range(3))

    routing, squares = [], []
    for _ in range(arguments.repeats):
        squares.append(seconds(lambda: torch.mm(left, right, out=product), CLOCKS[arguments.clock]))
        routing.append(seconds(lambda: router.route(encodings), CLOCKS[arguments.clock]))
    flops = 2 * arguments.questions * arguments.models * arguments.width
    print(f"{arguments.models} models, width {arguments.width}, {arguments.questions:,} questions, ", end="")
    print(f"{arguments.threads} threads, {arguments.repeats} repeats, {arguments.clock} clock")
    for what, choose in (("best", min), ("median", np.median)):
        rate = arguments.questions / float(choose(routing))
        reached, peak = flops / float(choose(routing)) / 1e9, 2 * SQUARE**3 / float(choose(squares)) / 1e9
        print(
            f"{what:<7} {rate:>12,.0f} questions/s = {rate / PAPER_QUESTIONS_PER_SECOND:,.0f} x the paper's; "
            f"{reached:.0f} of {peak:.0f} GFLOP/s = {100 * reached / peak:.0f} %"
        )


if __name__ == "__main__":
    main()
