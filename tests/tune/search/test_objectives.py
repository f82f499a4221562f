"""Objectives as written, and what is wrong with them."""

import pytest

from embedllm.config import FitConfig
from embedllm.errors import ConfigError
from tune.records import TrialRecord
from tune.search.objectives import Objective, objective_value, read_objective, read_objectives


@pytest.mark.parametrize(
    ("given", "objective"),
    [
        ("val_log_loss:min", Objective("val_log_loss", "minimize")),
        ("val_log_loss", Objective("val_log_loss", "minimize")),
        ("val_accuracy:max", Objective("val_accuracy", "maximize")),
        ("val_accuracy:maximize", Objective("val_accuracy", "maximize")),
        (" training_questions ", Objective("training_questions", "minimize")),
        ("val_accuracy_sd", Objective("val_accuracy_sd", "minimize")),
        ({"name": "val_accuracy", "direction": "max"}, Objective("val_accuracy", "maximize")),
        ({"name": "parameters"}, Objective("parameters", "minimize")),
    ],
)
def test_objectives_as_written(given: object, objective: Objective) -> None:
    assert read_objective(given) == objective
    assert read_objective(str(objective)) == objective
    assert read_objective(objective) is objective


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "val_logloss",
            "unknown objective 'val_logloss'; the nearest allowed is 'val_log_loss', all are val_log_loss, ",
        ),
        ("training_question:min", "the nearest allowed is 'training_questions'"),
        ("test_accuracy", "selection never sees test questions; the nearest allowed is 'val_accuracy'"),
        ("test_accuracy_sd", "selection never sees test questions"),
        ("val_log_loss:max", "val_log_loss is minimized, but 'maximize' was asked for"),
        ("training_questions:max", "training_questions is minimized, but 'maximize' was asked for"),
        ("val_log_loss:down", "the direction of val_log_loss must be min or max but is 'down'"),
        ({"direction": "min"}, "an objective is a mapping of name and direction, or NAME:min"),
        ({"name": "epochs", "weight": "2"}, "an objective is a mapping of name and direction, or NAME:min"),
    ],
)
def test_what_cannot_be_an_objective(given: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_objective(given)
    assert message in str(caught.value)


def test_every_problem_of_a_list_is_told() -> None:
    _, problems = read_objectives(["val_logloss", "seconds:max"])
    assert len(problems) == 2
    assert read_objectives(["val_accuracy", "epochs"])[1] == []
    assert read_objectives([])[1] == ["objectives is empty; name at least one, or use null"]
    assert read_objectives(["val_accuracy", "epochs", "epochs:min"])[1] == ["objective epochs is given twice"]
    [problem] = read_objectives(["seconds", "val_accuracy"])[1]
    assert "the first objective decides which trial wins" in problem
    assert "put a validation metric first" in problem


def test_values_come_from_where_they_are_known() -> None:
    config = FitConfig(embedding_dim=32, training_questions=600, epochs=10)
    metrics = {"val_log_loss": 0.5, "val_roc_auc": float("nan")}
    record = TrialRecord(3, "COMPLETE", config, metrics=metrics, budget=10, seconds=0.25, parameters=1234)
    found = {
        name: objective_value(record, name)
        for name in (
            "val_log_loss", "val_roc_auc", "val_brier", "training_questions", "embedding_dim", "epochs", "seconds",
            "parameters",
        )
    }  # fmt: skip
    assert found == {
        "val_log_loss": 0.5, "val_roc_auc": None, "val_brier": None, "training_questions": 600.0,
        "embedding_dim": 32.0, "epochs": 10.0, "seconds": 0.25, "parameters": 1234.0,
    }  # fmt: skip
    assert objective_value(TrialRecord(0, "COMPLETE", FitConfig()), "training_questions") is None
