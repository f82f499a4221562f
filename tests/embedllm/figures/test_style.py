"""The house style: nothing leaks out of it, and every method can be told apart without colour."""

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from embedllm.figures import (
    COLOURS,
    METHOD_COLOURS,
    METHOD_LINES,
    METHOD_MARKERS,
    METHOD_TITLES,
    count_on_log_axis,
    diverging_cmap,
    house_style,
    new_figure,
    sequential_cmap,
    text_colour_on,
)
from embedllm.titles import METHOD_NAMES


def luminance(colour: object) -> float:
    red, green, blue = to_rgb(colour)  # type: ignore[arg-type]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_figure_has_the_size_of_a_column_or_of_both() -> None:
    figure, axes = new_figure()
    assert figure.get_size_inches().tolist() == [3.5, 2.5]
    assert not axes.spines["top"].get_visible()
    figure, axes = new_figure("double", height=4, ncols=2, nrows=3)
    assert figure.get_size_inches().tolist() == [7.2, 4]
    assert axes.shape == (3, 2)
    assert new_figure("single", nrows=2)[0].get_size_inches()[1] == 5.0


def test_settings_reach_the_subplots() -> None:
    _, axes = new_figure(ncols=2, sharey=True, squeeze=False)
    axes[0, 0].set_ylim(3, 4)
    assert axes[0, 1].get_ylim() == (3, 4)


def test_the_style_is_the_callers_only_inside_the_context() -> None:
    before = dict(matplotlib.rcParams)
    with house_style():
        assert matplotlib.rcParams["legend.frameon"] is False
        assert matplotlib.rcParams["font.size"] == 8
    new_figure()
    assert dict(matplotlib.rcParams) == before


def test_the_style_decorates_a_drawing_function() -> None:
    @house_style()
    def draw() -> float:
        _, axes = new_figure()
        [line] = axes.plot([0, 1])
        return line.get_linewidth()

    assert draw() == 1.4


def test_every_method_has_a_look_of_its_own() -> None:
    looks = (METHOD_COLOURS, METHOD_MARKERS, METHOD_LINES)
    assert list(METHOD_TITLES) == list(METHOD_NAMES)
    assert all(list(look) == list(METHOD_TITLES) for look in looks)
    assert len(set(METHOD_TITLES.values())) == len(METHOD_TITLES)
    assert len(set(METHOD_MARKERS.values())) == len(METHOD_MARKERS), "grey print leaves the markers"
    assert len(set(METHOD_COLOURS.values())) == len(METHOD_COLOURS)


def test_colours_stand_out_from_white_paper() -> None:
    for name, colour in COLOURS.items():
        assert luminance(colour) < 0.75, name


def test_the_sequential_map_darkens_steadily() -> None:
    steps = [luminance(colour) for colour in sequential_cmap()(np.linspace(0, 1, 50))]
    assert np.diff(steps).max() < 0.005
    assert steps[0] - steps[-1] > 0.6


def test_the_diverging_map_is_light_in_the_middle_and_as_dark_at_both_ends() -> None:
    low, middle, high = (luminance(colour) for colour in diverging_cmap()([0.0, 0.5, 1.0]))
    assert middle > 0.9
    assert low == pytest.approx(high, abs=0.1)
    assert to_rgb(diverging_cmap()(0.0))[0] > to_rgb(diverging_cmap()(1.0))[0], "negative values are the red ones"


@pytest.mark.parametrize(("background", "text"), [("white", "black"), ("#0072B2", "white"), ("black", "white")])
def test_text_reads_on_its_background(background: str, text: str) -> None:
    assert text_colour_on(background) == text


def test_counts_on_a_log_axis_are_written_as_numbers() -> None:
    figure, axes = new_figure()
    axes.plot([1, 30], [0, 1])
    count_on_log_axis(axes, "training questions")
    figure.canvas.draw()
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert {"1", "2", "5", "10", "20"} <= set(labels)
    assert axes.get_xlabel() == "training questions (log scale)"
    assert not any(label.get_text() for label in axes.get_xticklabels(minor=True))
    axes.plot([1, 3_000_000], [0, 1])
    figure.canvas.draw()
    crowded = [label.get_text() for label in axes.get_xticklabels()]
    assert "10,000" in crowded
    assert "2" not in crowded, "no more than fit side by side"
