"""The driver killed and interrupted: what a user's `python -m tune` leaves behind, and how it is resumed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from embedllm.data.simulate import simulate
from tune.records import TrialRecord
from tune.search.study import read_records
from tune.tracking.tracker import OUTBOX_FILE

pytestmark = pytest.mark.slow

SPACE = (
    "--space.encoder", "lsa:8", "--space.embedding-dim", "4,8,16", "--space.training-questions", "1.0",
    "--space.epochs", "20", "--space.batch-questions", "32", "--seeds", "2", "--slots", "2", "--pack", "3",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    simulate(models=10, questions=300, seed=3).save(tmp_path / "pool")
    return tmp_path


def tune_command(home: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tune", *words], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "EMBEDLLM_CACHE": str(home / "cache")},
    )  # fmt: skip


def done(home: Path) -> list[TrialRecord]:
    """Finished trials, as anyone may read them while the sweep runs."""
    if not (home / "s" / "journal.log").exists():
        return []
    return [record for record in read_records(home / "s") if record.state != "RUNNING" and not record.lost]


def wait_for(home: Path, process: subprocess.Popen[str], finished: int) -> None:
    deadline = time.monotonic() + 150
    while len(done(home)) < finished:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.1)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL, and its Ray at once, which ends by itself only later than a test can wait."""
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def mlflow_children(home: Path) -> tuple[str, Counter[tuple[str, int]], set[str]]:
    """Status of the parent run; the children by trial, and their statuses."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    experiment = client.get_experiment_by_name("embedllm-tune")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    [parent] = [run for run in runs if run.data.tags["role"] == "sweep"]
    children = [run for run in runs if run is not parent]
    logged = Counter((run.data.tags["role"], int(run.data.tags["trial"])) for run in children)
    return parent.info.status, logged, {run.info.status for run in children}


def test_killed_again_and_again_it_still_ends_with_exactly_its_target(home: Path) -> None:
    rng = random.Random(0)
    words = ["run", "pool", "--out", "s", "--trials", "500", *SPACE]
    kept: list[TrialRecord] = []
    for _ in range(4):
        process = tune_command(home, *words)
        wait_for(home, process, len(kept) + rng.randint(1, 8))
        time.sleep(rng.random())
        kill(process)
        now = done(home)
        assert set(map(_key, kept)) <= set(map(_key, now))
        kept = now
        words = ["resume", "s", "--trials", "500"]
    trials = sum(record.role == "trial" for record in kept)
    process = tune_command(home, "resume", "s", "--trials", str(trials + 4))
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    records = read_records(home / "s")
    good = [record for record in records if not record.lost]
    assert Counter(record.state for record in good if record.role == "trial") == {"COMPLETE": trials + 4}
    by_key = {_key(record): record for record in good}
    assert all(by_key[_key(record)] == record for record in kept), "no finished trial was run again"
    assert {record.state for record in records} <= {"COMPLETE", "FAIL"}
    status, logged, statuses = mlflow_children(home)
    assert status == "FINISHED"
    assert logged == Counter(map(_key, good))
    assert statuses == {"FINISHED"}
    assert not (home / "s" / OUTBOX_FILE).exists()


def test_ctrl_c_ends_with_130_and_everything_in_its_place(home: Path) -> None:
    process = tune_command(home, "run", "pool", "--out", "s", "--trials", "500", *SPACE)
    wait_for(home, process, 4)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 130, output
    assert "Ended early: interrupted. Run `python -m tune resume s` to continue." in output
    assert "Registered:" not in output, "there is no winner yet"
    records = read_records(home / "s")
    assert not [record for record in records if record.state == "RUNNING"]
    status, logged, statuses = mlflow_children(home)
    assert status == "KILLED"
    assert logged == Counter(map(_key, done(home)))
    assert statuses == {"FINISHED"}


def test_a_second_ctrl_c_ends_with_130_at_once_and_nothing_is_left_running(home: Path) -> None:
    endless = [word if word != "20" else "1000000" for word in SPACE]
    process = tune_command(home, "run", "pool", "--out", "s", "--trials", "500", *endless)
    wait_for(home, process, 1)  # the baseline
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    while "press Ctrl-C again to abort" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert output.rstrip().endswith("interrupted")
    assert "Traceback" not in output
    assert not [record for record in read_records(home / "s") if record.state == "RUNNING"]
    assert mlflow_children(home)[0] == "KILLED"


def test_a_sweep_without_success_exits_with_2_and_says_why(home: Path) -> None:
    process = tune_command(
        home, "run", "pool", "--out", "s", "--trials", "2", *SPACE, "--space.learning-rate", "1e30"
    )  # fmt: skip
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 2, output
    assert "succeeded" in output
    assert "diverged" in output
    assert mlflow_children(home)[0] == "FAILED"


def _key(record: TrialRecord) -> tuple[str, int]:
    return record.role, record.trial
