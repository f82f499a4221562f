"""MLflow tracking: what a run holds, exactly once whatever happens, and training that never waits.

Databases are copies of one template: creating MLflow's tables takes seconds.
"""

import contextlib
import dataclasses
import json
import logging
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

import tune.tracking.runs as tracking_runs
import tune.tracking.tracker as tracking
from embedllm.config import FitConfig
from embedllm.errors import ConfigError
from tune.records import TrialRecord
from tune.tracking.outbox import Delivery, Outbox
from tune.tracking.provenance import Provenance
from tune.tracking.serving import Candidate, Registered
from tune.tracking.tracker import MlflowTracker
from tune.tracking.uri import how_to_view, resolve_tracking_uri

PROVENANCE = Provenance(
    command="python -m tune run",
    git_commit="c0ffee" * 6 + "beef",
    packages={"python": "3.11.7", "torch": "2.13.0"},
    machine="Linux, 2 CPUs",
    user="ada",
    data_name="helm_lite",
    data_digest="0123456789abcdef",
)
CONFIG = FitConfig(encoder="lsa", embedding_dim=64, noise=0.05, epochs=3, batch_questions=512)
COMPLETE = TrialRecord(
    trial=7,
    state="COMPLETE",
    config=CONFIG,
    seeds=3,
    metrics={"val_log_loss": 0.524, "val_log_loss_sd": 0.001, "val_accuracy": 0.71},
    curves={"train_log_loss": [0.6, 0.55, 0.5], "val_log_loss": [0.6, 0.524, 0.53]},
    best_epoch=2,
    budget=3,
    seconds=1.5,
)
PRUNED = dataclasses.replace(COMPLETE, trial=8, state="PRUNED", budget=1, reason="above the median at epoch 1")
FAILED = TrialRecord(trial=9, state="FAIL", config=CONFIG, reason="loss is NaN from epoch 2 on")
CANDIDATE = Candidate("embedllm-helm", Path("first/winner"), 7, "val_log_loss", "the winner")
BASELINE = dataclasses.replace(COMPLETE, trial=0, role="baseline")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables without an experiment of ours, made by the module under test."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    with tracking_runs._prepared_database(f"sqlite:///{path}"):
        MlflowClient(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def sweep_dir(tmp_path: Path, empty_database: Path) -> Path:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    folder = tmp_path / "first"
    folder.mkdir()
    return folder


def start(sweep_dir: Path, **options: Any) -> MlflowTracker:
    return MlflowTracker.start(
        sweep_dir.name, sweep_dir=sweep_dir, objective="val_log_loss", provenance=PROVENANCE, **options
    )


def track(sweep_dir: Path, *records: TrialRecord, **options: Any) -> MlflowTracker:
    tracker = start(sweep_dir, **options)
    for record in records:
        tracker.trial_started(record)
        tracker.trial_finished(record)
    return tracker


def runs_of(tracker: MlflowTracker) -> tuple[Run, dict[str, Run]]:
    """The parent run and its children by name; fails on two of one name."""
    client = MlflowClient(tracker.tracking_uri)
    experiment = client.get_experiment_by_name("embedllm-tune")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = (run for run in runs if run.data.tags["role"] == "sweep")
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == len(runs) - 1, "every other run is a child"
    by_name = {run.info.run_name: run for run in children}
    assert len(by_name) == len(children), "each trial once"
    return parent, by_name


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


def test_a_sweep_is_a_parent_run_and_each_trial_a_child(sweep_dir: Path) -> None:
    tracker = track(sweep_dir, BASELINE, COMPLETE, PRUNED, FAILED, params={"trials": 3}, description="three trials")
    assert tracker.finish()
    parent, children = runs_of(tracker)
    assert {name: run.info.status for name, run in children.items()} == {
        "baseline-000 lsa d=64 α=0.05": "FINISHED",
        "trial-007 lsa d=64 α=0.05": "FINISHED",
        "trial-008 pruned lsa d=64 α=0.05": "KILLED",
        "trial-009 failed lsa d=64 α=0.05": "FAILED",
    }
    assert (parent.info.run_name, parent.info.status) == ("first", "FINISHED")
    assert parent.data.tags["mlflow.note.content"] == "three trials"
    assert parent.data.params == {
        "data": "helm_lite",
        "objective": "val_log_loss",
        "trials": "3",
        "python": "3.11.7",
        "torch": "2.13.0",
    }
    assert parent.inputs.dataset_inputs[0].dataset.name == "helm_lite"


def test_a_child_run_holds_configuration_metrics_and_tags(sweep_dir: Path) -> None:
    tracker = track(sweep_dir, COMPLETE)
    assert tracker.finish()
    (run,) = runs_of(tracker)[1].values()
    fields = {field.name for field in dataclasses.fields(FitConfig)}
    assert set(run.data.params) == fields | {"seeds"}
    assert run.data.params["embedding_dim"] == "64"
    assert run.data.params["training_questions"] == "all"
    assert run.data.params["patience"] == "never"
    summary = {name: value for name, value in run.data.metrics.items() if not name.startswith("epoch/")}
    assert summary == {**COMPLETE.metrics, "best_epoch": 2, "budget": 3, "seconds": 1.5}
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    assert tags == {
        "sweep": "first",
        "data_digest": "0123456789abcdef",
        "role": "trial",
        "trial": "7",
        "state": "COMPLETE",
    }
    assert run.data.tags["mlflow.source.git.commit"] == PROVENANCE.git_commit
    assert run.data.tags["mlflow.source.name"] == "python -m tune run"


def test_curves_keep_their_epochs_and_do_not_hide_the_summary(sweep_dir: Path) -> None:
    tracker = track(sweep_dir, COMPLETE)
    assert tracker.finish()
    (run,) = runs_of(tracker)[1].values()
    client = MlflowClient(tracker.tracking_uri)
    points = client.get_metric_history(run.info.run_id, "epoch/val_log_loss")
    assert [(point.step, point.value) for point in points] == [(1, 0.6), (2, 0.524), (3, 0.53)]
    assert run.data.metrics["val_log_loss"] == 0.524, "the kept epoch's value, not the last epoch's"


def test_curves_longer_than_one_call_allows_are_complete(sweep_dir: Path) -> None:
    curve = [1 / (epoch + 1) for epoch in range(1200)]
    tracker = track(sweep_dir, dataclasses.replace(COMPLETE, curves={"val_log_loss": curve}))
    assert tracker.finish()
    (run,) = runs_of(tracker)[1].values()
    points = MlflowClient(tracker.tracking_uri).get_metric_history(run.info.run_id, "epoch/val_log_loss")
    assert [point.value for point in points] == curve


def test_the_reason_of_a_failure_is_a_tag_and_the_description(sweep_dir: Path) -> None:
    tracker = track(sweep_dir, FAILED)
    assert tracker.finish()
    (run,) = runs_of(tracker)[1].values()
    assert run.data.tags["reason"] == "loss is NaN from epoch 2 on"
    assert run.data.tags["mlflow.note.content"] == "FAIL: loss is NaN from epoch 2 on"


def test_the_summary_of_the_sweep_goes_to_the_parent(sweep_dir: Path) -> None:
    table = sweep_dir / "leaderboard.csv"
    table.write_text("rank,trial\n1,7\n")
    worse = dataclasses.replace(COMPLETE, trial=6, metrics={"val_log_loss": 0.6})
    tracker = track(sweep_dir, worse, COMPLETE, PRUNED)
    assert tracker.finish("KILLED", metrics={"test_accuracy": 0.7}, tags={"winner": "7"}, artifacts=[table])
    parent, _ = runs_of(tracker)
    client = MlflowClient(tracker.tracking_uri)
    assert parent.info.status == "KILLED"
    assert parent.data.metrics == {"test_accuracy": 0.7, "best_val_log_loss": 0.524}
    assert parent.data.tags["winner"] == "7"
    best = client.get_metric_history(parent.info.run_id, "best_val_log_loss")
    assert [(point.step, point.value) for point in best] == [(1, 0.6), (2, 0.524)], "steps count finished trials"
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["leaderboard.csv"]
    assert (sweep_dir.parent / "mlartifacts" / "embedllm-tune" / parent.info.run_id).is_dir(), "absolute, not below cwd"


def test_a_resumed_sweep_continues_its_parent_and_logs_no_trial_twice(sweep_dir: Path) -> None:
    assert track(sweep_dir, COMPLETE).finish("KILLED")
    tracker = track(sweep_dir, COMPLETE, PRUNED)
    assert tracker.finish()
    parent, children = runs_of(tracker)
    assert len(children) == 2
    assert parent.info.status == "FINISHED"


def test_the_best_so_far_continues_on_a_resumed_sweep(sweep_dir: Path) -> None:
    assert track(sweep_dir, COMPLETE, FAILED).finish("KILLED")
    worse, better = (
        dataclasses.replace(COMPLETE, trial=number, metrics={"val_log_loss": value})
        for number, value in ((10, 0.6), (11, 0.5))
    )
    tracker = track(sweep_dir, COMPLETE, FAILED, worse, better)
    assert tracker.finish()
    parent, _ = runs_of(tracker)
    best = MlflowClient(tracker.tracking_uri).get_metric_history(parent.info.run_id, "best_val_log_loss")
    assert [(point.step, point.value) for point in best] == [(1, 0.524), (4, 0.5)]


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
    assert f"2 trials wait in {sweep_dir / tracking.OUTBOX_FILE}; `python -m tune resume {sweep_dir}` delivers" in last
    local = start(sweep_dir, tracking_uri=f"sqlite:///{sweep_dir.parent / 'mlflow.db'}")
    assert local.finish()
    assert len(runs_of(local)[1]) == 2


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


def test_the_winner_is_registered_once_everything_else_is_written(
    sweep_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = []

    def register(self: tracking_runs.SweepRuns, candidate: Candidate) -> Registered:
        statuses.append(self._client.get_run(self.run_id).info.status)
        return Registered(candidate.name, 3, 2, "val_log_loss 0.5 against 0.6")

    monkeypatch.setattr(tracking_runs.SweepRuns, "register", register)
    tracker = track(sweep_dir, COMPLETE)
    assert tracker.registered is None
    assert tracker.finish(candidate=CANDIDATE)
    assert statuses == ["FINISHED"]
    assert tracker.registered is not None
    assert tracker.registered.uri == "models:/embedllm-helm/3", "the alias is on an older version"


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
        f"`python -m tune resume {sweep_dir}` tries again"
    ]
    assert runs_of(tracker)[0].info.status == "FINISHED"


def test_a_child_says_where_it_was_trained(sweep_dir: Path) -> None:
    tracker = track(sweep_dir, dataclasses.replace(COMPLETE, worker="gpu-box/1f3a9c02 GPU 0"), PRUNED)
    assert tracker.finish()
    _, children = runs_of(tracker)
    where = {run.data.tags["trial"]: run.data.tags.get("worker") for run in children.values()}
    assert where == {"7": "gpu-box/1f3a9c02 GPU 0", "8": None}


def test_sweeps_side_by_side_share_one_database(sweep_dir: Path) -> None:
    second = sweep_dir.parent / "second"
    second.mkdir()
    trackers = [track(folder, COMPLETE) for folder in (sweep_dir, second)]
    assert all(tracker.finish() for tracker in trackers)
    assert trackers[0].tracking_uri == trackers[1].tracking_uri == f"sqlite:///{sweep_dir.parent}/mlflow.db"
    assert trackers[0].run_id != trackers[1].run_id


def test_a_resumed_sweep_stays_where_it_was_tracked(sweep_dir: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(tmp_path / "mlflow.db", elsewhere / "mlflow.db")
    first = track(sweep_dir, COMPLETE, tracking_uri=f"sqlite:///{elsewhere}/mlflow.db")
    assert first.finish()
    again = track(sweep_dir, PRUNED)
    assert again.finish()
    assert again.tracking_uri == first.tracking_uri
    assert again.run_id == first.run_id


def test_the_driver_imports_mlflow_only_when_it_tracks() -> None:
    code = "import sys, tune.tracking.tracker, tune.tracking.uri; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_is_printed_while_a_database_is_made(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]);"
        "from test_tracker import *; tracker = track(Path(sys.argv[1]), COMPLETE); assert tracker.finish()"
    )
    folder = tmp_path / "sweep"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "sqlite:////sweeps/mlflow.db"),
        ("sqlite:////data/my.db", "sqlite:////data/my.db"),
        ("https://mlflow.example.org", "https://mlflow.example.org"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
    ],
)
def test_tracking_uris(given: str | None, expected: str) -> None:
    assert resolve_tracking_uri(given, Path("/sweeps/first")) == expected


