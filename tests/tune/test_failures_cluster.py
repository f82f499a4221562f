"""Several nodes, as far as one machine can pretend: all of them work, and one that is lost costs nothing but time."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from embedllm.data.simulate import simulate
from tune.cli.session import conduct
from tune.config import SearchSpace, SweepConfig
from tune.engine.cluster import QUIET, QUIET_OPTIONS
from tune.records import TrialRecord
from tune.runner import Sweep
from tune.search.study import read_records
from tune.tracking.tracker import MlflowTracker

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SPACE = SearchSpace(
    encoder=["lsa:8"], embedding_dim=[4, 8, 16], training_questions=[1.0], epochs=[40], batch_questions=[32]
)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head with one CPU, to which this process is connected."""
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    import ray
    from ray.cluster_utils import Cluster

    pretended = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    ray.init(address=pretended.address, **QUIET_OPTIONS)
    yield pretended
    ray.shutdown()
    pretended.shutdown()


def test_a_lost_node_costs_nothing_but_time(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMBEDLLM_CACHE", str(tmp_path / "cache"))
    cluster.add_node(num_cpus=2)
    data = simulate(models=10, questions=300, seed=3).save(tmp_path / "pool")
    config = SweepConfig(
        data=str(data), out=str(tmp_path / "s"), trials=40, seeds=2, space=SPACE, pack=3, slots=3, cpus_per_pack=1
    )
    remote = {str(node.node_id)[:8] for node in cluster.worker_nodes}
    lost: list[str] = []
    real = MlflowTracker.trial_finished

    def trial_finished(self: MlflowTracker, record: TrialRecord) -> None:
        real(self, record)
        worker = str(record.worker).partition("/")[2][:8]
        if not lost and worker in remote and record.role == "trial":  # it works: away with it
            lost.append(worker)
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

    monkeypatch.setattr(MlflowTracker, "trial_finished", trial_finished)
    assert conduct(Sweep.create(config)) == 0
    assert lost, "the node did take part"
    assert "Trials: 40 complete, 0 failed." in capsys.readouterr().out
    records = read_records(tmp_path / "s")
    assert Counter(record.state for record in records if record.role == "trial") == {"COMPLETE": 40}
    workers = Counter(str(record.worker).partition("/")[2][:8] for record in records)
    assert len(workers) == 2

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("embedllm-tune")
    assert experiment is not None
    children = [run for run in client.search_runs([experiment.experiment_id]) if run.data.tags["role"] != "sweep"]
    logged = Counter((run.data.tags["role"], int(run.data.tags["trial"])) for run in children)
    assert logged == Counter((record.role, record.trial) for record in records)
    assert {run.data.tags["worker"] for run in children} == {record.worker for record in records}


def test_a_node_that_joins_late_takes_part(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EMBEDLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tune.engine.room.LOOK_SECONDS", 0.5)
    data = simulate(models=10, questions=1200, seed=3).save(tmp_path / "pool")
    # Packs that take longer than a worker to start: Ray Tune ends one that starts when another falls idle.
    space = replace(SPACE, epochs=[200], batch_questions=[16])
    config = SweepConfig(
        data=str(data), out=str(tmp_path / "s"), trials=80, seeds=2, space=space, pack=8, cpus_per_pack=1
    )
    joined: list[str] = []
    real = MlflowTracker.trial_finished

    def trial_finished(self: MlflowTracker, record: TrialRecord) -> None:
        real(self, record)
        if not joined:
            joined.append(str(cluster.add_node(num_cpus=2).node_id)[:8])

    monkeypatch.setattr(MlflowTracker, "trial_finished", trial_finished)
    assert conduct(Sweep.create(config)) == 0
    assert "the cluster has changed: 3 at a time from now on (before: 1)" in caplog.messages
    records = read_records(tmp_path / "s")
    assert Counter(record.state for record in records if record.role == "trial") == {"COMPLETE": 80}
    assert joined[0] in {str(record.worker).partition("/")[2][:8] for record in records}


def test_packs_run_on_every_gpu_of_every_node() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fake_cluster"], capture_output=True, text=True, timeout=280, cwd=ROOT,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"/(\w{8}) GPU (\d)\s+(\d+)\s+(\d+)$", done.stdout, re.MULTILINE)
    assert Counter(node for node, *_ in rows) == dict.fromkeys({node for node, *_ in rows}, 2)
    assert len(rows) == 4
    assert sum(int(trials) for *_, trials in rows) == 64 + 1
    assert all(int(packs) > 0 for *_, packs, _ in rows)
