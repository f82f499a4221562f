"""The searched axes: what varied, on which scale, where a value stands."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tune.figures.conftest import CONFIG, searched, trial
from tune.config import Range, SearchSpace
from tune.figures.axes import SearchedAxis, log_ticks, number_label, roomy_log_ticks, searched_axes, shortened


def test_axes_are_those_that_varied_in_the_order_of_the_space() -> None:
    axes = {axis.name: axis for axis in searched_axes(CONFIG, searched(30))}
    assert list(axes) == ["encoder", "embedding_dim", "noise", "training_questions", "learning_rate"]
    assert {name: axis.scale for name, axis in axes.items()} == {
        "encoder": "categories",
        "embedding_dim": "log",
        "noise": "linear",
        "training_questions": "categories",
        "learning_rate": "log",
    }
    assert (axes["embedding_dim"].low, axes["embedding_dim"].high) == (8, 256), "the range searched, not the one seen"
    assert axes["training_questions"].categories == (250, 500, 1000), "fractions of the space are counts in the trials"
    assert axes["encoder"].labels == ("lsa", "all-MiniLM-L6-v2")


def test_encoders_stand_in_the_order_of_the_space_not_of_the_alphabet() -> None:
    config = CONFIG.replace(space=SearchSpace(encoder=["zeta", "lsa"]))
    [axis] = searched_axes(config, [trial(0, config={"encoder": "lsa"}), trial(1, config={"encoder": "zeta"})])
    assert axis.categories == ("zeta", "lsa")


def test_a_range_of_fractions_reaches_over_the_counts_seen() -> None:
    config = CONFIG.replace(space=SearchSpace(training_questions=Range(0.1, 1.0)))
    trials = [trial(number, config={"training_questions": count}) for number, count in enumerate((900, 100, 400))]
    [axis] = searched_axes(config, trials)
    assert (axis.scale, axis.low, axis.high) == ("linear", 100, 900)


def test_places_on_a_logarithmic_axis() -> None:
    axis = SearchedAxis("learning_rate", "log", (), 1e-4, 1e-2)
    assert [axis.share(value) for value in (1e-4, 1e-3, 1e-2)] == pytest.approx([0, 0.5, 1])


def test_places_of_categories() -> None:
    axis = SearchedAxis("encoder", "categories", (), 0, 2, ("a", "b", "c"))
    assert [axis.share(value) for value in "abc"] == [0, 0.5, 1]
    assert SearchedAxis("noise", "linear", (), 0.1, 0.1).share(0.1) == 0.5


@given(st.floats(1e-8, 1e3), st.floats(1.5, 1e6), st.integers(3, 8))
def test_logarithmic_ticks_are_few_and_inside(low: float, ratio: float, most: int) -> None:
    ticks = log_ticks(low, low * ratio, most=most)
    assert 2 <= len(ticks) <= most
    assert all(low * 0.99 <= mark <= low * ratio * 1.01 for mark, _ in ticks)
    assert len({mark for mark, _ in ticks}) == len(ticks)


def test_labels_of_ticks() -> None:
    assert [label for _, label in log_ticks(8, 256)] == ["10", "20", "50", "100", "200"]
    assert [label for _, label in log_ticks(1e-7, 1e-3)] == [
        "10⁻⁷",
        "10⁻⁶",
        "10⁻⁵",
        "10⁻⁴",
        "0.001",
    ]
    assert [number_label(value) for value in (5000, 10_000, 12_500, 500_000, 2e6, 3e9)] == [
        "5000",
        "10k",
        "12.5k",
        "500k",
        "2M",
        "3 × 10⁹",
    ]
    assert number_label(2e-5) == "2 × 10⁻⁵"
    assert number_label(0.05) == "0.05"


@given(st.floats(1e-3, 1e6), st.floats(1.5, 1e4), st.floats(100, 500))
def test_roomy_ticks_do_not_touch(low: float, ratio: float, points: float) -> None:
    ticks = roomy_log_ticks(low, low * ratio, points)
    ends = [
        (at - 2.5 * len(label), at + 2.5 * len(label))
        for mark, label in ticks
        for at in [points * math.log(mark / low) / math.log(ratio)]
    ]
    assert len(ticks) == 2 or all(right[0] > left[1] for left, right in pairwise(ends))
    assert len(roomy_log_ticks(low, low * ratio, 2000)) >= len(ticks)


@pytest.mark.parametrize(
    ("label", "short"),
    [("lsa", "lsa"), ("all-MiniLM-L6-v2", "all-MiniLM-\nL6-v2"), ("a" * 40, "a" * 12 + "\n" + "a" * 11 + "…")],
)
def test_long_names_take_two_lines(label: str, short: str) -> None:
    assert shortened(label) == short