def test_a_relative_database_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_tracking_uri("sqlite:///my.db", tmp_path) == f"sqlite:///{tmp_path.resolve()}/my.db"


def test_the_environment_names_the_server_unless_the_command_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert resolve_tracking_uri(None, Path("/sweeps/first")) == "http://server:5000"
    assert resolve_tracking_uri("http://other:5000", Path("/sweeps/first")) == "http://other:5000"


@pytest.mark.parametrize("uri", ["./mlruns", "file:///data/mlruns"])
def test_a_file_store_is_refused_with_the_way_out(uri: str) -> None:
    with pytest.raises(ConfigError, match="is neither a server nor a database; use https://SERVER:PORT, or sqlite:///"):
        resolve_tracking_uri(uri, Path("/sweeps/first"))


def test_how_to_view_is_a_command_or_an_address() -> None:
    assert how_to_view("sqlite:////a/mlflow.db") == "mlflow ui --backend-store-uri sqlite:////a/mlflow.db"
    assert how_to_view("https://mlflow.example.org") == "https://mlflow.example.org"


def test_the_outbox_gives_back_what_it_was_given(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.jsonl")
    deliveries = [Delivery(record, 1, 2) for record in (BASELINE, COMPLETE, PRUNED, FAILED)]
    for delivery in deliveries:
        outbox.append(delivery)
    assert outbox.read() == deliveries
    outbox.keep_only(deliveries[:1])
    assert outbox.read() == deliveries[:1]
    outbox.keep_only([])
    assert not outbox.path.exists()


def test_a_line_cut_off_by_a_kill_costs_that_line_only(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.jsonl")
    outbox.append(Delivery(COMPLETE, 1, 2))
    outbox.append(Delivery(PRUNED, 1, 2))
    outbox.path.write_bytes(outbox.path.read_bytes()[:-20])
    assert outbox.read() == [Delivery(COMPLETE, 1, 2)]


def test_the_sweep_folder_remembers_where_it_is_tracked(sweep_dir: Path) -> None:
    assert start(sweep_dir).finish()
    remembered = json.loads((sweep_dir / tracking.IDENTITY_FILE).read_text())
    assert remembered["tracking_uri"] == f"sqlite:///{sweep_dir.parent}/mlflow.db"
    assert remembered["experiment"] == "embedllm-tune"


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
