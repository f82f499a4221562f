"""What do packs, a sampler that is shown only part of a long sweep, and beginning with the preset do to proposals?

    python -m tune run DATA --trials 600 --seeds 1 --sampler random --space.encoder lsa,all-MiniLM-L6-v2 --out SWEEP
    python -m benchmarks.sampler SWEEP

A Gaussian process for each encoder through the finished trials of a random sweep stands in for training: it tells the
val log-loss of any configuration at once. The sweep's own study then searches it as the engine would, with packs in
flight on two slots, once for every sampler seed. Regret is the best value found minus the lowest of 200,000 random
configurations.
"""

import argparse
import statistics
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from embedllm.config import FitConfig
from tune.config import SweepConfig
from tune.folder import SweepFolder
from tune.records import TrialRecord
from tune.search import samplers, study
from tune.search.space import fit_config, start_configurations
from tune.search.study import SweepStudy, read_records

AXES = ("embedding_dim", "noise", "training_questions", "learning_rate", "weight_decay", "batch_questions")
SLOTS = 2
PROBES = 200_000

Objective = Callable[[FitConfig], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", metavar="SWEEP", type=Path)
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--long-trials", type=int, default=1000)
    parser.add_argument("--long-seeds", type=int, default=6)
    args = parser.parse_args()
    folder = SweepFolder.open(args.sweep)
    config, num_train = folder.config, folder.questions["train"]
    objective, lowest = surrogate(args.sweep, config, num_train)

    def regrets(trials: int, seeds: int, **changes: object) -> list[float]:
        return [
            search(config.replace(seed=seed, trials=trials, **changes), num_train, objective, trials) - lowest
            for seed in range(seeds)
        ]

    print("| proposals | regret, median | quartiles | against one by one, Wilcoxon p |\n|---|---|---|---|", flush=True)
    one_by_one = regrets(args.trials, args.seeds, sampler="tpe", pack=1, slots=1)
    show("TPE, one by one", one_by_one, one_by_one)
    for pack in (1, 4, 12, 16):
        show(f"TPE, {SLOTS} packs of {pack}", regrets(args.trials, args.seeds, sampler="tpe", pack=pack), one_by_one)
    with mock.patch.object(study, "unused_starts", return_value=[]):
        for pack in (1, 12):
            without = regrets(args.trials, args.seeds, sampler="tpe", pack=pack)
            show(f"TPE, {SLOTS} packs of {pack}, without beginning with the preset", without, one_by_one)
    show("random", regrets(args.trials, args.seeds, sampler="random", pack=16), one_by_one)
    print(f"\n{args.long_trials} trials in packs of 12:\n", flush=True)
    print("| TPE is shown | regret, median | quartiles | against all, Wilcoxon p |\n|---|---|---|---|", flush=True)
    with mock.patch.object(samplers, "remembers_all", return_value=True):
        everything = regrets(args.long_trials, args.long_seeds, sampler="tpe", pack=12)
    show("all trials", everything, everything)
    recent = regrets(args.long_trials, args.long_seeds, sampler="tpe", pack=12)
    show("the best 25 and the latest, 400 in all", recent, everything)


def surrogate(sweep: Path, config: SweepConfig, num_train: int) -> tuple[Objective, float]:
    """Val log-loss of a configuration by Gaussian processes, and the lowest of many."""
    records = [record for record in read_records(sweep) if record.role == "trial" and record.state == "COMPLETE"]
    floor = min(record.metrics["val_log_loss"] for record in records) - 1e-3
    with tempfile.TemporaryDirectory() as scratch:
        many = config.replace(sampler="random", trials=PROBES)
        with SweepStudy(Path(scratch), many, num_train) as drawn:
            probes = np.stack([coordinates(candidate, num_train) for _, candidate in drawn.ask(2000)])
    generator = np.random.default_rng(0)
    # Axes are independent under random sampling: shuffling each column makes as many random configurations as needed.
    mixed = np.stack([generator.choice(column, PROBES) for column in probes.T], axis=1)
    predictors, lowest = {}, float("inf")
    for encoder in config.space.encoder:
        own = [record for record in records if record.config.encoder == encoder]
        points = np.stack([coordinates(record.config, num_train) for record in own])
        losses = np.array([record.metrics["val_log_loss"] for record in own])
        predictors[encoder] = predict = predictor(encoder, points, losses, floor)
        best = min(float(predict(part).min()) for part in np.array_split(mixed, 50))
        [start] = [start for start in start_configurations(config, num_train) if start["encoder"] == encoder]
        preset = predict(coordinates(fit_config(start, config, num_train), num_train)[None])[0]
        print(f"  lowest of {PROBES:,} random configurations {best:.4f}, the preset {preset:.4f}")
        lowest = min(lowest, best)
    print(flush=True)

    def objective(candidate: FitConfig) -> float:
        return float(predictors[candidate.encoder](coordinates(candidate, num_train)[None])[0])

    return objective, lowest


def predictor(encoder: str, points: np.ndarray, losses: np.ndarray, floor: float) -> Callable[[np.ndarray], np.ndarray]:
    """A Gaussian process through the trials of one encoder."""
    center, scale = points.mean(axis=0), points.std(axis=0) + 1e-12
    # Bad configurations are far off; the logarithm of the excess lets the process see differences among good ones.
    excess = np.log(losses - floor)
    kernel = ConstantKernel() * RBF(np.ones(points.shape[1])) + WhiteKernel()
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0).fit((points - center) / scale, excess)
    half = len(points) // 2
    held_out = GaussianProcessRegressor(process.kernel_, optimizer=None, normalize_y=True)
    held_out.fit((points[:half] - center) / scale, excess[:half])
    ranks = pd.Series(held_out.predict((points[half:] - center) / scale)).corr(pd.Series(excess[half:]), "spearman")
    print(f"{encoder}: surrogate from {len(points)} trials, Spearman correlation on held-out trials {ranks:.2f}")

    def predict(points: np.ndarray) -> np.ndarray:
        return floor + np.exp(process.predict((points - center) / scale))

    return predict


def coordinates(config: FitConfig, num_train: int) -> np.ndarray:
    known: Mapping[str, float] = {name: getattr(config, name) or num_train for name in AXES if name != "noise"}
    return np.array([config.noise if name == "noise" else np.log(known[name]) for name in AXES])


def search(config: SweepConfig, num_train: int, objective: Objective, trials: int) -> float:
    """The best value of a search with packs in flight."""
    slots, pack = config.slots or SLOTS, config.pack or 1
    best, asked = float("inf"), 0
    running: deque[list[tuple[int, FitConfig]]] = deque()
    with tempfile.TemporaryDirectory() as folder, SweepStudy(Path(folder), config, num_train) as sweep:
        while running or asked < trials:
            while len(running) < slots and asked < trials:
                running.append(sweep.ask(min(pack, trials - asked)))
                asked += len(running[-1])
            for number, candidate in running.popleft():
                value = objective(candidate)
                best = min(best, value)
                sweep.tell(TrialRecord(number, "COMPLETE", candidate, metrics={"val_log_loss": value}))
    return best


def show(name: str, regrets: list[float], reference: list[float]) -> None:
    low, middle, high = statistics.quantiles(regrets, n=4)
    p_value = "" if regrets is reference else f"{wilcoxon(regrets, reference).pvalue:.2f}"
    print(f"| {name} | {middle:z.4f} | {low:z.4f}–{high:z.4f} | {p_value} |", flush=True)


if __name__ == "__main__":
    main()
