"""What Ray's autoscaler says, as `ray status` printed it on real clusters."""

import pytest

from tune.cluster import autoscaler
from tune.cluster.autoscaler import nodes_to_come

STATUS = """======== Autoscaler status: 2026-11-22 08:28:13.947971 ========
Node status
---------------------------------------------------------------
Active:
 1 local.cluster.node
Idle:
 (no idle nodes)
Pending:
 10.77.0.12: local.cluster.node, setting-up
 0cb883c3-a2dd-4d54-b3eb-32dccf8d9483: local.cluster.node,{blank}
Recent failures:
 local.cluster.node: NodeTerminated (instance_id: 10.77.0.11)

Resources
---------------------------------------------------------------
Total Usage:
 0.0/2.0 CPU

Pending Demands:
 (no resource demands)
""".format(blank=" ")


def test_nodes_that_are_set_up_and_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoscaler, "_status", lambda: STATUS)
    assert nodes_to_come() == [
        "pending: 10.77.0.12: local.cluster.node, setting-up",
        "pending: 0cb883c3-a2dd-4d54-b3eb-32dccf8d9483: local.cluster.node",
        "failed: local.cluster.node: NodeTerminated (instance_id: 10.77.0.11)",
    ]


@pytest.mark.parametrize(
    "status", ["No cluster status. It may take a few seconds for the Ray internal services to start up.", ""]
)
def test_a_cluster_without_an_autoscaler(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoscaler, "_status", lambda: status)
    assert nodes_to_come() == []


def test_nobody_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        autoscaler, "_status", lambda: "Pending:\n (no pending nodes)\nRecent failures:\n (no failures)"
    )
    assert nodes_to_come() == []


def test_another_version_of_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def moved() -> str:
        raise ImportError

    monkeypatch.setattr(autoscaler, "_status", moved)
    assert nodes_to_come() == []
