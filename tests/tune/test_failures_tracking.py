"""MLflow that fails while a sweep runs: training goes on, and MLflow has every trial exactly once in the end."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tune.tracking.tracker
from embedllm.data.simulate import simulate
from tune.cli.session import conduct
from tune.config import Range, SearchSpace, SweepConfig
from tune.records import TrialRecord
from tune.runner import Sweep
from tune.search.study import read_records
from tune.tracking.tracker import OUTBOX_FILE, MlflowTracker

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_here")]

SPACE = SearchSpace(
    encoder=["lsa:8"], embedding_dim=Range(4, 16), training_questions=[1.0], epochs=[3], batch_questions=[32]
)


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., Sweep]:
    data = str(simulate(models=10, questions=300, seed=3).save(tmp_path / "pool"))

    def create(**changes: Any) -> Sweep:
        values = {"seeds": 2, "space": SPACE, "pack": 3, "slots": 1, "trials": 9, **changes}
        return Sweep.create(SweepConfig(data=data, out=str(tmp_path / "s"), **values))

    return create


def during(monkeypatch: pytest.MonkeyPatch, trial: int, action: Callable[[], None]) -> None:
    """Have something happen when the sweep tells of a trial, before MLflow hears of it."""
    real = MlflowTracker.trial_finished

    def trial_finished(self: MlflowTracker, record: TrialRecord) -> None:
        if (record.role, record.trial) == ("trial", trial):
            action()
        real(self, record)

    monkeypatch.setattr(MlflowTracker, "trial_finished", trial_finished)


def assert_exactly_once(uri: str, folder: Path, status: str = "FINISHED") -> None:
    """MLflow's children are the study's trials, each one finished, and the parent has ended."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("embedllm-tune")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    [parent] = [run for run in runs if run.data.tags["role"] == "sweep"]
    children = Counter((run.data.tags["role"], int(run.data.tags["trial"])) for run in runs if run is not parent)
    assert children == Counter((record.role, record.trial) for record in read_records(folder))
    assert {run.info.status for run in runs if run is not parent} == {"FINISHED"}
    assert parent.info.status == status


@contextlib.contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`mlflow server` on loopback, ended with every process it started."""
    folder.mkdir(exist_ok=True)
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
                "--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port),
                "--workers", "1",
            ],
            stdout=log, stderr=log, start_new_session=True,
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=5):
            return
        assert time.monotonic() < deadline, f"{url} does not answer"
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_server_that_dies_gets_everything_when_it_is_back(
    sweep: Callable[..., Sweep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    port, folder = free_port(), tmp_path / "s"
    uri = f"http://127.0.0.1:{port}"
    with server(tmp_path / "server", port) as process:
        during(monkeypatch, 4, lambda: stop(process))
        assert conduct(sweep(tracking_uri=uri)) == 0
    assert "Trials: 9 complete, 0 failed." in capsys.readouterr().out
    assert f"MLflow at {uri} cannot be written to (" in caplog.text
    assert f"in {folder / OUTBOX_FILE}; run `python -m tune resume {folder}` to deliver what is missing" in caplog.text
    assert (folder / OUTBOX_FILE).exists()

    with server(tmp_path / "server", port):
        assert conduct(Sweep.open(folder)) == 0
        assert "Registered: models:/embedllm-pool@champion (version 1)" in capsys.readouterr().out
        assert not (folder / OUTBOX_FILE).exists()
        assert_exactly_once(uri, folder)


def test_a_server_back_in_time_is_delivered_to_within_the_same_run(
    sweep: Callable[..., Sweep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setattr(tune.tracking.tracker, "RETRY_SECONDS", 0.5)
    port, folder = free_port(), tmp_path / "s"
    uri = f"http://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(server(tmp_path / "server", port))

        def restart() -> None:
            stop(first)
            time.sleep(3)
            stack.enter_context(server(tmp_path / "server", port))

        during(monkeypatch, 4, restart)
        assert conduct(sweep(tracking_uri=uri)) == 0
        assert not (folder / OUTBOX_FILE).exists()
        assert_exactly_once(uri, folder)


HOLDER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""


def test_a_database_locked_longer_than_anyone_waits(
    sweep: Callable[..., Sweep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tune.tracking.tracker, "RETRY_SECONDS", 0.5)
    database = tmp_path / "mlflow.db"
    holders = []

    def lock() -> None:
        command = [sys.executable, "-c", HOLDER, str(database), "26"]  # MLflow waits 20 seconds for a lock
        holder = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        holder.stdout.readline()
        holders.append((holder, time.monotonic()))

    during(monkeypatch, 3, lock)
    assert conduct(sweep()) == 0
    [(holder, locked)] = holders
    assert holder.wait() == 0
    assert "cannot be written to (" in caplog.text
    assert "database is locked" in caplog.text
    assert time.monotonic() - locked > 20, "the lock outlasted the sweep's last trial, or there is nothing to see"
    assert not (tmp_path / "s" / OUTBOX_FILE).exists()
    assert_exactly_once(f"sqlite:///{database}", tmp_path / "s")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
