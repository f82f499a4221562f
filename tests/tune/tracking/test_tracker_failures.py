"""Whatever fails between the sweep and MLflow: training never waits, and every trial arrives once."""

import contextlib
import logging
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

import tune.tracking.runs as tracking_runs
import tune.tracking.tracker as tracking
from tests.tune.tracking.conftest import (
    BASELINE,
    CANDIDATE,
    COMPLETE,
    FAILED,
    PRUNED,
    runs_of,
    start,
    track,
    wait_until,
)
from tune.tracking.outbox import Delivery, Outbox
from tune.tracking.serving import Candidate, Registered


def test_trials_of_a_killed_driver_are_delivered_by_the_next_start(sweep_dir: Path) -> None:
    assert track(sweep_dir, COMPLETE).finish()
    outbox = Outbox(sweep_dir / tracking.OUTBOX_FILE)
    for record in (COMPLETE, PRUNED):
        outbox.append(Delivery(record, 1_000, 2_000))
    tracker = start(sweep_dir)
    assert tracker.finish()
    _, children = runs_of(tracker)
    assert set(children) == {"trial-007 lsa d=64 α=0.05", "trial-008 pruned lsa d=64 α=0.05"}
    pruned = children["trial-008 pruned lsa d=64 α=0.05"]
    assert (pruned.info.start_time, pruned.info.end_time) == (1_000, 2_000), "when it ran, not when it arrived"
    assert not outbox.path.exists()


def test_a_child_left_half_written_is_written_again(sweep_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_runs.SweepRuns, "_log_batch", _raise_once(tracking_runs.SweepRuns._log_batch))
    monkeypatch.setattr(tracking, "RETRY_SECONDS", 0.05)
    tracker = track(sweep_dir, COMPLETE)
    wait_until(lambda: not tracker._pending)
    assert tracker.finish()
    _, children = runs_of(tracker)
    assert [run.info.status for run in children.values()] == ["FINISHED"]


def test_training_goes_on_while_the_database_is_locked_and_everything_arrives(sweep_dir: Path) -> None:
    tracker = start(sweep_dir)
    assert tracker.ready()
    with _locked(sweep_dir.parent / "mlflow.db"):
        began = time.monotonic()
        for record in (BASELINE, COMPLETE, PRUNED, FAILED):
            tracker.trial_finished(record)
        assert time.monotonic() - began < 0.5, "telling the tracker waits for nobody"
        assert len(Outbox(sweep_dir / tracking.OUTBOX_FILE).read()) == 4
    wait_until(lambda: not tracker._pending)
    assert tracker.finish()
    assert len(runs_of(tracker)[1]) == 4
    assert not (sweep_dir / tracking.OUTBOX_FILE).exists()


def test_an_unreachable_server_costs_one_warning_and_nothing_is_lost(
    sweep_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setattr(tracking, "RETRY_SECONDS", 0.05)
    nowhere = f"http://127.0.0.1:{_free_port()}"
    with caplog.at_level(logging.WARNING):
        tracker = track(sweep_dir, COMPLETE, PRUNED, tracking_uri=nowhere)
        assert not tracker.ready()
        time.sleep(0.3)
        assert not tracker.finish()
    first, last = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"MLflow at {nowhere} cannot be written to (")
    assert f"its trials are kept in {sweep_dir / tracking.OUTBOX_FILE} and delivered later" in first
    assert (
        f"2 undelivered trials in {sweep_dir / tracking.OUTBOX_FILE}; run `python -m tune resume {sweep_dir}` " in last
    )
    again = track(sweep_dir, COMPLETE, PRUNED, FAILED, tracking_uri=nowhere)  # a resumed sweep tells all once more
    assert not again.finish()
    assert [delivery.key[1] for delivery in Outbox(sweep_dir / tracking.OUTBOX_FILE).read()] == [7, 8, 9]
    local = start(sweep_dir, tracking_uri=f"sqlite:///{sweep_dir.parent / 'mlflow.db'}")
    assert local.finish()
    assert len(runs_of(local)[1]) == 3


def test_a_deleted_experiment_is_restored(sweep_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = track(sweep_dir, COMPLETE)
    assert first.finish()
    client = MlflowClient(first.tracking_uri)
    experiment = client.get_experiment_by_name("embedllm-tune")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    again = track(sweep_dir, COMPLETE, PRUNED)
    assert again.finish()
    assert "the MLflow experiment embedllm-tune was deleted; it is restored" in caplog.text
    assert len(runs_of(again)[1]) == 2


def test_a_copied_sweep_has_runs_of_its_own(sweep_dir: Path, tmp_path: Path) -> None:
    original = track(sweep_dir, COMPLETE)
    assert original.finish()
    copy = Path(shutil.copytree(sweep_dir, tmp_path / "copy"))
    Outbox(copy / tracking.OUTBOX_FILE).append(tracking.Delivery(FAILED, 0, 1))  # the original's
    other = track(copy, COMPLETE, PRUNED, tracking_uri=original.tracking_uri)
    assert other.finish()
    assert other.run_id != original.run_id
    client = MlflowClient(original.tracking_uri)
    experiment = client.get_experiment_by_name("embedllm-tune")
    assert experiment is not None
    children = [run.data.tags.get("mlflow.parentRunId") for run in client.search_runs([experiment.experiment_id])]
    assert (children.count(original.run_id), children.count(other.run_id)) == (1, 2)


def test_a_full_disk_is_a_warning_too(
    sweep_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: Outbox, delivery: Delivery) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Outbox, "append", full)
    tracker = track(sweep_dir, COMPLETE)
    assert tracker.finish()
    assert "No space left on device" in caplog.text
    assert len(runs_of(tracker)[1]) == 1


def test_a_registry_that_refuses_costs_a_warning_and_nothing_else(
    sweep_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def register(self: tracking_runs.SweepRuns, candidate: Candidate) -> Registered:
        raise PermissionError("may not create registered models\nat all")

    monkeypatch.setattr(tracking_runs.SweepRuns, "register", register)
    tracker = track(sweep_dir, COMPLETE)
    assert tracker.finish(candidate=CANDIDATE), "all trials and the summary have arrived"
    assert tracker.registered is None
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "the winner is not registered in MLflow as embedllm-helm (may not create registered models); "
        f"run `python -m tune resume {sweep_dir}` to try again"
    ]
    assert runs_of(tracker)[0].info.status == "FINISHED"


def _raise_once(function: Callable[..., None]) -> Callable[..., None]:
    raised = threading.Event()

    def call(*arguments: Any) -> None:
        if not raised.is_set():
            raised.set()
            raise ConnectionError("lost")
        function(*arguments)

    return call


@contextlib.contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Hold the database's write lock, as another program may."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
