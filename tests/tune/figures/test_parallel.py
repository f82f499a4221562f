"""Parallel coordinates: every complete trial a line, the best dark and on top."""

import numpy as np
import pytest

from tests.tune.figures.conftest import CONFIG, trial
from tune.figures.parallel import HIGHLIGHTED, ParallelInfo, draw_parallel, parallel_info
from tune.figures.selection import NotDrawn
from tune.records import TrialRecord


def info_of(records: list[TrialRecord]) -> ParallelInfo:
    info = parallel_info(records, CONFIG)
    assert isinstance(info, ParallelInfo)
    return info


def test_lines_are_the_complete_trials_the_best_first(records: list[TrialRecord]) -> None:
    info = info_of(records)
    assert sorted(info.trials) == list(range(24))
    assert info.values == sorted(info.values)
    table = info.table()
    by_number = {record.trial: record for record in records if record.role == "trial"}
    for row in table.to_dict("records"):
        assert row["learning_rate"] == by_number[row["trial"]].config.learning_rate
        assert row["val_log_loss"] == by_number[row["trial"]].metrics["val_log_loss"]


def test_the_best_are_drawn_last_and_thick_and_end_on_top(records: list[TrialRecord]) -> None:
    info = info_of(records)
    axes = draw_parallel(info).axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert len(curves) == 24
    widths = [line.get_linewidth() for line in curves]
    assert widths[-HIGHLIGHTED:] == [2.0] * HIGHLIGHTED
    assert max(widths[:-HIGHLIGHTED]) < 1
    ends = [line.get_ydata()[-1] for line in curves]
    assert ends[-1] == 1
    assert ends == sorted(ends)


def test_a_line_crosses_a_logarithmic_axis_where_its_value_stands(records: list[TrialRecord]) -> None:
    info = info_of(records)
    place = [axis.name for axis in info.axes].index("learning_rate")
    axes = draw_parallel(info).axes[0]
    best = [line for line in axes.lines if len(line.get_xdata()) > 2][-1]
    at = np.flatnonzero(np.isclose(best.get_xdata(), place))
    rate = info.axes[place].values[0]
    assert best.get_ydata()[at] == pytest.approx((np.log10(rate) + 3) / 2)


def test_a_far_worse_trial_ends_on_the_edge_and_is_counted(records: list[TrialRecord]) -> None:
    far = trial(50, 7.0, config={"learning_rate": 0.1, "noise": 0.2})
    info = info_of([*records, far])
    assert "1 far worse than the others end on the edge of the last axis." in info.caption()
    assert info.limit < 1
    assert "far worse" not in info_of(records).caption()


def test_equal_values_do_not_divide_by_zero() -> None:
    twins = [trial(number, 0.5, config={"noise": number / 10, "learning_rate": 10**-number}) for number in (1, 2)]
    info = info_of(twins)
    assert [info.depth(value) for value in info.values] == [0, 0]
    draw_parallel(info)


def test_one_axis_makes_no_line() -> None:
    outcome = parallel_info([trial(number, config={"noise": number / 10}) for number in range(3)], CONFIG)
    assert isinstance(outcome, NotDrawn)
    assert outcome.reason == "it needs at least two axes on which the complete trials differ"
