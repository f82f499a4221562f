"""What MLflow is told of a design, with a tracker that only remembers."""

from typing import Any

import pytest

from ablations.config import AblationConfig
from ablations.outcome import CellOutcome
from ablations.runner import Ablation
from ablations.tracking import CellTracker
from embedllm.data import CorrectnessMatrix
from tune.records import TrialRecord


class Tracker:
    """Stands in for `MlflowTracker`."""

    def __init__(self) -> None:
        self.records: list[TrialRecord] = []

    def trial_finished(self, record: TrialRecord) -> None:
        self.records.append(record)


@pytest.fixture
def ablation(toy: Any, config: AblationConfig, data: CorrectnessMatrix) -> Ablation:
    made = Ablation.prepare(toy(), config.replace(methods=["knn"]), data)
    made.folder.path.mkdir(parents=True)
    return made


def outcome(ablation: Ablation, number: int, accuracy: float) -> CellOutcome:
    cell = ablation.plan.cells[number]
    row = cell.columns | {"side": "test", "scope": "overall", "seconds": 1.0}
    metrics = dict.fromkeys(("log_loss", "brier", "ece", "routing_micro", "routing_macro"), 0.5)
    return CellOutcome(cell.key, [row | metrics | {"accuracy": accuracy, "roc_auc": None}])


def test_seeds_of_a_configuration_are_one_run(ablation: Ablation) -> None:
    heard = Tracker()
    tracker = CellTracker(ablation, heard)  # type: ignore[arg-type]
    tracker.cells_finished([outcome(ablation, 0, 0.5)])
    assert heard.records == []  # one of two seeds
    tracker.cells_finished([outcome(ablation, 1, 0.7)])
    [record] = heard.records
    assert (record.state, record.seeds, record.label, record.seconds) == (
        "COMPLETE",
        2,
        "knn part=some n=40 (base)",
        2.0,
    )
    assert record.metrics["test_accuracy"] == pytest.approx(0.6)
    assert record.metrics["test_accuracy_sd"] == pytest.approx(0.2 / 2**0.5)
    assert "test_roc_auc" not in record.metrics  # undefined: never NaN
    assert record.params == {
        "training_questions": "40",
        "method": "knn",
        "encoder": "lsa:8",
        "split": "base",
        "part": "some",
    }


def test_numbers_outlive_a_run_but_not_a_failure(ablation: Ablation) -> None:
    heard = Tracker()
    tracker = CellTracker(ablation, heard)  # type: ignore[arg-type]
    failed = CellOutcome.failed(ablation.plan.cells[2], ablation.plan.splits["base"], "broke")
    tracker.cells_finished([failed, *(outcome(ablation, number, 0.5) for number in (0, 1, 3))])
    assert sorted((record.trial, record.state, record.reason) for record in heard.records) == [
        (0, "FAIL", "broke"),
        (1, "COMPLETE", None),
    ]
    again = Tracker()
    ablation.folder.append([outcome(ablation, number, 0.5) for number in (0, 1)])
    tracker = CellTracker(ablation, again)  # type: ignore[arg-type]
    assert [record.trial for record in again.records] == [1]  # told again, under its number
    tracker.cells_finished([outcome(ablation, number, 0.5) for number in (2, 3)])
    assert [record.trial for record in again.records] == [1, 2]
