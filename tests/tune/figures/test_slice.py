"""The objective against each axis."""

import math

import pytest

from tests.tune.figures.conftest import CONFIG, searched, trial
from tune.figures.selection import NotDrawn
from tune.figures.slice import SliceInfo, draw_slice, slice_info
from tune.records import TrialRecord


def info_of(records: list[TrialRecord]) -> SliceInfo:
    info = slice_info(records, CONFIG)
    assert isinstance(info, SliceInfo)
    return info


def test_the_caption_keeps_the_names_of_metrics() -> None:
    trials = [trial(n, metrics={"val_roc_auc": 0.7 + n / 100}, config={"noise": n / 10}) for n in (0, 1)]
    info = slice_info(trials, CONFIG.replace(objective="val_roc_auc"))
    assert isinstance(info, SliceInfo)
    assert info.caption().startswith("Validation ROC AUC (higher is better) of the 2 complete trials against")


def test_a_panel_per_axis_with_every_complete_trial(records: list[TrialRecord]) -> None:
    info = info_of(records)
    panels = [axes for axes in draw_slice(info).axes if axes.get_xlabel()]
    titles = ["encoder", "embedding dimension", "noise α", "training questions", "learning rate"]
    assert [panel.get_xlabel() for panel in panels] == titles
    for panel in panels:
        assert sum(len(points.get_offsets()) for points in panel.collections) == 24
    assert [panel.get_xscale() for panel in panels] == ["linear", "log", "linear", "linear", "log"]
    assert [tick.get_text() for tick in panels[3].get_xticklabels()] == ["250", "500", "1000"]


def test_the_best_is_ringed_in_every_panel(records: list[TrialRecord]) -> None:
    info = info_of(records)
    assert info.values[info.best] == min(info.values)
    for panel in draw_slice(info).axes[:5]:
        [ring] = [line for line in panel.lines if line.get_markersize() == 8]
        assert ring.get_ydata().tolist() == [min(info.values)]


def test_trials_of_one_category_stay_within_it(records: list[TrialRecord]) -> None:
    info = info_of(records)
    panel = draw_slice(info).axes[0]
    places = [offset[0] for points in panel.collections for offset in points.get_offsets()]
    assert all(abs(place - round(place)) < 0.2 for place in places)
    assert len(set(places)) == 24


def test_the_table_agrees_with_the_trials(records: list[TrialRecord]) -> None:
    table = info_of(records).table()
    assert table["trial"].tolist() == list(range(24))
    for row in table.to_dict("records"):
        assert row["val_log_loss"] == pytest.approx(0.5 + 0.05 * abs(math.log10(row["learning_rate"]) + 2))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_any_number_of_axes_fits(count: int) -> None:
    names = ["noise", "learning_rate", "embedding_dim", "training_questions", "encoder"][:count]
    values = {"noise": (0.1, 0.2), "learning_rate": (0.01, 0.02), "embedding_dim": (16, 32)}
    values |= {"training_questions": (250, 500), "encoder": ("lsa", "org/all-MiniLM-L6-v2")}  # type: ignore[dict-item]
    trials = [
        trial(number, 0.5 + number / 100, config={name: values[name][number] for name in names}) for number in (0, 1)
    ]
    info = info_of(trials)
    assert len([axes for axes in draw_slice(info).axes if axes.get_xlabel()]) == count


def test_trials_that_do_not_differ_are_not_drawn() -> None:
    outcome = slice_info([trial(0), trial(1)], CONFIG)
    assert isinstance(outcome, NotDrawn)
    assert outcome.reason == "the complete trials do not differ on any axis"
    nothing = slice_info([trial(0, 0.3, "PRUNED", budget=1)], CONFIG)
    assert isinstance(nothing, NotDrawn)


def test_later_trials_are_darker() -> None:
    panel = draw_slice(info_of(searched(10))).axes[0]
    [scatter] = [points for points in panel.collections if len(points.get_offsets()) > 5]
    assert scatter.get_array().tolist() == sorted(scatter.get_array().tolist())
