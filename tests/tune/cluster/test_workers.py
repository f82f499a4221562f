"""Workers asked for and waited for: what the autoscaler is told, and a rehearsal on a head that does not train."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from embedllm.errors import EmbedLLMError
from tune.cluster import workers
from tune.cluster.workers import Wanted, describe, wait_for_workers
from tune.engine.cluster import QUIET
from tune.engine.slots import Node
from tune.search.study import read_records

ROOT = Path(__file__).parents[3]
HEAD = Node("h", "a", True, 0, 0, 0)
WORKER = Node("w", "b", True, 4, 1, 0)
DEAD = Node("d", "c", False, 4, 1, 0)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, float]]]:
    """What the autoscaler is asked for; joined clusters are pretended."""
    import ray.autoscaler.sdk

    asked: list[list[dict[str, float]]] = []
    monkeypatch.setattr(ray.autoscaler.sdk, "request_resources", lambda *, bundles: asked.append(bundles))

    @contextmanager
    def joined(address: str) -> Iterator[dict[str, float]]:
        yield {}

    monkeypatch.setattr(workers, "ray_cluster", joined)
    monkeypatch.setattr(workers, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(workers, "nodes_to_come", list)
    return asked


def nodes_over_time(*looks: list[Node]) -> Callable[[], list[Node]]:
    remaining = list(looks)
    return lambda: remaining.pop(0) if len(remaining) > 1 else remaining[0]


def test_a_request_is_made_and_withdrawn(requests: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    looks = nodes_over_time([HEAD], [HEAD], [HEAD, WORKER], [HEAD, WORKER, WORKER, DEAD])
    monkeypatch.setattr(workers, "cluster_nodes", looks)
    news: list[str] = []
    found = wait_for_workers(Wanted(gpus=2), "auto", 60, on_news=news.append)
    assert found == "3 nodes with 8 CPUs and 2 GPUs"
    assert news == ["1 node with 0 CPUs and 0 GPUs", "2 nodes with 4 CPUs and 1 GPU", found]
    assert requests == [[{"GPU": 1.0}, {"GPU": 1.0}], []]


def test_workers_that_do_not_come(requests: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cluster_nodes", lambda: [HEAD, WORKER])
    with pytest.raises(EmbedLLMError) as failure:
        wait_for_workers(Wanted(cpus=5, gpus=2), "auto", 0.06)
    assert str(failure.value) == (
        "the cluster has 2 nodes with 4 CPUs and 1 GPU after 0.001 minutes, not 2 GPUs and 5 CPUs; `ray monitor` with "
        "the cluster file may show why (a machine that cannot be reached or set up, no such machines to be had, a "
        "quota, max_workers of the cluster file); ask for less, or wait longer with --minutes"
    )
    assert requests[-1] == []


def test_what_the_autoscaler_says_is_passed_on(requests: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cluster_nodes", lambda: [HEAD])
    said = iter([["pending: 10.0.0.2: gpu, waiting-for-ssh"], ["pending: 10.0.0.2: gpu, setting-up"]])
    monkeypatch.setattr(workers, "nodes_to_come", lambda: next(said, ["failed: 10.0.0.2: gpu"]))
    news: list[str] = []
    with pytest.raises(EmbedLLMError, match=r"0 GPUs after 0.00167 minutes, not 1 GPU \(failed: 10.0.0.2: gpu\); `ray"):
        wait_for_workers(Wanted(gpus=1), "auto", 0.1, on_news=news.append)
    assert news == [
        "1 node with 0 CPUs and 0 GPUs; pending: 10.0.0.2: gpu, waiting-for-ssh",
        "1 node with 0 CPUs and 0 GPUs; pending: 10.0.0.2: gpu, setting-up",
        "1 node with 0 CPUs and 0 GPUs; failed: 10.0.0.2: gpu",
    ]


def test_an_interruption_withdraws_the_request(requests: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> list[Node]:
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "cluster_nodes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        wait_for_workers(Wanted(gpus=1), "auto", 60)
    assert requests == [[{"GPU": 1.0}], []]


def test_dead_nodes_do_not_count() -> None:
    assert describe([HEAD, DEAD]) == "1 node with 0 CPUs and 0 GPUs"
    assert not Wanted(cpus=1).met_by([HEAD, DEAD])
    assert Wanted(cpus=4, gpus=1).met_by([HEAD, WORKER])


CLUSTER = """
import sys
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0})
try:
    print(cluster.address, flush=True)
    for line in sys.stdin:  # one node for every line
        cluster.add_node(num_cpus=int(line))
finally:
    cluster.shutdown()
"""


@contextmanager
def head_without_cpus(environment: dict[str, str]) -> Iterator[tuple[str, IO[str]]]:
    """A cluster in a process of its own, as this one may have begun without tokens: its address, and where to ask for
    nodes."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.stdin
    finally:
        process.stdin.close()
        process.wait(60)


@pytest.mark.slow
def test_a_sweep_on_a_head_that_does_not_train(tmp_path: Path) -> None:
    """The commands of cluster.yaml, with a token, on a head without CPUs and two workers that come late."""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("t" * 40)
    environment = os.environ | QUIET | {"HOME": str(tmp_path), "RAY_AUTH_MODE": "token", "PYTHONPATH": str(ROOT)}
    tune = [sys.executable, "-m", "tune"]

    def run(*words: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*tune, *words], env=environment | changed, cwd=tmp_path, capture_output=True, text=True, timeout=200,
            check=False,
        )  # fmt: skip

    with head_without_cpus(environment) as (address, nodes):
        waiting = subprocess.Popen(
            [*tune, "cluster", "wait", "--cpus", "2", "--minutes", "2", "--address", address],
            env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(3)
        nodes.write("1\n1\n")
        nodes.flush()
        out, err = waiting.communicate(timeout=120)
        assert (waiting.returncode, out) == (0, "The cluster has 3 nodes with 2 CPUs and 0 GPUs.\n"), err
        done = run("run", "--trials", "8", "--pack", "1", "--out", "sweeps/first", "--address", address)
        assert done.returncode == 0, done.stderr
        refused = run("cluster", "wait", "--cpus", "1", "--address", address, RAY_AUTH_MODE="disabled")
        assert refused.returncode == 2
        assert "no Ray cluster answers" in refused.stderr
    records = read_records(tmp_path / "sweeps" / "first")
    assert Counter(record.state for record in records) == {"COMPLETE": 9}
    assert len({record.worker for record in records}) == 2, "both workers took part, the head did not"
