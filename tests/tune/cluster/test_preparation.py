"""What Ray itself says of a file, and what is done where it cannot be asked."""

import sys
import types
from pathlib import Path

import pytest
import yaml

from tune.cluster.check import check_cluster
from tune.cluster.preparation import MODULE, prepare

LOCAL = {"cluster_name": "a", "provider": {"type": "local", "head_ip": "192.0.2.1", "worker_ips": ["192.0.2.2"]}}


def test_defaults_are_filled_in() -> None:
    prepared = prepare(LOCAL)
    assert (prepared.complete, prepared.findings, prepared.note) == (True, (), None)
    assert prepared.config["worker_start_ray_commands"] == ["ray stop", "ray start --address=$RAY_HEAD_IP:6379"]
    assert "max_workers" not in LOCAL


def test_a_refusal_is_a_finding() -> None:
    prepared = prepare({"cluster_name": "a", "provider": {"type": "local"}})
    assert not prepared.complete
    (found,) = prepared.findings
    assert found.level == "error"
    assert found.text.startswith("Ray refuses the file: Please supply a `head_ip` and list of `worker_ips`.")


def test_what_ray_trips_over_is_a_finding() -> None:
    (found,) = prepare({"cluster_name": "a"}).findings
    assert (found.level, found.text) == ("error", "Ray refuses the file: KeyError: 'provider'")


def test_without_rays_private_functions_the_schema_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, types.ModuleType(MODULE))
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(LOCAL | {"max_worker": 1}))
    check = check_cluster(file)
    assert check.note is not None
    assert "was checked with Ray's published schema only" in check.note
    assert "max_worker" in [one.key for one in check.errors]
    assert not any("ray start" in one.text for one in check.findings), "Ray's own start lines are not known"
