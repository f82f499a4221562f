"""Learning curves of the best few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tune.figures.conftest import BASELINE, CONFIG, trial
from tune.figures.curves import CurvesInfo, curves_info, draw_curves, visible_values
from tune.figures.selection import NotDrawn
from tune.records import TrialRecord


def info_of(records: list[TrialRecord]) -> CurvesInfo:
    info = curves_info(records, CONFIG)
    assert isinstance(info, CurvesInfo)
    return info


def test_the_best_five_come_first_and_the_baseline_last(records: list[TrialRecord]) -> None:
    info = info_of(records)
    best = sorted(
        (r for r in records if r.role == "trial" and r.state == "COMPLETE"), key=lambda r: r.metrics["val_log_loss"]
    )
    assert [curve.trial for curve in info.curves] == [record.trial for record in best[:5]] + [0]
    assert [curve.role for curve in info.curves] == ["trial"] * 5 + ["baseline"]
    assert "the best 5 trials against the paper's recipe" in info.caption()


def test_the_table_has_a_row_per_epoch_and_marks_the_kept_one() -> None:
    table = info_of([trial(3, 0.5), BASELINE]).table()
    of_trial = table[table["role"] == "trial"]
    assert of_trial["val_log_loss"].tolist() == [0.69, 0.6, 0.5, 0.5]
    assert of_trial["kept"].tolist() == [False, False, True, False]
    assert (table["role"] == "baseline").sum() == 50


def test_lines_are_the_table() -> None:
    info = info_of([trial(3, 0.5), trial(4, 0.51)])
    losses, accuracies = draw_curves(info).axes[:2]
    drawn = [line.get_ydata() for line in losses.lines if len(line.get_xdata()) > 1]
    assert [list(values) for values in drawn] == [list(curve.values["val_log_loss"]) for curve in info.curves]
    assert losses.get_ylabel() == "validation log-loss"
    assert accuracies.get_ylabel() == "validation accuracy"
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in losses.lines if len(line.get_xdata()) == 1]
    assert dots == [(3, 0.5), (3, 0.51)], "the kept epoch"
    assert "against the paper's recipe" not in info.caption()


def test_without_values_per_epoch_there_is_a_reason() -> None:
    outcome = curves_info([trial(0, curves={})], CONFIG)
    assert isinstance(outcome, NotDrawn)
    assert outcome.reason == "the best trials have no values per epoch"


@given(st.lists(st.lists(st.floats(0, 10), min_size=1, max_size=8), min_size=1, max_size=6))
def test_last_values_are_always_visible(values: list[list[float]]) -> None:
    low, high = visible_values(values)
    assert all(low <= curve[-1] <= high for curve in values)


def test_the_first_epochs_are_cut_off() -> None:
    assert visible_values([[0.7, 0.6, 0.5]]) == pytest.approx((0.5, 0.56))
    assert visible_values([[0.5, 0.6, 0.7]]) == pytest.approx((0.64, 0.7))
