"""The search as it went: what counts as a value, what the best so far is, what only leaves a mark."""

import pytest

from tests.tune.figures.conftest import BASELINE, CONFIG, trial
from tune.figures.history import HistoryInfo, draw_history, history_info
from tune.figures.selection import NotDrawn
from tune.records import TrialRecord


def info_of(records: list[TrialRecord], objective: str = "val_log_loss") -> HistoryInfo:
    info = history_info(records, CONFIG.replace(objective=objective))
    assert isinstance(info, HistoryInfo)
    return info


def test_the_best_so_far_follows_the_trials_in_order() -> None:
    info = info_of([trial(2, 0.52), trial(0, 0.55), trial(3, 0.50), trial(1, 0.56), BASELINE])
    assert [point.trial for point in info.points] == [0, 1, 2, 3]
    assert [point.best for point in info.points] == [0.55, 0.55, 0.52, 0.50]
    assert info.baseline == 0.55


def test_of_a_metric_to_maximise_the_best_is_the_highest() -> None:
    info = info_of([trial(0, 0.5), trial(1, 0.6), trial(2, 0.4)], "val_accuracy")
    assert [point.best for point in info.points] == pytest.approx([0.7, 0.7, 0.8])


def test_a_pruned_trial_has_no_value_however_good_it_looks() -> None:
    info = info_of([trial(0, 0.55), trial(1, 0.1, "PRUNED", budget=2), trial(2, None, "FAIL"), trial(3, 0.2, budget=3)])
    assert [point.value for point in info.points] == [0.55, None, None, None]
    assert [point.best for point in info.points] == [0.55] * 4


def test_lost_and_running_trials_are_left_out_and_the_others_counted(records: list[TrialRecord]) -> None:
    info = info_of(records)
    assert [point.trial for point in info.points] == list(range(27))
    assert "Marks on the upper edge: 2 pruned and 1 failed trials, which have no value to compare." in info.caption()
    assert "Dashed: the paper's recipe on the same data, 0.5500." in info.caption()
    table = info.table()
    assert len(table) == 28
    assert table[table["role"] == "baseline"]["val_log_loss"].tolist() == [0.55]
    assert table["state"].value_counts().to_dict() == {"COMPLETE": 25, "PRUNED": 2, "FAIL": 1}


def test_the_drawing_shows_the_table(records: list[TrialRecord]) -> None:
    info = info_of(records)
    axes = draw_history(info).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    shown = dict(zip(*(lines["complete"].get_data()), strict=True))
    far = (
        set(map(int, lines["complete, beyond the axis"].get_xdata())) if "complete, beyond the axis" in lines else set()
    )
    values = info.table().query("role == 'trial' and state == 'COMPLETE'").set_index("trial")["val_log_loss"].to_dict()
    assert shown.keys() | far == values.keys()
    assert all(values[number] == value for number, value in shown.items())
    assert lines["pruned"].get_xdata().tolist() == [24, 25]
    assert lines["failed"].get_xdata().tolist() == [26]
    assert set(lines["paper's recipe"].get_ydata()) == {0.55}
    assert lines["best so far"].get_ydata()[-1] == min(values.values())


def test_a_diverged_trial_does_not_squeeze_the_others() -> None:
    info = info_of([*(trial(number, 0.50 + 0.001 * number) for number in range(10)), trial(10, 9.0)])
    axes = draw_history(info).axes[0]
    assert axes.get_ylim()[1] < 0.53
    [beyond] = [line for line in axes.lines if line.get_label() == "complete, beyond the axis"]
    assert beyond.get_xdata().tolist() == [10]


def test_without_a_complete_trial_there_is_a_reason_instead() -> None:
    outcome = history_info([BASELINE, trial(0, 0.6, "PRUNED", budget=1)], CONFIG)
    assert isinstance(outcome, NotDrawn)
    assert str(outcome) == "History of the search: not drawn, no trial has reached its full budget yet."
