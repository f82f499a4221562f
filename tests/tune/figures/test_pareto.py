"""The Pareto front: who is on it, the steps between, and what is named."""

import pytest

from tests.tune.figures.conftest import BASELINE, CONFIG, trial
from tune.config import SweepConfig
from tune.figures.pareto import ParetoInfo, draw_pareto, pareto_info
from tune.figures.selection import NotDrawn
from tune.records import TrialRecord

TWO = CONFIG.replace(objectives=["val_log_loss:min", "training_questions:min"])
THREE = CONFIG.replace(objectives=["val_log_loss:min", "val_accuracy:max", "embedding_dim:min"])


def sized(number: int, loss: float, questions: int, dim: int = 64) -> TrialRecord:
    return trial(number, loss, config={"training_questions": questions, "embedding_dim": dim})


TRIALS = [
    sized(0, 0.60, 250),
    sized(1, 0.55, 500),
    sized(2, 0.50, 1000),
    sized(3, 0.61, 500),  # worse than 0 and dearer
    sized(4, 0.55, 1000),  # as good as 1 and dearer
]


def info_of(records: list[TrialRecord], config: SweepConfig) -> ParetoInfo:
    info = pareto_info(records, config)
    assert isinstance(info, ParetoInfo)
    return info


def test_the_front_is_what_nothing_beats() -> None:
    info = info_of([*TRIALS, BASELINE, trial(5, 0.1, "PRUNED", budget=1)], TWO)
    assert [point.trial for point in info.front] == [2, 1, 0], "the best in the first objective first"
    assert len(info.points) == 5
    assert "the Pareto front, 3 trials" in info.caption()


def test_the_table_has_the_front_first_and_counts_as_whole_numbers() -> None:
    table = info_of([*TRIALS, BASELINE], TWO).table()
    assert table["front"].tolist() == [True] * 3 + [False] * 3
    assert table["training_questions"].tolist()[:3] == [1000, 500, 250]
    assert table["training_questions"].dtype == "Int64"
    assert table["role"].tolist() == ["trial"] * 5 + ["baseline"]
    assert table["training_questions"].isna().tolist() == [False] * 5 + [True], "the baseline used all there are"


def test_steps_lead_from_the_cheapest_to_the_best() -> None:
    panel = draw_pareto(info_of([*TRIALS, BASELINE], TWO)).axes[0]
    [steps] = [line for line in panel.lines if line.get_drawstyle() == "steps-post"]
    assert steps.get_xdata().tolist() == [250, 500, 1000]
    assert steps.get_ydata().tolist() == [0.60, 0.55, 0.50]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("training questions", "validation log-loss")
    assert {text.get_text() for text in panel.texts} == {"0", "1", "2"}
    [line] = [line for line in panel.lines if line.get_label() == "paper's recipe"]
    assert set(line.get_ydata()) == {0.55}, "a line: its number of training questions is unknown"


def test_three_objectives_make_a_panel_per_pair() -> None:
    info = info_of([sized(0, 0.5, 100, 8), sized(1, 0.4, 100, 16), sized(2, 0.45, 100, 32)], THREE)
    panels = draw_pareto(info).axes
    assert [(panel.get_ylabel(), panel.get_xlabel()) for panel in panels] == [
        ("validation log-loss", "validation accuracy"),
        ("validation log-loss", "embedding dimension"),
        ("validation accuracy", "embedding dimension"),
    ]
    assert all(line.get_drawstyle() == "default" for panel in panels for line in panel.lines), "no steps in 3-D"
    assert {point.trial for point in info.front} == {0, 1}


def test_far_worse_trials_are_counted_not_drawn_into_the_picture() -> None:
    crowd = [sized(number, 0.5 + number / 1000, 1000) for number in range(10)]
    info = info_of([*crowd, sized(90, 5.0, 2000)], TWO)
    assert info.beyond == 1
    assert "1 far worse than the others lie beyond the axes." in info.caption()
    assert draw_pareto(info).axes[0].get_ylim()[1] < 0.6


def test_the_front_is_always_in_the_picture() -> None:
    crowd = [sized(number, 0.5 + number / 1000, 1000) for number in range(10)]
    info = info_of([*crowd, sized(90, 5.0, 10)], TWO)
    assert [point.trial for point in info.front] == [0, 90]
    assert info.beyond == 0
    assert draw_pareto(info).axes[0].get_ylim()[1] > 5


def test_numbers_that_would_overlap_are_left_out() -> None:
    close = [sized(number, 0.5 - number * 1e-5, 1000 + number) for number in range(40)]
    figure = draw_pareto(info_of([*close, sized(99, 0.6, 10), sized(98, 0.4, 5000)], TWO))
    named = {text.get_text() for text in figure.axes[0].texts}
    assert {"98", "99"} <= named, "the ends are always named"
    assert len(named) < 10


def test_costs_over_decades_take_a_logarithmic_axis() -> None:
    panel = draw_pareto(info_of([sized(0, 0.6, 100), sized(1, 0.5, 10_000)], TWO)).axes[0]
    assert panel.get_xscale() == "log"
    assert draw_pareto(info_of(TRIALS, TWO)).axes[0].get_xscale() == "linear"


@pytest.mark.parametrize(
    ("records", "config", "reason"),
    [
        (TRIALS, CONFIG, "the sweep has one objective; `--objectives val_log_loss:min,training_questions:min` asks"),
        ([BASELINE], TWO, "no trial has reached its full budget yet"),
    ],
)
def test_what_is_no_front_is_told(records: list[TrialRecord], config: SweepConfig, reason: str) -> None:
    outcome = pareto_info(records, config)
    assert isinstance(outcome, NotDrawn)
    assert outcome.reason.startswith(reason)
