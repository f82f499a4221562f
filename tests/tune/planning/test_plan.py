"""The plan on a cluster of several nodes, made up on this machine, and on a worker that fails."""

from collections.abc import Iterator

import numpy as np
import pytest

from embedllm.data.simulate import simulate
from embedllm.data.splits import random_split
from tune.config import Range, SearchSpace, SweepConfig
from tune.data import SweepData
from tune.engine.slots import Node
from tune.planning.memory import GIB
from tune.planning.plan import plan_packs_here
from tune.planning.probe import Throughput

CONFIG = SweepConfig(trials=64, seeds=2, space=SearchSpace(encoder=["e"], embedding_dim=Range(4, 64), epochs=[2]))
GPU_CLUSTER = {"CPU": 16.0, "GPU": 2.0}
BLIND = (
    "Ray has GPUs but PyTorch on the worker sees none: packs train on the CPU; install a CUDA build of torch on every "
    "node"
)


@pytest.fixture(scope="module")
def source() -> SweepData:
    data = simulate(models=8, questions=300, seed=0)
    encodings = np.random.default_rng(0).normal(size=(300, 32)).astype(np.float32)
    return SweepData(data, random_split(data, seed=0), {"e": encodings})


@pytest.fixture
def one_node(monkeypatch: pytest.MonkeyPatch) -> Node:
    node = Node("a", "10.0.0.1", True, 16, 2, 64 * GIB)
    monkeypatch.setattr("tune.planning.plan.cluster_nodes", lambda: [node])
    return node


@pytest.fixture
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> Node:
    node = Node("a", "10.0.0.1", True, 2, 0, 8 * GIB)
    monkeypatch.setattr("tune.planning.plan.cluster_nodes", lambda: [node])
    return node


def with_gpu(monkeypatch: pytest.MonkeyPatch, total: int, free: int) -> None:
    found = Throughput({1: 1e-3, 16: 1e-4}, 1e-3, 1e-3, {"e": 1.0}, gpu_bytes=(total, free))
    monkeypatch.setattr("tune.planning.plan.probe", lambda task, slots: found)


def test_a_short_sweep_is_not_held_up_by_a_probe(
    source: SweepData, two_cpus: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tune.planning.plan.probe", lambda task, slots: pytest.fail("probed"))
    plan = plan_packs_here(CONFIG, source, {"CPU": 2.0})
    assert plan.packs.seconds is None
    assert plan.findings == []
    assert plan.line(CONFIG) == (
        "64 trials x 2 seeds in packs of up to 5 (rule of thumb: at least 6 packs in a row per slot, so that "
        "the sampler can learn), 2 at a time on 1 CPU each"
    )


def test_a_long_one_is_planned_on_measured_speed(
    source: SweepData, one_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch, 80 * GIB, 70 * GIB)
    space = SearchSpace(encoder=["e"], embedding_dim=Range(4, 64), epochs=[10_000])
    long = CONFIG.replace(trials=100_000, space=space)
    plan = plan_packs_here(long, source, GPU_CLUSTER)
    assert plan.packs.size == 16
    assert plan.packs.available == 35 * GIB  # half of what is free
    assert "measured: " in plan.line(long)
    assert plan.line(long).endswith("4 at a time on 4 CPUs and 0.5 GPUs each")


def test_a_share_of_a_gpu_too_small_for_a_pack(
    source: SweepData, one_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch, 1 * GIB, 1 * GIB)
    [finding] = plan_packs_here(CONFIG.replace(pack=8), source, GPU_CLUSTER, always_probe=True).findings
    assert finding.kind == "problem"
    assert finding.text.startswith("a pack of 8 needs about 6")
    assert finding.text.endswith(
        "but 512 MiB are available to each pack; lower pack to 1, or raise gpus_per_pack, or use fewer seeds, or use "
        "a smaller embedding_dim"
    )
    # Somebody else is on the GPU: what is free counts.
    with_gpu(monkeypatch, 80 * GIB, GIB // 4)
    [finding] = plan_packs_here(CONFIG, source, GPU_CLUSTER, always_probe=True).findings
    assert "but 128 MiB are available to each pack" in finding.text


def test_gpus_that_torch_does_not_see_are_told(
    source: SweepData, one_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Throughput({1: 1e-3, 16: 1e-4}, 1e-3, 1e-3, {"e": 1.0})
    monkeypatch.setattr("tune.planning.plan.probe", lambda task, slots: found)
    [finding] = plan_packs_here(CONFIG, source, GPU_CLUSTER, always_probe=True).findings
    assert (finding.kind, finding.text) == ("warning", BLIND)
    without = plan_packs_here(CONFIG.replace(gpus_per_pack=0.0), source, GPU_CLUSTER, always_probe=True)
    assert without.findings == []
    assert without.packs.available == 4 * GIB  # of the host: 64 GiB for 16 packs


def test_a_sweep_can_do_without_a_probe_that_fails(
    source: SweepData, two_cpus: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Throughput:
        raise RuntimeError("long story\nthe worker is gone")

    monkeypatch.setattr("tune.planning.plan.probe", fail)
    plan = plan_packs_here(CONFIG, source, {"CPU": 2.0}, always_probe=True)
    [finding] = plan.findings
    assert (finding.kind, finding.text) == ("warning", "training speed could not be measured: the worker is gone")
    assert plan.packs.size == 5


@pytest.fixture
def two_nodes() -> Iterator[dict[str, float]]:
    import ray
    from ray.cluster_utils import Cluster

    if ray.is_initialized():
        pytest.skip("this process has a Ray already")
    head = {"num_cpus": 2, "num_gpus": 2, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=2, num_gpus=2)
        ray.init(address=cluster.address, log_to_driver=False)
        yield ray.cluster_resources()
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.slow
def test_two_nodes_with_two_gpus_each(source: SweepData, two_nodes: dict[str, float]) -> None:
    plan = plan_packs_here(CONFIG, source, two_nodes, always_probe=True)
    assert [node.gpus for node in plan.nodes] == [2, 2]
    assert (plan.slots.count, plan.slots.cpus, plan.slots.gpus) == (4, 1, 0.5)
    # Both nodes have this program, nothing must be shared; these GPUs are none, so host memory is what counts.
    assert [finding.text for finding in plan.findings] == [BLIND]
    assert plan.packs.seconds is not None
    assert plan.packs.available is not None
    assert plan.packs.available > plan.packs.memory.total


@pytest.mark.slow
def test_a_node_that_cannot_run_the_program_is_named(
    source: SweepData, two_nodes: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tune.planning.preflight.__version__", "9.9")
    findings = plan_packs_here(CONFIG, source, two_nodes).findings
    assert len(findings) == 2
    assert all("this process 9.9; install the same version on every node" in finding.text for finding in findings)
