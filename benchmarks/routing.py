"""Routing throughput: questions per second from ready encodings, and the share of the machine's matrix-product rate.

    python -m benchmarks.routing                                     # 112 LLMs, width 768
    python -m benchmarks.routing --questions 20000 --repeats 3       # seconds

Questions come in batches, as to a server. A batch takes the path of `embedllm route` and the served model once its
questions are encoded: every model's probability, averaged over the seeds, and the best model.

The machine's rate is that of a large square float32 product, measured in the same run, in turn with routing, so that
both see the same load. The paper reports 789 questions/s on an A100 (3.80 s per 3,000 questions, arXiv 2410.02223
§5.2), also without the question encoder.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from embedllm.artifact import mean_probability
from embedllm.model import EmbedLLM

PAPER_QUESTIONS_PER_SECOND = 789
SQUARE = 2048
DIMENSION = 232
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
    parser.add_argument("--seeds", type=int, default=1, help="models whose probabilities are averaged")
    parser.add_argument("--batch", type=int, default=8192, help="questions routed at a time")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: for a busy machine, with --threads 1")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    seeds = [random_model(arguments.models, arguments.width) for _ in range(arguments.seeds)]
    encodings = np.random.default_rng(0).normal(size=(arguments.questions, arguments.width)).astype(np.float32)
    batches = [encodings[start : start + arguments.batch] for start in range(0, len(encodings), arguments.batch)]
    left, right, product = (torch.randn(SQUARE, SQUARE) for _ in range(3))

    def route() -> None:
        for batch in batches:
            mean_probability(seeds, batch).argmax(axis=0)

    routing, squares = [], []
    for _ in range(arguments.repeats):
        squares.append(seconds(lambda: torch.mm(left, right, out=product), CLOCKS[arguments.clock]))
        routing.append(seconds(route, CLOCKS[arguments.clock]))
    flops = 2 * arguments.questions * arguments.models * arguments.width * arguments.seeds
    print(f"{arguments.models} models, width {arguments.width}, {arguments.questions:,} questions, ", end="")
    print(f"{arguments.batch:,} at a time, {arguments.seeds} seeds, ", end="")
    print(f"{arguments.threads} threads, {arguments.repeats} repeats, {arguments.clock} clock")
    for what, choose in (("best", min), ("median", np.median)):
        rate = arguments.questions / float(choose(routing))
        reached, peak = flops / float(choose(routing)) / 1e9, 2 * SQUARE**3 / float(choose(squares)) / 1e9
        print(
            f"{what:<7} {rate:>12,.0f} questions/s = {rate / PAPER_QUESTIONS_PER_SECOND:,.0f} x the paper's; "
            f"{reached:.0f} of {peak:.0f} GFLOP/s = {100 * reached / peak:.0f} %"
        )


def random_model(models: int, width: int) -> EmbedLLM:
    """A model of the paper's dimension."""
    return EmbedLLM(
        model_embeddings=torch.randn(models, DIMENSION),
        projection=torch.randn(width, DIMENSION) / width**0.5,
        bias=torch.randn(DIMENSION),
        head_weight=torch.randn(2, DIMENSION) / DIMENSION**0.5,
        head_bias=torch.randn(2),
    )


if __name__ == "__main__":
    main()
