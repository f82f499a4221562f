"""MLflow tracking: what a run holds, each trial exactly once."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

import tune.tracking.runs as tracking_runs
from embedllm.config import FitConfig
from tests.tune.tracking.conftest import (
    BASELINE,
    CANDIDATE,
    COMPLETE,
    FAILED,
    PROVENANCE,
    PRUNED,
    runs_of,
    start,
    track,
)
from tune.tracking.identity import IDENTITY_FILE
from tune.tracking.serving import Candidate, Registered


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


def test_what_a_later_start_changes_is_shown_as_it_is_now(sweep_dir: Path) -> None:
    assert track(sweep_dir, COMPLETE, params={"seeds": 3}, current={"target_trials": "3"}).finish()
    tracker = track(sweep_dir, PRUNED, params={"seeds": 3}, current={"target_trials": "5", "address": "box:6379"})
    assert tracker.ready()
    parent, _ = runs_of(tracker)
    assert (parent.data.tags["target_trials"], parent.data.tags["address"]) == ("5", "box:6379"), "while it runs, too"
    assert tracker.finish()
    parent, children = runs_of(tracker)
    assert parent.data.tags["target_trials"] == "5"
    assert "target_trials" not in parent.data.params
    assert not any("target_trials" in run.data.tags for run in children.values())


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
        "from tests.tune.tracking.conftest import COMPLETE, track;"
        "tracker = track(Path(sys.argv[1]), COMPLETE); assert tracker.finish()"
    )
    folder = tmp_path / "sweep"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(Path(__file__).parents[3])],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_sweep_folder_remembers_where_it_is_tracked(sweep_dir: Path) -> None:
    assert start(sweep_dir).finish()
    remembered = json.loads((sweep_dir / IDENTITY_FILE).read_text())
    assert remembered["tracking_uri"] == f"sqlite:///{sweep_dir.parent}/mlflow.db"
    assert remembered["experiment"] == "embedllm-tune"
