"""Dividing a cluster into slots."""

from collections.abc import Sequence

import pytest

from embedllm.errors import ConfigError
from tune.config import SweepConfig
from tune.engine.slots import Node, Slots, plan_slots

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
