from dataclasses import dataclass

import pytest

from embedllm.checks import not_among, not_counts, not_gpus, too_small


@dataclass
class Config:
    trials: int = 1
    seed: int = 0
    slots: int | None = None
    gpus: float | None = None
    sampler: str = "tpe"


def test_a_good_configuration_has_no_problems() -> None:
    config = Config()
    assert too_small(config, trials=1, seed=0) == []
    assert not_counts(config, "slots", "trials") == []
    assert not_among(config, sampler=("tpe", "random")) == []


def test_each_problem_says_what_was_given_and_what_is_allowed() -> None:
    config = Config(trials=0, seed=-1, slots=0, sampler="tpo")
    assert too_small(config, trials=1, seed=0) == [
        "trials must be at least 1 but is 0",
        "seed must be at least 0 but is -1",
    ]
    assert not_counts(config, "slots") == ["slots must be at least 1, or null, but is 0"]
    assert not_among(config, sampler=("tpe", "random")) == ["sampler must be one of tpe, random but is 'tpo'"]


@pytest.mark.parametrize("gpus", [None, 0, 0.25, 1, 4])
def test_gpus_may_be_shared_or_whole(gpus: float | None) -> None:
    assert not_gpus(Config(gpus=gpus), "gpus") == []


@pytest.mark.parametrize("gpus", [-0.5, 1.5])
def test_other_numbers_of_gpus_are_refused(gpus: float) -> None:
    assert not_gpus(Config(gpus=gpus), "gpus") == [
        f"gpus must be a fraction up to 1 or a whole number, or null, but is {gpus}"
    ]
