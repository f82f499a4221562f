"""Node types as they are counted, and the packs that find room on them."""

from typing import Any

import pytest

from tune.cluster.node_types import largest_cluster, node_types, packs_at_once


def config(**worker: Any) -> dict[str, Any]:
    return {
        "provider": {"type": "aws", "region": "r"},
        "max_workers": 3,
        "head_node_type": "head",
        "available_node_types": {
            "gpu": {"max_workers": 2, "resources": {"CPU": 8, "GPU": 2}, "node_config": {"InstanceType": "g5.xlarge"}}
            | worker,
            "cpu": {"resources": {"CPU": 4}, "node_config": {"InstanceType": "m6i.xlarge"}},
            "head": {"resources": {"CPU": 0}, "node_config": {"InstanceType": "m6i.large"}},
        },
    }


def test_the_head_comes_first_and_is_one() -> None:
    found = node_types(config())
    assert [(one.name, one.role, one.least, one.most) for one in found] == [
        ("head", "head", 1, 1),
        ("gpu", "worker", 0, 2),
        ("cpu", "worker", 0, 3),
    ]


def test_the_largest_cluster_takes_gpus_first_and_stops_at_max_workers() -> None:
    nodes = largest_cluster(node_types(config()), 3)
    assert nodes is not None
    assert [(node.cpus, node.gpus) for node in nodes] == [(0, 0), (8, 2), (8, 2), (4, 0)]
    slots = packs_at_once(nodes)
    assert slots is not None
    assert (slots.count, slots.gpus) == (8, 0.5)


def test_machines_of_unknown_size_are_not_counted() -> None:
    found = node_types(config(resources={}))
    assert next(one for one in found if one.name == "gpu").gpus is None
    assert largest_cluster(found, 3) is None


def test_no_room_for_a_pack() -> None:
    nodes = largest_cluster(node_types(config(resources={"CPU": 0, "GPU": 2})), 2)
    assert nodes is not None
    assert packs_at_once(nodes) is None


@pytest.mark.parametrize(
    ("kind", "machine", "market"),
    [
        ("aws", {"InstanceMarketOptions": {"MarketType": "spot"}}, "spot"),
        ("gcp", {"scheduling": [{"preemptible": True}]}, "spot"),
        ("gcp", {"scheduling": {"provisioningModel": "SPOT"}}, "spot"),
        ("azure", {"azure_arm_parameters": {"vmSize": "Standard_NC6s_v3", "priority": "Spot"}}, "spot"),
        ("aws", {}, "on demand"),
    ],
)
def test_how_machines_are_paid(kind: str, machine: dict[str, Any], market: str) -> None:
    changed = config(node_config=machine) | {"provider": {"type": kind}}
    assert next(one for one in node_types(changed) if one.name == "gpu").market == market


def test_machines_of_ones_own() -> None:
    found = node_types({"provider": {"type": "local", "head_ip": "a", "worker_ips": ["b", "c"]}, "max_workers": 1})
    assert [(one.role, one.least, one.most, one.machine) for one in found] == [
        ("head", 1, 1, "a"),
        ("worker", 1, 1, "b, …"),
    ]
