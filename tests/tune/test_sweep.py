"""Whole sweeps under a real Ray Tune, on simulated data."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from embedllm.data.simulate import simulate
from embedllm.errors import ConfigError
from tune.config import Range, SearchSpace, SweepConfig
from tune.records import TrialRecord
from tune.rerun import rerun
from tune.runner import Sweep, SweepFailed, resume_sweep, run_sweep
from tune.search.study import SweepStudy, read_records

pytestmark = pytest.mark.usefixtures("ray_here")

SPACE = SearchSpace(
    encoder=["lsa:8", "lsa:16"], embedding_dim=Range(4, 16), training_questions=[0.5, 1.0], epochs=[3],
    batch_questions=[32],
)  # fmt: skip


class Log:
    """A listener that remembers, and may do something at the n-th finished trial."""

    def __init__(self, at: int = -1, action: object = None) -> None:
        self.finished: list[TrialRecord] = []
        self.started = 0
        self._at, self._action = at, action

    def trial_started(self, record: TrialRecord) -> None:
        self.started += 1

    def trial_finished(self, record: TrialRecord) -> None:
        self.finished.append(record)
        if len(self.finished) == self._at:
            self._action()  # type: ignore[operator]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(simulate(models=10, questions=300, seed=3).save(tmp_path_factory.mktemp("data") / "simulated"))


def config(data: str, out: Path, **changes: object) -> SweepConfig:
    return SweepConfig(data=data, out=str(out), seeds=2, space=SPACE, pack=3, slots=1).replace(
        **{"trials": 8, **changes}
    )


def trials(folder: Path) -> list[TrialRecord]:
    return [record for record in read_records(folder) if record.role == "trial"]


def worker_pids() -> list[int]:
    """Actors that train packs, of this process's Ray only."""
    children = psutil.Process().children(recursive=True)
    return [child.pid for child in children if "OrderTrainable" in " ".join(child.cmdline())]


def test_a_sweep_from_start_to_winner_and_on(data: str, tmp_path: Path) -> None:
    log = Log()
    result = run_sweep(config(data, tmp_path / "s", slots=2), [log])

    assert result.count("COMPLETE") == 8
    assert result.stopped is None
    assert read_records(tmp_path / "s") == list(result.records)
    baseline, *rest = result.records
    assert baseline.role == "baseline"
    assert baseline.config.epochs == 50
    assert baseline.state == "COMPLETE"
    assert [record.trial for record in rest] == list(range(8))
    assert all(record.metrics.keys() >= {"val_log_loss", "val_log_loss_sd", "train_log_loss"} for record in rest)
    assert not any(name.startswith("test_") for record in rest for name in record.metrics)
    assert result.best.metrics["val_log_loss"] == min(record.metrics["val_log_loss"] for record in rest)
    assert sorted((r.role, r.trial) for r in log.finished) == sorted((r.role, r.trial) for r in result.records)
    assert log.started == 9

    assert result.winner is not None
    assert result.winner.trial == result.best.trial
    assert result.winner.metrics["val_log_loss"] == pytest.approx(result.best.metrics["val_log_loss"], abs=1e-4)
    assert "test_log_loss_sd" in result.winner.metrics
    assert [row["method"] for row in result.winner.rows][:2] == ["winner", "paper"]
    assert len(result.winner.rows) > 4
    assert (result.winner.artifact / "config.json").is_file()

    # Extended: finished trials stay as they are, new ones join, and their number is exact.
    again = Log()
    longer = resume_sweep(tmp_path / "s", trials=11, listeners=[again])
    assert list(longer.records[:9]) == list(result.records)
    assert longer.count("COMPLETE") == 11
    assert again.started == 3
    assert len(again.finished) == 12  # those of the first run are told once more

    # With nothing left to do it only reads.
    settled = resume_sweep(tmp_path / "s")
    assert list(settled.records) == list(longer.records)
    assert settled.winner is not None

    before, after = rerun(tmp_path / "s", result.best.trial)
    assert before == result.best
    for name, value in before.metrics.items():
        assert after.metrics[name] == pytest.approx(value, abs=1e-4)
    with pytest.raises(ConfigError, match="has no trial 99; it has 0 to 10"):
        rerun(tmp_path / "s", 99)


def test_diverging_trials_fail_alone_and_are_replaced(data: str, tmp_path: Path) -> None:
    space = SearchSpace(
        encoder=["lsa:8"], embedding_dim=[4, 8], noise=[0.0, 0.1, 0.2], training_questions=[1.0], epochs=[2],
        learning_rate=[0.01, 1e30], weight_decay=[0.0],
    )  # fmt: skip
    result = run_sweep(config(data, tmp_path / "s", space=space, sampler="grid", trials=6))
    assert result.count("COMPLETE") == 6
    for record in result.records:
        if record.role == "trial":
            assert record.state == ("FAIL" if record.config.learning_rate > 1 else "COMPLETE")
    reasons = {record.reason for record in result.records if record.state == "FAIL"}
    assert len(reasons) == 1
    assert all("diverged" in (reason or "") for reason in reasons)


def test_a_sweep_without_success_is_an_error(data: str, tmp_path: Path) -> None:
    space = SearchSpace(encoder=["lsa:8"], learning_rate=[1e30], epochs=[1])
    with pytest.raises(SweepFailed, match=r"no trial of .* succeeded .*diverged"):
        run_sweep(config(data, tmp_path / "s", space=space, trials=2))


