import numpy as np
import pytest

from ablations.plots.training_size import draw
from ablations.training_size.tables import make_tables


@pytest.fixture
def drawings(make_results, power_law, pool, config):
    tables = make_tables(make_results(power_law, noise=1e-4), pool, config, tuned=False)
    return {one.name: one for one in draw(tables)}


def test_each_figure_has_units_a_log_axis_and_its_numbers(drawings, tmp_path):
    assert list(drawings) == ["curves", "scaling_law", "differences"]
    for drawing in drawings.values():
        for axis in drawing.figure.axes:
            assert axis.get_xscale() == "log"
            assert axis.get_xlabel() == "training questions (log scale)"
            assert axis.get_ylabel()
        assert len(drawing.table)
        drawing.figure.savefig(tmp_path / f"{drawing.name}.png")


def test_captions_say_what_the_bars_are(drawings):
    assert "bands: pointwise 95 % t interval over seeds, sampling of the test questions not included" in (
        drawings["curves"].caption
    )
    assert "95 % bootstrap interval over seeds and misfit" in drawings["scaling_law"].caption
    assert "comes within 0.5 points" in drawings["scaling_law"].caption
    assert "Filled: Holm-adjusted p < 0.05" in drawings["differences"].caption


def test_lines_are_the_means_of_the_table(drawings):
    axis = drawings["curves"].figure.axes[0]
    line = next(one for one in axis.get_lines() if one.get_label() == "EmbedLLM")
    rows = drawings["curves"].table.query("method == 'embedllm' and metric == 'accuracy'")
    np.testing.assert_array_equal(line.get_xdata(), rows["training_questions"])
    np.testing.assert_array_equal(line.get_ydata(), rows["mean"])


def test_the_simulations_bound_is_a_line(drawings, pool):
    for axis, metric in zip(drawings["curves"].figure.axes, ("accuracy", "log_loss"), strict=False):
        heights = [line.get_ydata()[0] for line in axis.get_lines()]
        assert pool.meta["truth"][metric] in heights


def test_one_seed_flat_curves_and_one_method_draw_too(make_results, pool, config, tmp_path):
    flat = make_results(lambda *_: 0.3, seeds=1, methods=("embedllm",))
    drawings = draw(make_tables(flat, pool, config.replace(seeds=1), tuned=False))
    assert [one.name for one in drawings] == ["curves"]
    assert "no bands with one seed" in drawings[0].caption
    drawings[0].figure.savefig(tmp_path / "curves.png")


def test_nothing_finished_draws_nothing(make_results, power_law, pool, config):
    results = make_results(power_law)
    results.frame["state"] = "FAIL"
    assert draw(make_tables(results, pool, config, tuned=False)) == []
