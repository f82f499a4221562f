"""The study as the source of truth: round trip, crashes, duplicates, resumed sampling."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from embedllm.config import preset
from embedllm.errors import ConfigError
from tune.config import Range, SearchSpace, SweepConfig
from tune.records import TrialRecord
from tune.search.journal import BatchedJournal
from tune.search.ranking import best_record
from tune.search.study import JOURNAL_FILE, SweepStudy, read_records

SMALL = SearchSpace(
    encoder=["lsa"], embedding_dim=[4, 8], noise=[0.0, 0.1], training_questions=[0.5, 1.0], learning_rate=[0.01],
    weight_decay=[0.0],
)  # fmt: skip
"""Eight configurations."""


def complete(number: int, config, loss: float, **changes) -> TrialRecord:  # type: ignore[no-untyped-def]
    curves = {"train_log_loss": [0.7, 0.5], "val_log_loss": [0.8, loss], "val_accuracy": [0.5, 0.6]}
    values = {
        "seeds": 2, "metrics": {"val_log_loss": loss, "val_log_loss_sd": 0.01}, "curves": curves, "best_epoch": 2,
        "budget": 2, "seconds": 0.25,
    } | changes  # fmt: skip
    return TrialRecord(number, "COMPLETE", config, **values)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[SweepStudy]:
    with SweepStudy(tmp_path, SweepConfig(pruner="median"), 1000) as opened:
        yield opened


def test_records_come_back_as_told(study: SweepStudy, tmp_path: Path) -> None:
    told = []
    for (number, config), loss in zip(study.ask(4), (0.6, 0.5, 0.7, 0.0), strict=True):
        record = complete(number, config, loss)
        if number == 2:
            record = complete(number, config, loss, budget=1, metrics={}, reason="pruned after epoch 1 of 2")
            record = TrialRecord(**{**record.__dict__, "state": "PRUNED"})
        if number == 3:
            record = TrialRecord(number, "FAIL", config, 2, reason="diverged", curves=record.curves)
        told.append(record)
        study.tell(record)
    baseline = study.ask_baseline()
    assert baseline is not None
    assert baseline[1] == preset("paper").replace(encoder="lsa")
    told.insert(0, complete(*baseline, loss=0.1, role="baseline"))
    study.tell(told[0])
    assert study.records() == told
    assert read_records(tmp_path) == told
    assert study.ask_baseline() is None
    best = best_record(told, study.config)
    assert best is not None
    assert best.trial == 1  # neither the baseline nor the failed or pruned trial


def test_intermediate_values_are_kept_for_pruners(study: SweepStudy) -> None:
    [(number, config)] = study.ask(1)
    study.tell(complete(number, config, 0.5))
    assert study.history()[number].intermediate_values == {1: 0.8, 2: 0.5}


def test_asking_and_telling_take_one_write_each(study: SweepStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    writes = []
    original = optuna.storages.journal.JournalFileBackend.append_logs
    monkeypatch.setattr(
        optuna.storages.journal.JournalFileBackend,
        "append_logs",
        lambda self, logs: (writes.append(len(logs)), original(self, logs)),
    )
    asked = study.ask(5)
    assert len(writes) == 1
    study.tell(complete(*asked[0], loss=0.5))
    assert len(writes) == 2


def test_ctrl_c_while_the_journal_is_released_waits(
    study: SweepStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = os.unlink

    def interrupted(path: str) -> None:
        unlink(path)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "unlink", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.ask(2)
    monkeypatch.undo()
    assert [record.state for record in read_records(tmp_path)] == ["RUNNING", "RUNNING"]
    study.close()
    assert [record.state for record in read_records(tmp_path)] == ["FAIL", "FAIL"]


def test_trials_left_running_are_lost_and_run_again(tmp_path: Path) -> None:
    config = SweepConfig(sampler="random")
    first = SweepStudy(tmp_path, config, 1000)
    asked = first.ask(3)
    first.ask_baseline()
    first.tell(complete(*asked[1], loss=0.5))
    first._lock.close()  # as if killed: nothing else is cleaned up
    with SweepStudy(tmp_path, config, 1000) as second:
        records = [record for record in second.records() if record.role == "trial"]
        assert [record.state for record in records] == ["FAIL", "COMPLETE", "FAIL"]
        assert [record.lost for record in records] == [True, False, True]
        assert records[0].reason == "the driver ended before this trial did"
        assert second.waiting() == 2
        assert second.ask_baseline() is not None
        again = second.ask(3)
        assert [config for _, config in again[:2]] == [asked[0][1], asked[2][1]]
        assert again[2][1] not in [config for _, config in asked]
    assert all(record.state != "RUNNING" for record in read_records(tmp_path))


def test_a_resumed_sweep_goes_on_drawing_where_it_stood(tmp_path: Path) -> None:
    config = SweepConfig(sampler="random", seed=5)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with SweepStudy(tmp_path / "a", config, 1000) as whole:
        through = []
        for _ in range(3):
            for number, asked in whole.ask(4):
                whole.tell(complete(number, asked, 0.5))
                through.append(asked)
    resumed = []
    for _ in range(3):
        with SweepStudy(tmp_path / "b", config, 1000) as part:
            for number, asked in part.ask(4):
                part.tell(complete(number, asked, 0.5))
                resumed.append(asked)
    assert resumed == through
    assert len(set(through)) == 12


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "grid"])
def test_a_finite_space_is_tried_once_over(tmp_path: Path, sampler: str) -> None:
    with SweepStudy(tmp_path, SweepConfig(space=SMALL, sampler=sampler), 100) as study:  # type: ignore[arg-type]
        seen = []
        while batch := study.ask(3):
            for number, config in batch:
                study.tell(complete(number, config, 0.1 * config.embedding_dim))
                seen.append(config)
    assert len(seen) == len(set(seen)) == 8


def test_grid_goes_in_order(tmp_path: Path) -> None:
    with SweepStudy(tmp_path, SweepConfig(space=SMALL, sampler="grid"), 100) as study:
        found = [(c.embedding_dim, c.noise, c.training_questions) for _, c in study.ask(8)]
    assert found == [(d, n, q) for d in (4, 8) for n in (0.0, 0.1) for q in (50, 100)]


@pytest.mark.parametrize("sampler", ["tpe", "qmc", "cmaes"])
def test_samplers_learn_from_what_they_are_told(tmp_path: Path, sampler: str) -> None:
    with SweepStudy(tmp_path, SweepConfig(sampler=sampler), 1000) as study:  # type: ignore[arg-type]
        for _ in range(5):
            for number, config in study.ask(6):
                study.tell(complete(number, config, abs(config.noise - 0.1)))
        assert len({config for _, config in study.ask(2)}) == 2


def test_tpe_keeps_exploring(tmp_path: Path) -> None:
    space = SearchSpace(encoder=["lsa", "lsa:96"])
    with SweepStudy(tmp_path, SweepConfig(space=space), 1000) as study:
        for _ in range(10):
            for number, config in study.ask(8):
                study.tell(complete(number, config, 0.5 if config.encoder == "lsa" else 0.6))
        later = [record.config.encoder for record in study.records()[40:]]
    # It has found the better encoder, and goes on looking at the other.
    assert later.count("lsa") > 25
    assert later.count("lsa:96") >= 3


def test_tpe_begins_with_the_preset_on_each_encoder(tmp_path: Path) -> None:
    space = SearchSpace(encoder=["lsa", "lsa:96"], embedding_dim=Range(8, 64))
    with SweepStudy(tmp_path, SweepConfig(space=space), 16_000) as study:
        first, second, third = (config for _, config in study.ask(3))
    assert [first, second] == [preset("fast").replace(encoder=name, embedding_dim=64, training_questions=16_000)
                               for name in ("lsa", "lsa:96")]  # fmt: skip
    assert third.learning_rate != first.learning_rate


@pytest.mark.parametrize("sampler", ["random", "qmc", "cmaes"])
def test_other_samplers_stay_unbiased(tmp_path: Path, sampler: str) -> None:
    with SweepStudy(tmp_path, SweepConfig(sampler=sampler), 1000) as study:  # type: ignore[arg-type]
        assert all(config.learning_rate != preset("fast").learning_rate for _, config in study.ask(6))


def test_the_first_configurations_are_not_proposed_again_when_lost(tmp_path: Path) -> None:
    space = SearchSpace(encoder=["lsa", "lsa:64", "lsa:96"])
    with SweepStudy(tmp_path, SweepConfig(space=space), 1000) as study:
        lost = [config for _, config in study.ask(2)]  # of three; the third is still to come
    with SweepStudy(tmp_path, SweepConfig(space=space), 1000) as study:
        asked = [config for _, config in study.ask(2)] + [config for _, config in study.ask(6)]
    assert asked[:2] == lost
    assert asked[2] == lost[0].replace(encoder="lsa:96")
    assert len(set(asked)) == 8


def test_a_sweep_runs_in_one_process(study: SweepStudy, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is being run by another process"):
        SweepStudy(tmp_path, SweepConfig(), 1000)


def test_reading_needs_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not a sweep: journal\.log is missing"):
        read_records(tmp_path)


def test_optuna_opens_the_journal_by_itself(study: SweepStudy, tmp_path: Path) -> None:
    study.tell(complete(*study.ask(1)[0], loss=0.25))
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / JOURNAL_FILE)))
    assert optuna.load_study(study_name="sweep", storage=storage).best_value == 0.25
    assert isinstance(study._journal, BatchedJournal)


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    with SweepStudy(tmp_path, SweepConfig(), 1000) as study:
        study.ask(2)
    lines = (tmp_path / JOURNAL_FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL_FILE).write_bytes(b"".join([*lines[:2], b"{torn\n", *lines[2:]]))
    with pytest.raises(ConfigError, match=r"journal\.log is damaged in line 3 \(.*\); restore it from a copy"):
        read_records(tmp_path)
