"""The same search by this engine, by stock Ray Tune and by plain Optuna: wall time, start-up included.

    python -m benchmarks.overhead DATA                      # a folder written by `embedllm data import`
    python -m benchmarks.overhead DATA --trials 16 --rounds 1 --which ours optuna
    python -m benchmarks.overhead DATA --preset paper       # every trial by the official recipe

- ours: `python -m tune run` as a user runs it: MLflow, the paper recipe as baseline, the winner on the test questions,
  figures and report included, which the others leave out.
- ray tune: a function trainable that calls `fit` once per seed and reports the mean, `OptunaSearch` and
  `MLflowLoggerCallback` on SQLite, data through `tune.with_parameters`, a CPU per trial, everything else as it comes.
- optuna: one process, `study.optimize`, which calls `fit` once per seed on all cores.

All have the same space (`lsa`; dimension, noise, training size, learning rate, weight decay), as many trials and
seeds, and encodings from the cache. All sample at random: where TPE wanders decides how large the models are, and the
work of two such searches cannot be compared. Every measurement is a process of its own; `before` is from its start to
the first trial, `after` from the last trial to its end.
"""

import argparse
import contextlib
import datetime
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

    from embedllm.training import FitData

WHICH = ("ours", "ray tune", "optuna")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 1])
    parser.add_argument("--preset", choices=["fast", "paper"], default="fast", help="what a trial is a fit of")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of ours and optuna; ray tune gets one")
    parser.add_argument("--which", nargs="+", choices=WHICH, default=WHICH)
    parser.add_argument("--measure", choices=WHICH[1:], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        search = {"ray tune": ray_tune, "optuna": plain_optuna}[args.measure]
        print(json.dumps(search(args.data, args.trials, args.seeds[0], args.preset)))
        return
    print("| seeds | engine | wall | before | trials | after | training | best val log-loss |")
    print("|---|---|---|---|---|---|---|---|")
    for seeds in args.seeds:
        runs: dict[str, list[dict[str, Any]]] = {which: [] for which in args.which}
        for number in range(args.rounds):  # in turns, so that a slow spell of the machine meets all
            for which, results in runs.items():
                if which != "ray tune" or number == 0:
                    results.append(measured(which, args.data, args.trials, seeds, args.preset))
        for which, results in runs.items():
            results.sort(key=lambda run: run["wall"])
            run = results[len(results) // 2]
            spread = f" ({results[0]['wall']:.1f}–{results[-1]['wall']:.1f})" if len(results) > 1 else ""
            parts = (run["first"], run["last"] - run["first"], run["wall"] - run["last"], run["training"])
            cells = " | ".join(f"{part:.1f} s" for part in parts)
            print(f"| {seeds} | {which} | {run['wall']:.1f} s{spread} | {cells} | {run['best']:.4f} |", flush=True)
        if "ours" in runs:
            for which in runs:
                if which != "ours":
                    ratio = statistics.median(run["wall"] for run in runs[which]) / statistics.median(
                        run["wall"] for run in runs["ours"]
                    )
                    print(f"\n{seeds} seeds: ours is {ratio:.2f} x faster than {which}\n", flush=True)


def measured(which: str, data: str, trials: int, seeds: int, preset: str) -> dict[str, Any]:
    """One search in a process of its own; seconds count from its start, Python's own and all imports included."""
    with tempfile.TemporaryDirectory() as folder:
        size = ["--trials", str(trials), "--seeds", str(seeds), "--preset", preset]
        words = ["-m", "benchmarks.overhead", data, "--measure", which, *size]
        if which == "ours":
            words = ["-m", "tune", "run", data, *size]
            words += ["--out", f"{folder}/sweep", "--split", "random", "--space.encoder", "lsa", "--sampler", "random"]
        began = time.time()
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, env=os.environ | {"SEARCH_FOLDER": folder}
        )
        wall = time.time() - began
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        found = ours(Path(folder) / "sweep") if which == "ours" else json.loads(done.stdout.splitlines()[-1])
    return found | {"wall": wall, "first": found["first"] - began, "last": found["last"] - began}


def ours(sweep: Path) -> dict[str, Any]:
    """What the study of a finished sweep says."""
    import optuna

    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(sweep / "journal.log")))
    study = optuna.load_study(study_name="sweep", storage=storage)
    training = sum(trial.user_attrs["result"]["seconds"] for trial in study.trials)
    return times(study) | {"training": training}


