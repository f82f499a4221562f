"""What a trial costs the driver, from the first to the 2,000th: CPU seconds, memory, MLflow writes.

    python -m benchmarks.driver
    python -m benchmarks.driver --trials 200 --samplers random

Trials are trivial (8 simulated models, 120 questions, one epoch, one seed), so that the driver is all there is to see.
Its CPU seconds hold all it does: sampling, the study's journal, Ray Tune, MLflow's writer thread.
"""

import argparse
import tempfile
import time
from pathlib import Path

import psutil

from embedllm.data.simulate import simulate
from tune.config import Range, SearchSpace, SweepConfig
from tune.records import TrialRecord
from tune.runner import Sweep
from tune.tracking.provenance import Provenance
from tune.tracking.tracker import MlflowTracker

SPACE = SearchSpace(
    encoder=["lsa:8"],
    embedding_dim=Range(2, 8),
    training_questions=[1.0],
    learning_rate=Range(1e-3, 1e-1, log=True),
    epochs=[1],
)


class Meter:
    """A listener that notes CPU seconds, wall time and memory of this process at every finished trial."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.notes: list[tuple[float, float, float]] = []

    def trial_started(self, record: TrialRecord) -> None:
        """Nothing: what counts is the end."""

    def trial_finished(self, record: TrialRecord) -> None:
        """Note the present."""
        if record.role == "trial":
            self.notes.append((time.process_time(), time.perf_counter(), self.process.memory_info().rss / 2**20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--samplers", nargs="+", default=["tpe", "random"])
    parser.add_argument("--pack", type=int, default=16)
    args = parser.parse_args()
    print("| sampler | trials | driver CPU per trial | wall per trial | driver memory |\n|---|---|---|---|---|")
    for sampler in args.samplers:
        measure(sampler, args.trials, args.pack)


def measure(sampler: str, trials: int, pack: int) -> None:
    """One sweep; a line per window of trials, each window a tenth of all."""
    with tempfile.TemporaryDirectory() as name:
        simulate(models=8, questions=120, seed=0).save(Path(name) / "data")
        config = SweepConfig(
            data=f"{name}/data",
            out=f"{name}/sweep",
            trials=trials,
            seeds=1,
            space=SPACE,
            sampler=sampler,  # type: ignore[arg-type]
            split="random",
            pack=pack,
            tracking_uri=f"sqlite:///{name}/mlflow.db",
        )
        sweep = Sweep.create(config)
        tracker = MlflowTracker.start(
            "driver",
            sweep_dir=sweep.folder.path,
            objective=config.objective,
            provenance=Provenance.collect(data_name="simulated", data_digest=sweep.data.digest),
            tracking_uri=config.tracking_uri,
        )
        meter = Meter()
        began = time.perf_counter()
        sweep.run((meter, tracker))
        searched = time.perf_counter()
        tracker.finish("FINISHED", timeout=600)
        delivered = time.perf_counter()
    step = max(1, trials // 10)
    for end in range(step, trials + 1, step):
        (cpu0, wall0, _), (cpu1, wall1, memory) = meter.notes[end - step], meter.notes[end - 1]
        cells = f"{1000 * (cpu1 - cpu0) / (step - 1):.1f} ms | {1000 * (wall1 - wall0) / (step - 1):.1f} ms"
        print(f"| {sampler} | {end - step + 1:,}–{end:,} | {cells} | {memory:.0f} MB |", flush=True)
    print(
        f"\n{sampler}: {trials:,} trials in {searched - began:.1f} s, MLflow had them all {delivered - searched:.1f} s "
        f"later: {3 * trials / (delivered - began):.0f} writes/s (three to a trial)\n",
        flush=True,
    )


if __name__ == "__main__":
    main()
