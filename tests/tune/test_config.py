"""SweepConfig: validation told in one message, and the way through JSON and back."""

import dataclasses
import json
from typing import Any

import pytest

from embedllm.errors import ConfigError
from tune.config import Range, SearchSpace, SweepConfig
from tune.search.objectives import Objective


def test_defaults_are_valid_and_survive_json() -> None:
    config = SweepConfig()
    assert SweepConfig.from_json(config.to_json()) == config


def test_ranges_lists_and_nulls_survive_json() -> None:
    space = SearchSpace(embedding_dim=[8, 16], noise=Range(0.0, 0.3), epochs=[5], training_questions=Range(100, 200))
    config = SweepConfig(data="x", space=space, sampler="random", gpus_per_pack=0.25, time_budget=3.5)
    assert SweepConfig.from_json(config.to_json()) == config


def test_unknown_keys_are_named() -> None:
    values = json.loads(SweepConfig().to_json())
    values["trails"] = 3
    with pytest.raises(ConfigError, match=r"unknown keys trails; allowed: .*trials"):
        SweepConfig.from_json(json.dumps(values))
    values = json.loads(SweepConfig().to_json())
    values["space"]["dims"] = [3]
    with pytest.raises(ConfigError, match="unknown keys dims"):
        SweepConfig.from_json(json.dumps(values))


def test_a_range_the_wrong_way_round_is_told_with_its_axis() -> None:
    values = json.loads(SweepConfig().to_json())
    values["space"]["noise"] = {"low": 0.2, "high": 0.1, "log": False}
    with pytest.raises(ConfigError) as caught:
        SweepConfig.from_json(json.dumps(values))
    assert str(caught.value) == (
        "invalid search space: space.noise: a range needs low <= high but has low 0.2, high 0.1; swap them"
    )


def test_every_problem_is_in_one_message() -> None:
    with pytest.raises(ConfigError) as caught:
        SweepConfig(trials=0, seeds=0, objective="test_accuracy", sampler="grid", gpus_per_pack=1.5, time_budget=0)
    text = str(caught.value)
    for part in (
        "trials must be at least 1 but is 0",
        "seeds must be at least 1 but is 0",
        "objective must be one of val_log_loss",
        "sampler grid needs a list of choices on every axis, but embedding_dim, noise, learning_rate, weight_decay",
        "gpus_per_pack must be a fraction up to 1 or a whole number, or null, but is 1.5",
        "time_budget must be positive seconds, or null, but is 0",
    ):
        assert part in text


def test_search_space_problems() -> None:
    with pytest.raises(ConfigError) as caught:
        SearchSpace(
            encoder=[], embedding_dim=[0, 4], noise=[-0.1], learning_rate=[0.0], batch_questions=[8, 8],
            training_questions=Range(0.5, 300),
        )  # fmt: skip
    text = str(caught.value)
    for part in (
        "encoder has no choices; give at least one",
        "embedding_dim must hold whole numbers from 1 but is [0, 4]",
        "noise must not be negative but is [-0.1]",
        "learning_rate must be positive but is [0.0]",
        "batch_questions lists a choice twice: [8, 8]",
        "training_questions must range over fractions (up to 1) or over counts (above 1), not both",
    ):
        assert part in text


def test_range_problems() -> None:
    with pytest.raises(ConfigError, match="low <= high but has low 3, high 2"):
        Range(3, 2)
    with pytest.raises(ConfigError, match="a range with log: true needs low > 0 but has low 0"):
        Range(0, 2, log=True)


def test_pruner_needs_a_per_epoch_objective() -> None:
    SweepConfig(pruner="median", objective="val_accuracy")
    with pytest.raises(ConfigError, match="pruner median needs an objective known after every epoch"):
        SweepConfig(pruner="median", objective="val_brier")


def test_cmaes_needs_ranges() -> None:
    fixed = {axis.name: [1] for axis in dataclasses.fields(SearchSpace) if axis.name != "encoder"}
    with pytest.raises(ConfigError, match="sampler cmaes needs ranges on at least two axes"):
        SweepConfig(sampler="cmaes", space=SearchSpace(**fixed))  # type: ignore[arg-type]


def test_direction_follows_from_the_metric() -> None:
    assert SweepConfig().direction == "minimize"
    assert SweepConfig(objective="val_routing_micro").direction == "maximize"


def test_objectives_survive_json_and_the_first_is_the_objective() -> None:
    config = SweepConfig(objectives=["val_accuracy:max", {"name": "training_questions", "direction": "min"}])
    assert config.objective == "val_accuracy"
    assert config.direction == "maximize"
    assert config.goals == [Objective("val_accuracy", "maximize"), Objective("training_questions", "minimize")]
    assert SweepConfig.from_json(config.to_json()) == config
    assert config.replace(trials=3).goals == config.goals


def test_a_single_objective_is_the_ordinary_case() -> None:
    assert SweepConfig(objectives=["val_brier"]) == SweepConfig(objective="val_brier")
    assert SweepConfig(objective="val_brier").goals == [Objective("val_brier", "minimize")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": ["val_logloss", "epochs"]}, "unknown objective 'val_logloss'; the nearest allowed is"),
        (
            {"objective": "val_brier", "objectives": ["val_accuracy", "training_questions"]},
            "objective is val_brier but objectives begin with val_accuracy; leave objective out, or put it first",
        ),
        (
            {"objectives": ["val_log_loss", "training_questions"], "pruner": "median"},
            "pruner median cannot be used with several objectives",
        ),
        (
            {"objectives": ["val_log_loss", "training_questions"], "sampler": "cmaes"},
            "sampler cmaes follows one objective only; use tpe, random, qmc or grid",
        ),
        (
            {"objectives": ["val_log_loss", "seconds"], "deterministic": True},
            "objective seconds differs from run to run",
        ),
        (
            {"objectives": ["val_log_loss", "epochs"]},
            "objective epochs is the same for every trial; give space.epochs several values",
        ),
        ({"objectives": ["val_log_loss", "val_accuracy_sd"], "seeds": 1}, "needs at least 2 seeds"),
        ({"finalists": 0}, "finalists must be at least 1, or null, but is 0"),
    ],
)
def test_what_several_objectives_exclude(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SweepConfig(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "Bob's", 'the "best"'])
def test_names_that_mlflow_cannot_look_up_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="register must be a name without /, : and quotes, or auto or none, but is"):
        SweepConfig(register=name)
