"""Speed of one fit and of fused fits against the official per-pair loop, at the paper's scale.

    python -m benchmarks.fit        # simulated data of the paper's shape, `lsa:768` encodings (first run: minutes)
    python -m benchmarks.fit --models 40 --questions 4000 --width 128 --rounds 1        # seconds

The official loop (two-class cross-entropy on explicit noisy pairs, DataLoader over rows, torch.optim.Adam) is timed
over some of its batches and extrapolated to an epoch; ours over whole epochs. Both run in turns in one process on the
same threads, so that what disturbs one disturbs the other. The FLOP floor is the arithmetic of our matrix products
over the rate of a large matrix product measured in between.
"""

import argparse
import itertools
import resource
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from embedllm.config import PAPER_BATCH_PAIRS, PRESETS, FitConfig
from embedllm.data.simulate import simulate
from embedllm.data.splits import random_split
from embedllm.encoders import encode_data
from embedllm.flops import step_flops
from embedllm.training import FitData, fit, fit_many
from embedllm.training.fused import FusedRun
from tests.embedllm.training.naive import NaiveEmbedLLM

NAIVE_BATCHES = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=112)
    parser.add_argument("--questions", type=int, default=36054)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--only", choices=["fit", "preset", "fusion"], nargs="+", default=["fit", "preset", "fusion"])
    parser.add_argument("--rounds", type=int, default=5, help="repetitions, interleaved; medians are reported")
    args = parser.parse_args()

    data = simulate(models=args.models, questions=args.questions, seed=0)
    split = random_split(data, seed=0)
    encodings = encode_data(data, f"lsa:{args.width}", fit_on=split.train, progress=True).matrix
    problem = FitData.build(data, split, encodings)
    print(
        f"{problem.num_models} models, {problem.num_train:,} training and {problem.num_val:,} validation questions, "
        f"width {problem.width}; torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    official = one_fit(problem, args.rounds) if "fit" in args.only or "preset" in args.only else 0.0
    if "preset" in args.only:
        fast_preset(problem, args.rounds, official)
    if "fusion" in args.only:
        fusion(problem, args.rounds)
    print(f"\npeak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def one_fit(problem: FitData, rounds: int) -> float:
    """Seconds per epoch of the official recipe; returns the official loop's."""
    paper = PRESETS["paper"]
    variants = {
        "exact noise per pair": paper,
        "exact noise per pair, ungrouped": paper.replace(model_groups=1),
        "noise per question": paper.replace(noise_per="question"),
    }
    naive = naive_epoch(problem, paper)
    times: dict[str, list[float]] = {name: [] for name in ["official loop", "GEMM", *variants]}
    for _ in range(rounds):
        times["official loop"].append(naive())
        times["GEMM"].append(gemm_rate())
        for name, config in variants.items():
            times[name].append(epoch_seconds(config, problem))
    official, rate = statistics.median(times["official loop"]), max(times["GEMM"])
    best = min(times["official loop"])
    print(f"\none epoch of the official recipe, median and best of {rounds}; matrix products {rate / 1e9:.0f} GFLOP/s")
    print(f"  {'official loop':34s} {official:7.2f} s  {best:7.2f} s")
    for name, config in variants.items():
        seconds, least = statistics.median(times[name]), min(times[name])
        print(
            f"  {name:34s} {seconds:7.2f} s  {least:7.2f} s   {official / seconds:5.1f} x  {best / least:5.1f} x   "
            f"floor {epoch_flops(config, problem) / rate:.2f} s"
        )
    return official


def fast_preset(problem: FitData, rounds: int, official_epoch: float) -> None:
    """Seconds of a whole `fast` fit against 50 official epochs, and what both reach."""
    fast, paper = PRESETS["fast"], PRESETS["paper"]
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        quick = fit(fast, problem)
        times.append(time.perf_counter() - started)
    slow = fit(paper, problem)
    official = paper.epochs * official_epoch
    seconds = statistics.median(times)
    print(f"\n`fast` preset: {seconds:.2f} s, {official / seconds:,.0f} x under {paper.epochs} official epochs")
    for name, result in (("fast", quick), ("paper", slow)):
        best = result.best_epoch - 1
        print(
            f"  {name:6s} val accuracy {result.history['val_accuracy'][best]:.4f}, "
            f"log-loss {result.history['val_log_loss'][best]:.4f} (epoch {result.best_epoch} of {result.epochs_run})"
        )


def fusion(problem: FitData, rounds: int, members: int = 16) -> None:
    """Seconds per member of K fused fits against K single ones, one epoch each."""
    base = PRESETS["paper"].replace(epochs=1)
    mixed = (8, 16, 32, 64)
    packs = {
        "dimension 32, one seed": [base.replace(embedding_dim=32, noise=0.01 * k) for k in range(members)],
        "dimension 32, 16 seeds": [base.replace(embedding_dim=32, seed=k) for k in range(members)],
        "dimension 64, one seed": [base.replace(embedding_dim=64, noise=0.01 * k) for k in range(members)],
        "dimension 64, 16 seeds": [base.replace(embedding_dim=64, seed=k) for k in range(members)],
        "dimensions 8 to 64, 4 seeds": [base.replace(embedding_dim=mixed[k // 4], seed=k % 4) for k in range(members)],
    }
    print(f"\n{members} members, seconds per member and epoch")
    for label, configs in packs.items():
        together, alone = [], []
        for _ in range(max(1, rounds // 2)):
            together.append(timed(lambda configs=configs: fit_many(configs, problem)))
            alone.append(timed(lambda configs=configs: [fit(config, problem) for config in configs]))
        fused, single = statistics.median(together) / members, statistics.median(alone) / members
        print(f"  {label:28s} fused {fused:.3f} s, single {single:.3f} s, {single / fused:.2f} x")


def naive_epoch(problem: FitData, config: FitConfig) -> Callable[[], float]:
    """A function that times some batches of the official loop and gives seconds per epoch."""
    models, train = problem.num_models, problem.num_train
    question, model = (a.reshape(-1) for a in torch.meshgrid(torch.arange(train), torch.arange(models), indexing="ij"))
    label = problem.target[:train].reshape(-1).long()
    loader = DataLoader(TensorDataset(model, question, label), batch_size=PAPER_BATCH_PAIRS)
    network = NaiveEmbedLLM(models, problem.width, config.embedding_dim, config.noise)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)

    def run() -> float:
        batches = itertools.chain.from_iterable(itertools.repeat(loader))  # small data has few batches
        step(next(batches))  # the first batch pays for start-up
        started = time.perf_counter()
        for _ in range(NAIVE_BATCHES):
            step(next(batches))
        return (time.perf_counter() - started) / NAIVE_BATCHES * train * models / PAPER_BATCH_PAIRS

    def step(batch: list[torch.Tensor]) -> None:
        rows, questions, labels = batch
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(rows, problem.encodings[questions]), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    return run


def epoch_seconds(config: FitConfig, problem: FitData) -> float:
    """One epoch without scoring, as the official loop's time is without it too; as `FusedRun.train` runs it."""
    run = FusedRun([config], [problem.sides], problem)
    with torch.inference_mode():
        return timed(lambda: run._train_epoch(1))


def epoch_flops(config: FitConfig, problem: FitData) -> float:
    run = FusedRun([config], [problem.sides], problem)
    pair_noise = config.noise_per == "pair"
    step = step_flops(run.form, run.group_size, problem.width, config.embedding_dim, run.batch, pair_noise=pair_noise)
    return step * run.streams[0].blocks * run.groups


def gemm_rate(size: int = 2048) -> float:
    """FLOP/s of a large float32 matrix product."""
    a = torch.randn(size, size)
    torch.mm(a, a)
    return 2 * size**3 / min(timed(lambda: torch.mm(a, a)) for _ in range(3))


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
