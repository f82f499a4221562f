"""A sweep on a pretended cluster: two nodes on this machine, two GPUs each that are not there. Who trained what?

    python -m benchmarks.fake_cluster
    python -m benchmarks.fake_cluster --trials 96 --pack 4

Ray hands out the pretended GPUs as it would real ones; packs train on the CPU. Printed is how many packs and trials
each GPU of each node got; packs take longer than a worker takes to start, or the first one would do all the work. The
exit code is 1 if one of them got none.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import tune.runner
from embedllm.data import simulate
from tune.config import Range, SearchSpace, SweepConfig
from tune.engine.cluster import QUIET, QUIET_OPTIONS
from tune.engine.dispatch import Dispatcher, Outcome

NODES, GPUS = 2, 2
SPACE = SearchSpace(
    encoder=["lsa:16"], embedding_dim=Range(4, 32), training_questions=[1.0], epochs=[200], batch_questions=[64]
)
PACKS: Counter[str] = Counter()


class CountingDispatcher(Dispatcher):
    """Counts the packs of every worker."""

    def finished(self, key: str, outcome: Outcome) -> None:
        if outcome.records:
            PACKS[str(outcome.records[0].worker)] += 1
        super().finished(key, outcome)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=64, help="finished trials (default: 64)")
    parser.add_argument("--pack", type=int, default=4, help="trials per pack (default: 4)")
    arguments = parser.parse_args()

    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMBEDLLM_CACHE"] = f"{folder}/cache"
        data = simulate(models=20, questions=1000, seed=0).save(Path(folder) / "pool")
        config = SweepConfig(
            data=str(data), out=f"{folder}/sweep", trials=arguments.trials, pack=arguments.pack, seeds=2,
            space=SPACE, gpus_per_pack=1.0, cpus_per_pack=1,
        )  # fmt: skip
        cluster = Cluster()
        try:
            for _ in range(NODES):
                cluster.add_node(num_cpus=GPUS, num_gpus=GPUS)
            ray.init(address=cluster.address, **QUIET_OPTIONS)
            tune.runner.Dispatcher = CountingDispatcher  # type: ignore[misc]
            result = tune.runner.run_sweep(config)
        finally:
            ray.shutdown()
            cluster.shutdown()

    trials = Counter(str(record.worker) for record in result.records)
    print(f"{result.count('COMPLETE')} trials and the baseline on {NODES} nodes of {GPUS} GPUs, {result.seconds:.1f} s")
    print(f"{'worker':<40} {'packs':>5} {'trials':>6}")
    for worker in sorted(trials):
        print(f"{worker:<40} {PACKS[worker]:>5} {trials[worker]:>6}")
    return 0 if len(trials) == NODES * GPUS else 1


if __name__ == "__main__":
    sys.exit(main())
