"""A tracked sweep. Databases are copies of one template: creating MLflow's tables takes seconds."""

import contextlib
import dataclasses
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

import tune.tracking.runs as tracking_runs
from embedllm.config import FitConfig
from tune.records import TrialRecord
from tune.tracking.provenance import Provenance
from tune.tracking.serving import Candidate
from tune.tracking.tracker import MlflowTracker

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
