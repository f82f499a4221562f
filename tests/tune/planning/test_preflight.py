"""Every check made before a sweep starts, and the text a user would read."""

import http.server
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from embedllm.errors import ConfigError
from tune.config import SweepConfig
from tune.engine.slots import Node, Slots, memory_per_pack
from tune.planning.memory import GIB, MIB
from tune.planning.preflight import (
    Finding,
    check_folder,
    check_nodes,
    check_slots,
    check_storage,
    check_tracking,
    refuse,
)


def node(name: str = "a", *, alive: bool = True, cpus: float = 8, gpus: float = 0, memory: float = 16 * GIB) -> Node:
    return Node(name, f"10.0.0.{ord(name)}", alive, cpus, gpus, memory)


@pytest.fixture
def server() -> Iterator[str]:
    class Healthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Healthy) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def only(findings: list[Finding], kind: str = "problem") -> str:
    [finding] = findings
    assert finding.kind == kind
    return finding.text


def test_a_folder_that_need_not_exist_yet(tmp_path: Path) -> None:
    assert check_folder(tmp_path / "sweeps" / "first") == []
    assert not (tmp_path / "sweeps").exists()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "sweeps").touch()
    text = only(check_folder(tmp_path / "sweeps" / "first"))
    assert text == (
        f"{tmp_path}/sweeps/first cannot be created: {tmp_path}/sweeps is not a folder; choose another with --out"
    )


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root, who runs tests in containers, may do anything
    assert only(check_folder(tmp_path / "first")).startswith(f"{tmp_path} is not writable; choose another")


@pytest.mark.parametrize(
    ("free", "kind", "text"),
    [
        (50 * MIB, "problem", "is nearly full: 50 MiB free, at least 100 MiB needed; free some space, or choose"),
        (500 * MIB, "warning", "has only 500 MiB free"),
    ],
)
def test_a_disk_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, kind: str, text: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert text in only(check_folder(tmp_path), kind)


def test_a_server_that_answers(server: str) -> None:
    assert check_tracking(server) == []
    assert check_tracking(f"{server}/mlflow") == []  # a refusal is an answer: a proxy may want credentials first


def test_a_server_that_does_not_answer(closed_port: int) -> None:
    text = only(check_tracking(f"http://127.0.0.1:{closed_port}"))
    assert text == (
        f"the MLflow tracking server http://127.0.0.1:{closed_port} does not answer (Connection refused); start it, "
        "correct --tracking-uri or MLFLOW_TRACKING_URI, or use a local file: --tracking-uri sqlite:///mlflow.db"
    )
    text = only(check_tracking(f"postgresql://me:secret@127.0.0.1:{closed_port}/mlflow"))
    assert f"server postgresql://me:***@127.0.0.1:{closed_port}/mlflow does not answer (Connection refused)" in text
    assert "secret" not in text


def test_a_server_that_takes_too_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "does not answer (no answer in 3 s)" in only(check_tracking(uri, timeout=0.2))


def test_a_local_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{tmp_path}/sub/mlflow.db"
    assert check_tracking(uri) == []
    assert not (tmp_path / "sub").exists()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert f"MLflow's database {tmp_path}/sub/mlflow.db: {tmp_path} is not writable" in only(check_tracking(uri))


def test_storage_is_both(tmp_path: Path, closed_port: int) -> None:
    (tmp_path / "file").touch()
    config = SweepConfig(tracking_uri=f"http://127.0.0.1:{closed_port}")
    findings = check_storage(config, tmp_path / "file" / "sweep")
    assert len(findings) == 2
    with pytest.raises(ConfigError) as caught:
        refuse(findings)
    assert str(caught.value).startswith("2 problems:\n  - ")
    assert "is not a folder" in str(caught.value)
    assert "does not answer" in str(caught.value)


def test_one_problem_is_told_by_itself_and_warnings_are_passed_on() -> None:
    with pytest.raises(ConfigError, match=r"^the disk is full$"):
        refuse([Finding("warning", "hot"), Finding("problem", "the disk is full")])
    assert refuse([Finding("warning", "hot")]) == ["hot"]


def test_dead_nodes_are_named() -> None:
    text = only(check_nodes([node("a"), node("b", alive=False)]), "warning")
    assert text == "1 of 2 nodes is dead and left out: 10.0.0.98"


def test_packs_must_fit_single_nodes() -> None:
    assert check_slots(Slots(4, 2, 0.0), [node(cpus=8)]) == []
    text = only(check_slots(Slots(1, 6, 0.0), [node("a", cpus=4), node("b", cpus=4)]))
    assert text.startswith("no node has room for a pack of 6 CPUs, though the cluster as a whole has; lower cpus_per")
    # A dead node has room for nothing.
    only(check_slots(Slots(1, 2, 0.0), [node("a", cpus=1), node("b", alive=False)]))


def test_memory_is_shared_by_the_packs_of_a_node() -> None:
    nodes = [node("a", cpus=8), node("b", cpus=2, memory=6 * GIB), node("c", alive=False, memory=GIB)]
    assert memory_per_pack(Slots(10, 1, 0.0), nodes) == 2 * GIB  # 16 GiB for 8, 6 GiB for 2
    assert memory_per_pack(Slots(1, 1, 0.0), nodes[:1]) == 16 * GIB
    assert memory_per_pack(Slots(1, 1, 0.0), [node(memory=0)]) is None
