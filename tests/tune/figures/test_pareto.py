"""The Pareto front: who is on it, the steps between, and what is named."""

import dataclasses
from itertools import pairwise

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


def wide_spread(count: int = 20) -> list[TrialRecord]:
    """Parameters, seconds and training questions over more than a decade each, and the baseline beyond them."""
    trials = [
        dataclasses.replace(
            sized(number, 0.6 - number / 400, round(60 * 1.2**number)),
            parameters=round(2900 * 1.19**number),
            seconds=0.09 * 1.2**number,
        )
        for number in range(count)
    ]
    return [dataclasses.replace(BASELINE, parameters=79_000, seconds=15.3), *trials]


@pytest.mark.parametrize(
    "names",
    [
        ["val_log_loss", "parameters", "training_questions"],
        ["val_log_loss", "seconds", "parameters"],
        ["val_log_loss", "parameters", "seconds", "training_questions"],
        ["val_log_loss", "parameters"],
    ],
)
@pytest.mark.parametrize("count", [1, 4, 20])
def test_labels_beside_the_axes_do_not_touch(names: list[str], count: int) -> None:
    figure = draw_pareto(info_of(wide_spread(count), CONFIG.replace(objectives=names)))
    figure.canvas.draw()
    for panel in figure.axes:
        boxes = [label.get_window_extent() for label in panel.get_xticklabels() if label.get_text()]
        seen = [box for box in boxes if panel.bbox.x0 <= (box.x0 + box.x1) / 2 <= panel.bbox.x1]
        assert len(seen) >= 2
        assert all(left.x1 < right.x0 for left, right in pairwise(seen)), panel.get_xlabel()


def test_the_axis_reaches_to_the_paper_s_recipe_and_says_its_scale() -> None:
    config = CONFIG.replace(objectives=["val_log_loss", "seconds"])
    panel = draw_pareto(info_of(wide_spread(4), config)).axes[0]
    assert panel.get_xlabel() == "training seconds (log scale)", "0.09 to 15.3 with the recipe, else within a decade"
    assert panel.get_xlim()[1] > 15.3
    assert [tick.get_text() for tick in panel.get_xticklabels()][-1] == "10"


def test_the_recipe_is_in_the_legend_as_line_and_as_point() -> None:
    config = CONFIG.replace(objectives=["val_log_loss", "parameters", "training_questions"])
    [legend] = draw_pareto(info_of(wide_spread(), config)).legends
    looks = [(text.get_text(), line.get_marker()) for text, line in zip(legend.texts, legend.get_lines(), strict=True)]
    assert looks[2:] == [("paper's recipe", "D"), ("paper's recipe", "None")]


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
