"""The journal: batches reach the disk at once, and what a crash left behind is cleaned up."""

import json
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage

from tune.search.journal import BatchedJournal, repair_journal


def test_a_batch_is_one_write_and_reads_back(tmp_path: Path) -> None:
    journal = BatchedJournal(tmp_path / "j.log")
    storage = JournalStorage(journal)
    study = optuna.create_study(storage=storage, study_name="s")
    before = (tmp_path / "j.log").read_bytes()
    with journal.batch():
        for value in range(3):
            trial = study.ask()
            trial.suggest_float("x", 0, 1)
            study.tell(trial, float(value))
        # Inside, the study sees its own operations though the file does not hold them yet.
        assert [trial.value for trial in study.trials] == [0.0, 1.0, 2.0]
        assert (tmp_path / "j.log").read_bytes() == before
    study.enqueue_trial({"x": 0.5})  # outside a batch, after one
    again = optuna.load_study(study_name="s", storage=JournalStorage(BatchedJournal(tmp_path / "j.log")))
    assert [trial.value for trial in again.trials] == [0.0, 1.0, 2.0, None]
    assert [trial.params for trial in again.trials] == [trial.params for trial in study.trials]


def test_a_torn_last_line_and_a_stale_lock_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "j.log"
    study = optuna.create_study(storage=JournalStorage(BatchedJournal(path)), study_name="s")
    study.tell(study.ask(), 1.0)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"wor')
    Path(f"{path}.lock").symlink_to(path)
    repair_journal(path)
    assert path.read_bytes() == whole
    again = optuna.load_study(study_name="s", storage=JournalStorage(BatchedJournal(path)))
    again.tell(again.ask(), 2.0)
    assert [trial.value for trial in again.trials] == [1.0, 2.0]


def test_nothing_to_repair(tmp_path: Path) -> None:
    repair_journal(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_in_a_batch_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = BatchedJournal(tmp_path / "j.log")
    storage = JournalStorage(journal)
    study = optuna.create_study(storage=storage, study_name="s")
    parsed = []
    loads = json.loads
    monkeypatch.setattr("tune.search.journal.json.loads", lambda line: parsed.append(line) or loads(line))
    for value in range(5):
        storage.get_all_studies()
        with journal.batch():
            study.tell(study.ask(), float(value))
    assert parsed == [], "the storage has applied these operations already"
    other = optuna.load_study(study_name="s", storage=JournalStorage(BatchedJournal(tmp_path / "j.log")))
    parsed.clear()
    study.tell(study.ask(), 5.0)
    assert [trial.value for trial in other.trials] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    lines = (tmp_path / "j.log").read_bytes().splitlines()
    assert len(set(parsed)) < len(lines) / 2, "another process reads what is new, not the whole file"


def test_a_line_being_written_by_another_process_waits(tmp_path: Path) -> None:
    path = tmp_path / "j.log"
    study = optuna.create_study(storage=JournalStorage(BatchedJournal(path)), study_name="s")
    study.tell(study.ask(), 1.0)
    whole = path.read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    path.write_bytes(whole[: last + 5])
    reader = optuna.load_study(study_name="s", storage=JournalStorage(BatchedJournal(path)))
    assert [trial.state.name for trial in reader.trials] == ["RUNNING"]
    path.write_bytes(whole)
    assert [trial.value for trial in reader.trials] == [1.0]
