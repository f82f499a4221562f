"""Importance: found where it is, and refused where nobody could know."""

import pytest

from tests.tune.figures.conftest import BASELINE, CONFIG, searched, trial
from tune.figures.importance import ImportanceInfo, draw_importance, importance_info
from tune.figures.selection import NotDrawn


def test_the_one_axis_that_matters_comes_first() -> None:
    info = importance_info([BASELINE, *searched(60)], CONFIG)
    assert isinstance(info, ImportanceInfo)
    assert info.axes[0].axis == "learning_rate"
    assert info.axes[0].importance > 0.6
    assert sum(axis.importance for axis in info.axes) == pytest.approx(1)
    assert {axis.axis for axis in info.axes} == {
        "encoder",
        "embedding_dim",
        "noise",
        "training_questions",
        "learning_rate",
    }, "the axis with one value is no axis"
    assert all(0 <= axis.low <= axis.high <= 1 for axis in info.axes)


def test_the_caption_names_evaluator_number_and_budget() -> None:
    info = importance_info(searched(20), CONFIG)
    assert isinstance(info, ImportanceInfo)
    assert "PED-ANOVA on n = 20 complete trials of 4 epochs each, the best 5 against all" in info.caption()
    assert "without that bias" not in info.caption(), "random trials need no such warning"
    assert info.table()["trials"].unique().tolist() == [20]
    adaptive = importance_info(searched(20), CONFIG.replace(sampler="tpe"))
    assert isinstance(adaptive, ImportanceInfo)
    assert "Trials of the sampler tpe crowd where results were good" in adaptive.caption()


def test_fewer_than_twenty_comparable_trials_are_refused_with_the_reason() -> None:
    pruned = [trial(number, 0.5, "PRUNED", budget=2) for number in range(19, 60)]
    outcome = importance_info([BASELINE, *searched(19), *pruned], CONFIG)
    assert isinstance(outcome, NotDrawn)
    assert str(outcome) == (
        "Importance of the searched axes: not drawn, it needs 20 complete trials of equal budget and there are 19 "
        "(of 4 epochs): with fewer, which axis comes first is mostly chance."
    )


def test_no_trial_at_all_is_refused_too() -> None:
    outcome = importance_info([BASELINE], CONFIG)
    assert isinstance(outcome, NotDrawn)
    assert "there are 0: with fewer" in outcome.reason


def test_trials_of_different_budgets_are_not_thrown_together() -> None:
    longer = [trial(record.trial + 100, 0.4, config={"epochs": 8}, budget=8) for record in searched(15)]
    outcome = importance_info([*searched(19), *longer], CONFIG)
    assert isinstance(outcome, NotDrawn), "34 are complete, but of two budgets"
    info = importance_info([*searched(25), *longer], CONFIG)
    assert isinstance(info, ImportanceInfo)
    assert (info.trials, info.epochs) == (25, 4)


def test_a_single_axis_needs_no_importance() -> None:
    trials = [trial(number, 0.5 + number / 100, config={"noise": number / 1000}) for number in range(25)]
    outcome = importance_info(trials, CONFIG)
    assert isinstance(outcome, NotDrawn)
    assert outcome.reason == "it needs at least two axes on which the trials differ"


def test_the_direction_of_the_objective_is_heeded() -> None:
    records = searched(60)
    up = importance_info(records, CONFIG.replace(objective="val_accuracy"))  # accuracy is 1.2 - log-loss here
    down = importance_info(records, CONFIG)
    assert isinstance(up, ImportanceInfo)
    assert isinstance(down, ImportanceInfo)
    assert [axis.importance for axis in up.axes] == pytest.approx([axis.importance for axis in down.axes])


def test_bars_stand_for_the_table() -> None:
    info = importance_info(searched(30), CONFIG)
    assert isinstance(info, ImportanceInfo)
    axes = draw_importance(info).axes[0]
    assert [bar.get_width() for bar in axes.patches] == info.table()["importance"].tolist()
    assert axes.get_xlabel() == "importance (PED-ANOVA, n = 30)"
    assert axes.yaxis_inverted(), "the most important on top"