def test_a_killed_worker_costs_nothing_but_time(data: str, tmp_path: Path) -> None:
    def kill_one() -> None:
        os.kill(worker_pids()[0], signal.SIGKILL)

    log = Log(at=3, action=kill_one)
    result = run_sweep(config(data, tmp_path / "s", trials=12, slots=2), [log])
    assert result.count("COMPLETE") == 12
    assert result.count("FAIL") == 0
    assert len({(r.role, r.trial) for r in log.finished}) == len(log.finished) == 13


def test_deterministic_at_any_parallelism_and_pack_size(data: str, tmp_path: Path) -> None:
    found = []
    for name, changes in {"a": {"pack": 3, "slots": 1}, "b": {"pack": 8, "slots": 2}}.items():
        run_sweep(config(data, tmp_path / name, trials=20, deterministic=True, **changes))
        found.append(trials(tmp_path / name))
    first, second = found
    assert [(r.trial, r.config) for r in first] == [(r.trial, r.config) for r in second]
    losses = [[record.metrics["val_log_loss"] for record in records] for records in found]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    ranking = [sorted(range(20), key=values.__getitem__) for values in losses]
    assert ranking[0] == ranking[1]


def test_pruned_trials_count_and_say_how_far_they_came(data: str, tmp_path: Path) -> None:
    space = SearchSpace(encoder=["lsa:8"], embedding_dim=[8], training_questions=[1.0], epochs=[9])
    result = run_sweep(config(data, tmp_path / "s", space=space, pruner="successive-halving", trials=12))
    pruned = [record for record in result.records if record.state == "PRUNED"]
    assert result.count("COMPLETE") + len(pruned) == 12
    assert pruned
    assert all(record.budget in (1, 3) for record in pruned)
    assert all(len(record.curves["val_log_loss"]) == record.budget for record in pruned)
    assert result.best.state == "COMPLETE"


def test_a_sweep_folder_is_not_overwritten(data: str, tmp_path: Path) -> None:
    sweep = Sweep.create(config(data, tmp_path / "s"))
    Sweep.create(config(data, tmp_path / "s"))  # nothing has been run there yet
    SweepStudy(sweep.folder.path, sweep.folder.config, len(sweep.split.train)).close()
    with pytest.raises(ConfigError, match="holds a sweep already; continue it with `python -m tune resume"):
        Sweep.create(config(data, tmp_path / "s"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(ConfigError, match="exists and is not an empty folder"):
        Sweep.create(config(data, tmp_path / "other"))


def test_changed_data_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    simulate(models=10, questions=300, seed=3).save(folder)
    Sweep.create(config(str(folder), tmp_path / "s"))
    simulate(models=10, questions=300, seed=4).save(folder)
    with pytest.raises(ConfigError, match=r"the data of .* has changed: its digest is"):
        Sweep.open(tmp_path / "s")


def test_too_much_is_asked_of_the_cluster(data: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gpus_per_pack is 1 but the cluster has 0 GPUs"):
        run_sweep(config(data, tmp_path / "s", gpus_per_pack=1.0))


DRIVER = """
import sys
from tune.config import SweepConfig
from tune.runner import run_sweep
class Say:
    def trial_started(self, record): print("started", record.role, flush=True)
    def trial_finished(self, record): print("finished", record.role, flush=True)
result = run_sweep(SweepConfig.from_json(sys.stdin.read()), [Say()])
print("stopped:", result.stopped, flush=True)
"""


def driver(sweep: SweepConfig, event: str = "finished trial") -> subprocess.Popen[str]:
    """A sweep in a process of its own, with a Ray of its own; returns once `event` has happened four times."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(sweep.to_json())
    process.stdin.close()
    seen = 0
    for line in process.stdout:
        seen += line.startswith(event)
        if seen == 4:
            break
    return process


@pytest.mark.slow
def test_a_killed_driver_resumes_to_its_target(data: str, tmp_path: Path) -> None:
    process = driver(config(data, tmp_path / "s", trials=60))
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    for child in family:  # Ray ends these by itself once its driver is gone, only later than a test can wait
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    done = [record for record in trials(tmp_path / "s") if record.state == "COMPLETE"]
    assert 4 <= len(done) < 60
    result = resume_sweep(tmp_path / "s", trials=len(done) + 5)
    assert result.count("COMPLETE") == len(done) + 5
    assert [record for record in result.records if record in done] == done
    assert all(record.state in ("COMPLETE", "FAIL") for record in result.records)
    assert all(record.lost for record in result.records if record.state == "FAIL")


@pytest.mark.slow
def test_ctrl_c_finishes_the_running_packs(data: str, tmp_path: Path) -> None:
    process = driver(config(data, tmp_path / "s", trials=400))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers' process group, too
    assert process.stdout is not None
    output = process.stdout.read()
    assert process.wait(timeout=120) == 0, output
    assert "finishing the running packs; press Ctrl-C again to abort" in output
    assert "stopped: interrupted" in output
    states = {record.state for record in trials(tmp_path / "s") if not record.lost}
    assert states == {"COMPLETE"}


@pytest.mark.slow
def test_a_second_ctrl_c_aborts(data: str, tmp_path: Path) -> None:
    slow = SearchSpace(encoder=["lsa:8"], embedding_dim=[16], training_questions=[1.0], epochs=[10**5])
    process = driver(config(data, tmp_path / "s", pack=4, slots=2, space=slow), "started trial")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert any("press Ctrl-C again to abort" in line for line in process.stdout)  # reads up to the message
    process.send_signal(signal.SIGINT)
    output = process.stdout.read()
    assert process.wait(timeout=120) != 0
    assert "KeyboardInterrupt" in output
    assert not [record for record in read_records(tmp_path / "s") if record.state == "RUNNING"]
