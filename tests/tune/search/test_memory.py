"""What a sampler is shown of a long sweep: everything at first, then the best, the latest and those running."""

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from tune.search.memory import BEST, REMEMBERED, recent_study, remembers_all

SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(-1, 1), "d": IntDistribution(1, 64, log=True)}
TOTAL = REMEMBERED + 300


def trial(number: int, state: TrialState = TrialState.COMPLETE, values: tuple[float, ...] = ()) -> FrozenTrial:
    return create_trial(
        state=state,
        values=values or None,
        params={"x": (number % 97) / 97, "d": 1 + number % 64},
        distributions=SPACE,
        user_attrs={"number": number},
        intermediate_values={1: 0.5} if state == TrialState.PRUNED else {},
    )


def study_of(count: int, direction: str = "minimize") -> optuna.Study:
    study = optuna.create_study(direction=direction)
    for number in range(count):
        pruned = number % 7 == 3
        value = () if pruned else ((number * 7919) % 1000 / 1000,)
        study.add_trial(trial(number, TrialState.PRUNED if pruned else TrialState.COMPLETE, value))
    return study


def values_of(study: optuna.Study) -> list[float]:
    return [t.value for t in study.get_trials(states=(TrialState.COMPLETE,)) if t.value is not None]


def test_a_short_study_is_read_whole() -> None:
    assert remembers_all(study_of(REMEMBERED))
    assert not remembers_all(study_of(REMEMBERED + 1))


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_best_and_the_latest_are_kept(direction: str) -> None:
    whole = study_of(TOTAL, direction)
    memory = recent_study(whole, TPESampler(seed=0), SPACE)
    assert len(memory.trials) == REMEMBERED
    ordered = sorted(values_of(whole), reverse=direction == "maximize")
    assert set(ordered[:BEST]) <= set(values_of(memory))
    assert memory.best_value == whole.best_value
    latest = [t.params for t in whole.trials[-(REMEMBERED - BEST) :]]
    shown = [t.params for t in memory.trials]
    assert all(params in shown for params in latest)
    assert not any(t.user_attrs for t in memory.trials)


def test_running_trials_are_shown_and_keep_proposals_apart() -> None:
    whole = study_of(TOTAL)
    whole.add_trial(trial(5000, TrialState.RUNNING))
    memory = recent_study(whole, TPESampler(seed=0, multivariate=True, constant_liar=True), SPACE)
    assert [t.state for t in memory.trials].count(TrialState.RUNNING) == 1
    proposals = [memory.ask(SPACE).params["x"] for _ in range(8)]
    assert len(set(proposals)) == 8


def test_of_several_objectives_the_front_is_kept() -> None:
    whole = optuna.create_study(directions=["minimize", "minimize"])
    whole.add_trial(trial(0, values=(-1.0, 5.0)))
    whole.add_trial(trial(1, values=(5.0, -1.0)))
    for number in range(2, TOTAL):
        whole.add_trial(trial(number, values=(1.0 + number % 13, 1.0 + number % 11)))
    memory = recent_study(whole, TPESampler(seed=0), SPACE)
    shown = [tuple(t.values) for t in memory.trials]
    assert {(-1.0, 5.0), (5.0, -1.0)} <= set(shown)
    assert len(shown) == REMEMBERED


def test_trials_of_another_space_are_left_out() -> None:
    whole = study_of(TOTAL)
    whole.add_trial(create_trial(value=-9.0, params={"x": 0.0}, distributions={"x": FloatDistribution(-1, 1)}))
    assert recent_study(whole, TPESampler(seed=0), SPACE).best_value > -9.0
