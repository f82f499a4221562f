"""A study of several objectives: values, samplers, and what a resumed one remembers."""

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tune.config import Range, SearchSpace, SweepConfig
from tune.records import TrialRecord
from tune.results.pareto import pareto_front
from tune.search.ranking import best_record, ranking
from tune.search.study import JOURNAL_FILE, STUDY_NAMES, SweepStudy, read_records

GOALS = ["val_accuracy", "training_questions", "parameters"]
RANGES = SearchSpace(encoder=["lsa"], training_questions=Range(0.05, 1.0))
LISTS = SearchSpace(
    encoder=["lsa"], embedding_dim=[4, 8, 16], noise=[0.0], training_questions=[0.25, 0.5, 1.0], learning_rate=[0.01],
    weight_decay=[0.0],
)  # fmt: skip


def complete(number: int, config, role: str = "trial") -> TrialRecord:  # type: ignore[no-untyped-def]
    accuracy = 0.6 + 0.2 * (config.training_questions or 100) / 1000 - 0.001 * config.embedding_dim
    curves = {"val_log_loss": [0.7], "val_accuracy": [accuracy]}
    return TrialRecord(
        number, "COMPLETE", config, 2, role, {"val_accuracy": accuracy}, curves, 1, 10, 0.1,  # type: ignore[arg-type]
        parameters=10 * config.embedding_dim,
    )  # fmt: skip


def fill(folder: Path, config: SweepConfig, rounds: int, size: int = 4) -> list[TrialRecord]:
    with SweepStudy(folder, config, 1000) as study:
        for _ in range(rounds):
            for number, asked in study.ask(size):
                study.tell(complete(number, asked))
        return study.records()


def test_optuna_reads_the_same_values_names_and_front(tmp_path: Path) -> None:
    config = SweepConfig(objectives=GOALS, space=RANGES, sampler="random")
    records = fill(tmp_path, config, 5)
    assert read_records(tmp_path) == records
    study = optuna.load_study(
        study_name="sweep", storage=JournalStorage(JournalFileBackend(str(tmp_path / JOURNAL_FILE)))
    )
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    assert study.metric_names == GOALS
    for record, trial in zip(records, study.trials, strict=True):
        expected = [record.metrics["val_accuracy"], record.config.training_questions, record.parameters]
        assert trial.values == pytest.approx(expected)
    assert sorted(r.trial for r in pareto_front(records, config.goals)) == sorted(t.number for t in study.best_trials)


def names(folder: Path) -> dict[str, list[str] | None]:
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL_FILE)))
    return {name: optuna.load_study(study_name=name, storage=storage).metric_names for name in STUDY_NAMES.values()}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SweepConfig(objective="val_accuracy", space=RANGES), ["val_accuracy"]),
        (SweepConfig(objectives=GOALS, space=RANGES), GOALS),
    ],
)
def test_a_dashboard_shows_the_objective_by_its_name(tmp_path: Path, config: SweepConfig, expected: list[str]) -> None:
    fill(tmp_path, config, 1)
    assert names(tmp_path) == {"sweep": expected, "baseline": expected[:1]}


@pytest.mark.filterwarnings("error")
def test_a_study_without_names_gets_them_once_when_it_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SweepConfig(objective="val_accuracy", space=RANGES)
    with monkeypatch.context() as before:
        before.setattr(optuna.Study, "set_metric_names", lambda *_: None)
        known = fill(tmp_path, config, 1)
    assert names(tmp_path) == {"sweep": None, "baseline": None}
    resumed = fill(tmp_path, config, 1)
    assert resumed[: len(known)] == known
    assert names(tmp_path) == {"sweep": ["val_accuracy"], "baseline": ["val_accuracy"]}
    fill(tmp_path, config, 1)
    assert (tmp_path / JOURNAL_FILE).read_text().count("study:metric_names") == 2, "one per study"


def test_the_baseline_has_no_choice_between_objectives(tmp_path: Path) -> None:
    with SweepStudy(tmp_path, SweepConfig(objectives=GOALS, space=RANGES), 1000) as study:
        baseline = study.ask_baseline()
        assert baseline is not None
        study.tell(complete(*baseline, role="baseline"))
        assert [record.role for record in study.records()] == ["baseline"]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_samplers_propose_and_learn(tmp_path: Path, sampler: str) -> None:
    config = SweepConfig(objectives=GOALS, space=RANGES, sampler=sampler)  # type: ignore[arg-type]
    records = fill(tmp_path, config, 8)
    assert len({record.config for record in records}) == 32


@pytest.mark.parametrize("sampler", ["tpe", "grid"])
def test_a_finite_space_is_tried_once_over(tmp_path: Path, sampler: str) -> None:
    config = SweepConfig(objectives=GOALS, space=LISTS, sampler=sampler)  # type: ignore[arg-type]
    records = fill(tmp_path, config, 4)
    assert len(records) == len({record.config for record in records}) == 9


def test_tpe_finds_the_front(tmp_path: Path) -> None:
    """With every axis but the two that matter free, half of the later trials should be of small dimension."""
    config = SweepConfig(objectives=["val_accuracy", "training_questions"], space=RANGES)
    records = fill(tmp_path, config, 15)
    early = [record.config.embedding_dim for record in records[:16]]
    late = [record.config.embedding_dim for record in records[-24:]]
    assert sorted(late)[len(late) // 2] < sorted(early)[len(early) // 2]


def test_a_resumed_study_goes_on_where_it_stood(tmp_path: Path) -> None:
    config = SweepConfig(objectives=GOALS, space=RANGES, sampler="random", seed=5)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = fill(tmp_path / "a", config, 3)
    for _ in range(3):
        parts = fill(tmp_path / "b", config, 1)
    assert parts == whole


def test_a_lost_trial_is_run_again(tmp_path: Path) -> None:
    config = SweepConfig(objectives=GOALS, space=RANGES)
    first = SweepStudy(tmp_path, config, 1000)
    asked = first.ask(3)
    first.tell(complete(*asked[0]))
    first._lock.close()  # as if killed
    with SweepStudy(tmp_path, config, 1000) as second:
        assert [again for _, again in second.ask(2)] == [lost for _, lost in asked[1:]]
        assert [record.state for record in second.records()] == ["COMPLETE", "FAIL", "FAIL", "RUNNING", "RUNNING"]


def test_the_best_is_that_of_the_first_objective_and_on_the_front(tmp_path: Path) -> None:
    config = SweepConfig(objectives=GOALS, space=RANGES, sampler="random")
    records = fill(tmp_path, config, 4)
    best = best_record(records, config)
    assert best is not None
    assert best == pareto_front(records, config.goals)[0] == ranking(records, config)[0]
    assert best.metrics["val_accuracy"] == max(record.metrics["val_accuracy"] for record in records)
    assert [record.metrics["val_accuracy"] for record in ranking(records, config)] == sorted(
        (record.metrics["val_accuracy"] for record in records), reverse=True
    )