def ray_tune(data: str, trials: int, seeds: int, preset: str) -> dict[str, Any]:
    import optuna
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search.optuna import OptunaSearch

    folder = search_folder()
    storage = optuna.storages.InMemoryStorage()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    callback = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="stock")
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(trainable, problem=problem_of(data), seeds=seeds, preset=preset), {"cpu": 1}
        ),
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(
                ask,
                metric="val_log_loss",
                mode="min",
                sampler=optuna.samplers.RandomSampler(seed=0),
                storage=storage,
                study_name="stock",
            ),
            num_samples=trials,
        ),
        run_config=tune.RunConfig(name="stock", storage_path=str(folder), callbacks=[callback], verbose=0),
    )
    with contextlib.redirect_stdout(io.StringIO()):
        results = tuner.fit()
    if results.num_errors:
        raise SystemExit(f"{results.num_errors} trials failed")
    study = optuna.load_study(study_name="stock", storage=storage)
    return times(study) | {"training": float(results.get_dataframe()["training"].sum())}


def plain_optuna(data: str, trials: int, seeds: int, preset: str) -> dict[str, Any]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    problem = problem_of(data)
    training = []

    def objective(trial: "optuna.Trial") -> float:
        loss, seconds = judged(ask(trial), problem, seeds, preset)
        training.append(seconds)
        return loss

    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=trials)
    return times(study) | {"training": sum(training)}


def trainable(config: dict[str, Any], problem: "FitData", seeds: int, preset: str) -> None:
    from ray import tune

    loss, seconds = judged(config, problem, seeds, preset)
    tune.report({"val_log_loss": loss, "training": seconds})


def ask(trial: "optuna.Trial") -> dict[str, Any]:
    """One configuration from the sweep's default space."""
    return {
        "embedding_dim": trial.suggest_int("embedding_dim", 8, 256, log=True),
        "noise": trial.suggest_float("noise", 0.0, 0.2),
        "share": trial.suggest_categorical("share", [0.25, 0.5, 1.0]),
        "learning_rate": trial.suggest_float("learning_rate", 2e-3, 1e-1, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-7, 1e-3, log=True),
    }


def judged(values: dict[str, Any], problem: "FitData", seeds: int, preset: str) -> tuple[float, float]:
    """Mean over seeds of the best validation log-loss, one `fit` after the other, and the seconds they took."""
    from embedllm import fit
    from embedllm.config import PRESETS

    began = time.perf_counter()
    values = dict(values)
    if preset == "fast":
        values["batch_questions"] = 128  # as the engine has it on as little data
    training_questions = round(values.pop("share") * problem.num_train)
    config = PRESETS[preset].replace(encoder="lsa", training_questions=training_questions, **values)
    losses = []
    for seed in range(seeds):
        result = fit(config.replace(seed=seed), problem)
        losses.append(result.history["val_log_loss"][result.best_epoch - 1])
    return statistics.fmean(losses), time.perf_counter() - began


def problem_of(data: str) -> "FitData":
    from embedllm import CorrectnessMatrix, FitData, encode_data
    from embedllm.data import random_split

    matrix = CorrectnessMatrix.load(data)
    split = random_split(matrix, seed=0)
    return FitData.build(matrix, split, encode_data(matrix, "lsa", fit_on=split.train).matrix, "cpu")


def times(study: "optuna.Study") -> dict[str, float]:
    """When the first trial began and the last one ended, and the best value."""
    finished = [trial for trial in study.trials if trial.datetime_complete is not None]
    first = min(trial.datetime_start or datetime.datetime.max for trial in finished)
    last = max(trial.datetime_complete or datetime.datetime.min for trial in finished)
    return {"first": first.timestamp(), "last": last.timestamp(), "best": study.best_value}


def search_folder() -> Path:
    return Path(os.environ["SEARCH_FOLDER"])


if __name__ == "__main__":
    main()
