"""Time until a search is as good as an unpruned one ends up (+ 0.001 val log-loss), with and without pruning.

    python -m benchmarks.pruning DATA                 # a folder written by `embedllm data import`
    python -m benchmarks.pruning DATA --trials 16 --rounds 1

Every sampler seed searches without a pruner first; its best value + 0.001 is what the others have to reach. Times run
from the first trial asked for to the end of the trial that reaches it. Test questions play no part.
"""

import argparse
import statistics
import tempfile
from dataclasses import dataclass

import optuna

from tune.config import Range, SearchSpace, SweepConfig
from tune.runner import Sweep
from tune.search.ranking import best_record

PRUNERS = ("none", "median", "hyperband", "successive-halving")
MARGIN = 0.001
SPACE = SearchSpace(encoder=["lsa"], training_questions=[1.0], learning_rate=Range(1e-4, 5e-2, log=True))


@dataclass(frozen=True)
class Search:
    """One finished search.

    Args:
        improvements: (seconds since the first trial was asked for, value) of every complete trial, in order of time.
        seconds: from the first trial to the end of the last.
        epochs: trained in all, over all trials.
        pruned: number of pruned trials.
    """

    improvements: list[tuple[float, float]]
    seconds: float
    epochs: int
    pruned: int

    @property
    def best(self) -> float:
        return min(value for _, value in self.improvements)

    def seconds_to(self, value: float) -> float | None:
        """When a trial was as good as `value`; None if none was."""
        return next((seconds for seconds, found in self.improvements if found <= value), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5, help="sampler seeds")
    args = parser.parse_args()
    found: dict[str, list[Search]] = {pruner: [] for pruner in PRUNERS}
    for seed in range(args.rounds):
        for pruner in PRUNERS:
            found[pruner].append(search(args.data, pruner, args.trials, args.epochs, seed))
    print("| pruner | reached | seconds to reach, median | each | whole search | epochs trained | pruned | best |")
    print("|---|---|---|---|---|---|---|---|")
    goals = [unpruned.best + MARGIN for unpruned in found["none"]]
    for pruner, searches in found.items():
        reached = [one.seconds_to(goal) for one, goal in zip(searches, goals, strict=True)]
        times = [seconds for seconds in reached if seconds is not None]
        middle = f"{statistics.median(times):.1f}" if times else "-"
        each = ", ".join("-" if seconds is None else f"{seconds:.1f}" for seconds in reached)
        cells = [f"{len(times)} of {len(reached)}", middle, each]
        cells += [f"{statistics.median(one.seconds for one in searches):.1f} s"]
        cells += [f"{statistics.median(one.epochs for one in searches):,.0f}"]
        cells += [f"{statistics.median(one.pruned for one in searches):.0f}"]
        cells += [f"{statistics.median(one.best for one in searches):.4f}"]
        print(f"| {pruner} | {' | '.join(cells)} |", flush=True)


def search(data: str, pruner: str, trials: int, epochs: int, seed: int) -> Search:
    with tempfile.TemporaryDirectory() as folder:
        config = SweepConfig(
            data=data,
            out=f"{folder}/sweep",
            trials=trials,
            seeds=1,
            # A constant learning rate: under one-cycle, early epochs say little about the last.
            space=SearchSpace(**{**SPACE.axes(), "epochs": [epochs], "batch_questions": [128]}),
            preset="paper",
            pruner=pruner,  # type: ignore[arg-type]
            split="random",
            seed=seed,
        )
        result = Sweep.create(config).run()
        storage = optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(f"{folder}/sweep/journal.log")
        )
        trials_of = optuna.load_study(study_name="sweep", storage=storage).trials
    best = best_record(result.records, config)
    assert best is not None
    began = min(trial.datetime_start for trial in trials_of if trial.datetime_start is not None)
    ends = [(trial.datetime_complete - began).total_seconds() for trial in trials_of if trial.datetime_complete]
    complete = [
        ((trial.datetime_complete - began).total_seconds(), trial.value)
        for trial in trials_of
        if trial.state == optuna.trial.TrialState.COMPLETE and trial.datetime_complete and trial.value is not None
    ]
    epochs_run = sum(record.budget for record in result.records if record.role == "trial")
    return Search(sorted(complete), max(ends), epochs_run, result.count("PRUNED"))


if __name__ == "__main__":
    main()
