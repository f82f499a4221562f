"""What may break while a sweep runs under Ray Tune: memory, disk, cache. It still ends with exactly its target."""

import dataclasses
import errno
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna.storages.journal._file as journal_file
import pytest

import tune.engine.dispatch
import tune.engine.worker
import tune.search.study
from embedllm.data.simulate import simulate
from embedllm.errors import ConfigError, EmbedLLMError
from tune.config import Range, SearchSpace, SweepConfig
from tune.engine.dispatch import Order, Outcome
from tune.engine.worker import PackWorker
from tune.folder import SweepFolder
from tune.records import TrialRecord
from tune.runner import Sweep, SweepResult, resume_sweep, run_sweep
from tune.search.study import SweepStudy, read_records

pytestmark = pytest.mark.usefixtures("ray_here")

SPACE = SearchSpace(
    encoder=["lsa:8"], embedding_dim=Range(4, 16), training_questions=[0.5, 1.0], epochs=[3], batch_questions=[32]
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(simulate(models=10, questions=300, seed=3).save(tmp_path_factory.mktemp("data") / "simulated"))


def config(data: str, out: Path, **changes: Any) -> SweepConfig:
    values = {"seeds": 2, "space": SPACE, "pack": 4, "slots": 1, "trials": 10, **changes}
    return SweepConfig(data=data, out=str(out), **values)


def states(records: SweepResult | Path) -> Counter[str]:
    """Trials by state; lost ones, whose configuration is run again, as LOST."""
    found = read_records(records) if isinstance(records, Path) else records.records
    return Counter("LOST" if record.lost else record.state for record in found if record.role == "trial")


class Log:
    """Remembers the trials it is told of."""

    def __init__(self) -> None:
        self.finished: list[tuple[str, int]] = []

    def trial_started(self, record: TrialRecord) -> None:
        pass

    def trial_finished(self, record: TrialRecord) -> None:
        self.finished.append((record.role, record.trial))


def full_disk(path: str, mode: str) -> Any:
    """Stands for `open` in the journal's module: of what is appended, half still fits on the disk."""
    return _TornWriter(path) if mode == "ab" else open(path, mode)


class _TornWriter:
    def __init__(self, path: str) -> None:
        self._file = open(path, "ab")  # noqa: SIM115

    def __enter__(self) -> "_TornWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def close(self) -> None:
        self._file.close()

    def write(self, text: bytes) -> None:
        self._file.write(text[: len(text) // 2])
        self._file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_packs_too_big_for_memory_are_split_and_later_ones_start_smaller(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = tmp_path / "sizes"

    class Cramped(PackWorker):
        def __call__(self, order: Order) -> Outcome:
            with sizes.open("a") as file:
                file.write(f"{len(order.pack.trials)}\n")
            if len(order.pack.trials) > 2:
                raise MemoryError("cannot allocate 80 GiB")
            return super().__call__(order)

    monkeypatch.setattr(tune.engine.worker, "PackWorker", Cramped)
    log = Log()
    with caplog.at_level(logging.WARNING, "tune"):
        space = dataclasses.replace(SPACE, training_questions=[1.0])
    result = run_sweep(config(data, tmp_path / "s", space=space, trials=12), [log])
    assert states(result) == {"COMPLETE": 12}
    assert len(log.finished) == len(set(log.finished)) == 13
    assert sizes.read_text().split() == ["1", "4", "2", "2", "2", "2", "2", "2"], (
        "the baseline's, one too big, none more"
    )
    assert "is run again: out of memory: cannot allocate 80 GiB" in caplog.text


def test_a_trial_that_never_fits_fails_alone_and_is_replaced(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cramped(PackWorker):
        def __call__(self, order: Order) -> Outcome:
            if any(number == 5 for number, _ in order.pack.trials) and order.pack.role == "trial":
                raise MemoryError
            return super().__call__(order)

    monkeypatch.setattr(tune.engine.worker, "PackWorker", Cramped)
    result = run_sweep(config(data, tmp_path / "s"))
    assert states(result) == {"COMPLETE": 10, "FAIL": 1}
    assert result.count("FAIL") == 1
    [failed] = [record for record in result.records if record.state == "FAIL"]
    assert failed.trial == 5
    assert failed.reason == "its worker died 3 times: out of memory: host"


def test_a_full_disk_tears_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep, folder = SweepConfig(trials=4), tmp_path
    advice = (
        f"the sweep's folder {folder} cannot be written to ([Errno 28] No space left on device: "
        f"'{folder / 'journal.log'}'); free space or make it writable, then run `python -m tune resume {folder}` to "
        "continue: finished trials are kept"
    )
    study = SweepStudy(folder, sweep, 1000)
    told = [TrialRecord(number, "FAIL", fit, reason="diverged") for number, fit in study.ask(3)]
    study.tell(told[0])
    before = (folder / "journal.log").read_bytes()
    monkeypatch.setattr(journal_file, "open", full_disk, raising=False)
    for failing in (lambda: study.tell(told[1]), study.close):
        with pytest.raises(EmbedLLMError) as error:
            failing()
        assert str(error.value) == advice
    assert (folder / "journal.log").read_bytes() == before
    monkeypatch.undo()
    with SweepStudy(folder, sweep, 1000) as study:
        assert [record.state for record in study.records()] == ["FAIL"] * 3
        assert [record.lost for record in study.records()] == [False, True, True]
        assert study.waiting() == 2


def test_a_disk_that_fills_up_ends_the_sweep_with_advice_and_it_resumes(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, log = tmp_path / "s", Log()

    def full(_: Path, record: TrialRecord) -> None:
        if record.role == "trial" and record.trial == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "scores"))

    with monkeypatch.context() as patch:
        patch.setattr(tune.search.study, "write_scores", full)
        with pytest.raises(EmbedLLMError) as error:
            run_sweep(config(data, folder, trials=8), [log])
    assert str(error.value).startswith(f"the sweep's folder {folder} cannot be written to ([Errno 28] No space left on")
    assert "python -m tune resume" in str(error.value)
    kept = [record for record in read_records(folder) if record.state == "COMPLETE"]
    assert {(record.role, record.trial) for record in kept} == set(log.finished), "told is kept, and kept is told"
    assert states(folder)["RUNNING"] == 0
    result = resume_sweep(folder)
    assert states(result)["COMPLETE"] == 8
    assert states(result).keys() == {"COMPLETE", "LOST"}
    assert [record for record in result.records if record in kept] == kept


def test_a_damaged_cache_is_computed_again(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EMBEDLLM_CACHE", str(tmp_path / "cache"))
    first = Sweep.create(config(data, tmp_path / "s")).encodings["lsa:8"].matrix
    [file] = [file for file in (tmp_path / "cache").glob("lsa-8-*.safetensors")]
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        again = Sweep.create(config(data, tmp_path / "s")).encodings["lsa:8"]
    assert not again.cached
    assert (again.matrix == first).all()
    assert f"the cached file {file} is damaged (its checksum does not fit its content); it is computed again" in (
        caplog.text
    )


def test_a_cache_that_cannot_be_written_is_told_before_any_trial(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMBEDLLM_CACHE", str(tmp_path / "file"))
    with pytest.raises(EmbedLLMError, match=r"the encoding cache .*/file cannot be written to .*EMBEDLLM_CACHE"):
        run_sweep(config(data, tmp_path / "s"))
    assert not (tmp_path / "s").exists()


def test_a_spent_time_budget_leaves_nothing_running_and_resumes(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = time.monotonic()
    monkeypatch.setattr(tune.engine.dispatch, "time", SimpleNamespace(monotonic=lambda: clock))

    class Slow(Log):
        def trial_finished(self, record: TrialRecord) -> None:
            nonlocal clock
            super().trial_finished(record)
            clock += 1

    result = run_sweep(config(data, tmp_path / "s", trials=5000, time_budget=6.0), [Slow()])
    assert result.stopped == "the time budget of 6 s is spent"
    assert result.winner is None
    done = result.count("COMPLETE")
    assert 5 <= done < 12, "running packs may finish, no more are started"
    assert states(result)["COMPLETE"] == states(result).total() - states(result)["LOST"] == done, "queued ones wait"
    again = resume_sweep(tmp_path / "s", trials=done + 3)
    assert again.count("COMPLETE") == done + 3
    assert set(states(again)) <= {"COMPLETE", "LOST"}
    assert again.winner is not None


def test_a_time_budget_spent_before_any_trial_is_no_failure(data: str, tmp_path: Path) -> None:
    result = run_sweep(config(data, tmp_path / "s", time_budget=1e-9))
    assert (result.best, result.winner) == (None, None)
    assert result.stopped == "the time budget of 1e-09 s is spent"
    with pytest.raises(ConfigError, match=r"trials is 2 but 3 trials of .* are finished; ask for 3 or more"):
        resume_sweep(resume_sweep_without_budget(tmp_path / "s", 3), trials=2)


def resume_sweep_without_budget(folder: Path, trials: int) -> Path:
    found = SweepFolder.open(folder)
    dataclasses.replace(found, config=found.config.replace(time_budget=None)).save()
    assert resume_sweep(folder, trials=trials).count("COMPLETE") == trials
    return folder


FULL_DRIVER = """
import resource, sys
from pathlib import Path
from tune.config import SweepConfig
from tune.cli.session import conduct
from tune.runner import Sweep
from tune.tracking.tracker import MlflowTracker

sweep = Sweep.create(SweepConfig.from_json(sys.stdin.read()))
real = MlflowTracker.trial_finished
def limited(self, record):
    real(self, record)
    if record.trial == 3:  # Ray runs by now: from here on, this process may make no file longer than its journal
        size = (sweep.folder.path / "journal.log").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
MlflowTracker.trial_finished = limited
conduct(sweep)
"""


@pytest.mark.slow
def test_a_real_limit_on_files_is_told_and_the_sweep_resumes_whole(data: str, tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", FULL_DRIVER], input=config(data, tmp_path / "s").to_json(), capture_output=True,
        text=True, timeout=200, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}, check=False,
    )  # fmt: skip
    assert process.returncode != 0
    assert "cannot be written to ([Errno 27] File too large: " in process.stderr
    assert "python -m tune resume" in process.stderr
    assert 0 < states(tmp_path / "s")["COMPLETE"] < 10
    assert states(resume_sweep(tmp_path / "s"))["COMPLETE"] == 10
