"""What the trials of a sweep amount to."""

from pathlib import Path

from embedllm.config import preset
from tune.config import SearchSpace, SweepConfig
from tune.records import TrialRecord
from tune.search.ranking import best_record, count_finished, has_baseline, is_exhausted, ranking
from tune.search.study import SweepStudy, read_records

CONFIG = preset("fast").replace(encoder="lsa")
SMALL = SearchSpace(
    encoder=["lsa"], embedding_dim=[4, 8], noise=[0.0, 0.1], training_questions=[0.5, 1.0], learning_rate=[0.01],
    weight_decay=[0.0],
)  # fmt: skip
"""Eight configurations."""


def record(number: int, state: str, **changes: object) -> TrialRecord:
    return TrialRecord(number, state, CONFIG, **changes)  # type: ignore[arg-type]


def complete(number: int, loss: float, accuracy: float = 0.5, **changes: object) -> TrialRecord:
    return record(number, "COMPLETE", metrics={"val_log_loss": loss, "val_accuracy": accuracy}, **changes)


def test_the_best_first_by_the_first_objective_and_between_equals_by_the_next() -> None:
    records = [
        complete(0, 0.1, role="baseline"),  # does not compete
        complete(0, 0.6), complete(1, 0.5, 0.6), complete(2, 0.5, 0.7), record(3, "PRUNED"), record(4, "FAIL"),
        record(5, "COMPLETE"),  # without a metric it comes last
    ]  # fmt: skip
    config = SweepConfig(objectives=["val_log_loss:min", "val_accuracy:max"])
    assert [found.trial for found in ranking(records, config)] == [2, 1, 0, 5]
    best = best_record(records, config)
    assert best is not None
    assert best.trial == 2
    assert best_record(records[:1], config) is None


def test_complete_and_pruned_trials_count_towards_the_target() -> None:
    states = ("COMPLETE", "PRUNED", "FAIL", "RUNNING")
    trials = [record(number, state) for number, state in enumerate(states)]
    assert count_finished([*trials, complete(0, 0.5, role="baseline")]) == 2
    assert not has_baseline([*trials, record(0, "RUNNING", role="baseline")])
    assert has_baseline([*trials, complete(0, 0.5, role="baseline")])


def test_a_finite_space_is_exhausted_when_all_of_it_is_finished(tmp_path: Path) -> None:
    config = SweepConfig(space=SMALL, sampler="grid")
    with SweepStudy(tmp_path, config, 100) as study:
        for number, asked in study.ask(7):
            curves = {"val_log_loss": [0.5]}
            study.tell(TrialRecord(number, "COMPLETE", asked, metrics={"val_log_loss": 0.5}, curves=curves))
        assert not is_exhausted(study.records(), config)
        [(number, asked)] = study.ask(1)
        assert not is_exhausted(study.records(), config), "one is running"
        study.tell(TrialRecord(number, "FAIL", asked, 2, reason="diverged"))
        assert is_exhausted(study.records(), config)
    assert not is_exhausted(read_records(tmp_path), SweepConfig())
