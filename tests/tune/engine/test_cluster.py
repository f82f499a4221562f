"""Dividing a cluster into slots, and what is told when it cannot be had."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from embedllm.errors import ConfigError, EmbedLLMError
from tune.config import SweepConfig
from tune.engine.cluster import Node, Slots, check_address, hide_other_gpus, plan_slots, ray_cluster

CPU_ONLY = {"CPU": 8.0}
GPU_NODES = {"CPU": 32.0, "GPU": 4.0}


def slots(resources: dict[str, float], nodes: Sequence[Node] = (), packs: int = 100, **changes: object) -> Slots:
    return plan_slots(SweepConfig().replace(**changes), packs, resources, nodes)


def node(cpus: float, gpus: float = 0, *, alive: bool = True) -> Node:
    return Node("a", "10.0.0.1", alive, cpus, gpus, 1 << 34)


def test_cpus_are_one_slot_each() -> None:
    assert slots(CPU_ONLY) == Slots(8, 1, 0.0)
    assert slots(CPU_ONLY, cpus_per_pack=3) == Slots(2, 3, 0.0)
    assert slots(CPU_ONLY, packs=3) == Slots(3, 1, 0.0)
    assert slots(CPU_ONLY, slots=2) == Slots(2, 1, 0.0)
    assert slots(CPU_ONLY).resources == {"cpu": 1}


def test_gpus_are_shared_by_two() -> None:
    assert slots(GPU_NODES) == Slots(8, 4, 0.5)
    assert slots(GPU_NODES, gpus_per_pack=0.25) == Slots(16, 2, 0.25)
    assert slots(GPU_NODES, gpus_per_pack=2) == Slots(2, 4, 2)
    assert slots(GPU_NODES, gpus_per_pack=0.0) == Slots(32, 1, 0.0)
    # Thirds of a GPU: rounding must not cost the third.
    assert slots(GPU_NODES, gpus_per_pack=1 / 3).count == 12
    assert slots(GPU_NODES).resources == {"cpu": 4, "gpu": 0.5}


def test_cpus_can_be_what_limits_gpu_slots() -> None:
    assert slots({"CPU": 2.0, "GPU": 4.0}) == Slots(2, 1, 0.5)


def test_cpus_of_nodes_without_gpus_are_of_no_use_to_packs_on_gpus() -> None:
    both = {"CPU": 40.0, "GPU": 4.0}
    nodes = [node(32), node(8, 4), node(64, 8, alive=False)]
    assert slots(both, nodes) == Slots(8, 1, 0.5)
    assert slots(both, nodes, gpus_per_pack=1.0) == Slots(4, 2, 1.0)
    # CPUs that were asked for are kept: fewer packs find room.
    assert slots(both, nodes, cpus_per_pack=4) == Slots(2, 4, 0.5)
    assert slots(both, nodes, gpus_per_pack=0.0) == Slots(40, 1, 0.0)
    with pytest.raises(ConfigError, match=r"slots is 3 but .* room for only 2 packs of 4 CPUs and 0\.5 GPUs"):
        slots(both, nodes, cpus_per_pack=4, slots=3)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("cpus", "gpus"), [(8, 0), (8, 1), (8, 4), (2, 2), (32, 2), (1, 4)])
def test_on_nodes_that_are_alike_only_the_sums_count(count: int, cpus: int, gpus: int) -> None:
    resources = {"CPU": float(count * cpus), "GPU": float(count * gpus)}
    for share in (None, 0.0, 0.25, 1 / 3, 1.0) if gpus else (None, 0.0):
        known = slots(resources, [node(cpus, gpus)] * count, gpus_per_pack=share)
        assert known == slots(resources, gpus_per_pack=share)


def test_no_room_on_any_node_is_left_to_the_check_of_nodes() -> None:
    assert slots({"CPU": 8.0}, [node(4), node(4)], cpus_per_pack=6) == Slots(1, 6, 0.0)


def test_a_head_that_does_not_train_is_no_cluster_yet() -> None:
    with pytest.raises(
        ConfigError, match=r"no node of the cluster has a CPU for Ray to use yet; ask .* `python -m tune"
    ):
        slots({"CPU": 0.0, "memory": 1e9}, [node(0)], gpus_per_pack=1.0)


def test_what_does_not_fit_is_refused_in_one_message() -> None:
    with pytest.raises(ConfigError) as caught:
        slots(CPU_ONLY, gpus_per_pack=1.0, cpus_per_pack=9)
    assert "gpus_per_pack is 1 but the cluster has 0 GPUs" in str(caught.value)
    assert "cpus_per_pack is 9 but the cluster has 8 CPUs" in str(caught.value)
    with pytest.raises(ConfigError, match="cluster of 8 CPUs and 0 GPUs has room for only 8 packs of 1 CPU;"):
        slots(CPU_ONLY, slots=9)


def test_a_missing_cluster_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nmore")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at .auto. .*start one with `ray start --head`"):
        ray_cluster("auto").__enter__()


def test_a_cluster_that_is_gone_is_told_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(ConfigError, match=f"no Ray cluster answers at '{address}' .*`resume SWEEP --address local`"):
        check_address(address)


def test_addresses_that_ray_finds_by_itself_are_left_to_it() -> None:
    for address in (None, "auto", "local"):
        check_address(address)
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        head.listen()
        check_address(f"127.0.0.1:{head.getsockname()[1]}")


def test_ray_that_is_late_is_started_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def late(**options: object) -> None:
        attempts.append(options["num_cpus"])
        raise Exception("The current node timed out during startup.")

    def silent(**options: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", late)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    with pytest.raises(EmbedLLMError, match="Ray did not start on this machine, 2 times: The current node timed out"):
        ray_cluster(None, num_cpus=2).__enter__()
    monkeypatch.setattr("ray.init", silent)
    with pytest.raises(EmbedLLMError, match="Ray did not start on this machine, 2 times: RuntimeError"):
        ray_cluster(None, num_cpus=2).__enter__()
    assert attempts == [2, 2]


def joined(monkeypatch: pytest.MonkeyPatch, error: Exception) -> dict[str, object]:
    """What Ray is asked for where joining a cluster ends in an error."""
    asked: dict[str, object] = {}

    def fail(**options: object) -> None:
        asked.update(options)
        raise error

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", fail)
    with pytest.raises(ConfigError) as caught:
        ray_cluster("auto").__enter__()
    return asked | {"told": str(caught.value)}


def test_ray_client_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"'ray://head:10001' but Ray Client is not supported; run this program on a "
    ):
        check_address("ray://head:10001")


def test_a_cluster_of_other_versions_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.11.2\nThis process…"
    told = str(joined(monkeypatch, RuntimeError(text))["told"])
    assert "(Version mismatch: The cluster was started with: Ray: 2.9.0 Python: 3.11.2 This process…)" in told
    assert told.endswith("install the cluster's versions here")
    with pytest.raises(RuntimeError, match="something else"):
        joined(monkeypatch, RuntimeError("something else"))


def test_where_the_program_must_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "run this program on a node of it" in str(joined(monkeypatch, ConnectionError("no node here"))["told"])


def test_workers_of_a_cluster_that_runs_already_use_the_same_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDLLM_CACHE", "cache")
    asked = joined(monkeypatch, ConnectionError("none"))
    assert asked["runtime_env"] == {"env_vars": {"EMBEDLLM_CACHE": str(tmp_path / "cache")}}
    # Ray refuses a variable that its job has in its environment.
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", '{"runtime_env": {"env_vars": {"EMBEDLLM_CACHE": "/a"}}}')
    assert joined(monkeypatch, ConnectionError("none"))["runtime_env"] is None
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR")
    monkeypatch.delenv("EMBEDLLM_CACHE")
    assert joined(monkeypatch, ConnectionError("none"))["runtime_env"] is None


@pytest.mark.parametrize(("under_ray", "given", "visible"), [(True, [], ""), (True, [1], "0,1"), (False, [], "0,1")])
def test_a_worker_without_gpus_sees_none(
    monkeypatch: pytest.MonkeyPatch, under_ray: bool, given: list[int], visible: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr("ray.is_initialized", lambda: under_ray)
    monkeypatch.setattr("ray.get_gpu_ids", lambda: given)
    hide_other_gpus()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible
