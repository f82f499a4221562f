import numpy as np
import pytest

from ablations.designs.axis import Axis
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.errors import ConfigError, DataError


def test_one_thing_changes_at_a_time(pool, config):
    plan = Axis().plan(pool, config)
    middle = next(cell.config for cell in plan.cells if cell.factors["axis"] == "centre")
    for cell in plan.cells:
        axis = cell.factors["axis"]
        if axis != "centre":
            back = cell.config.replace(seed=0, **{axis: getattr(middle, axis)})
            assert back == middle.replace(seed=0)
            assert getattr(cell.config, axis) != getattr(middle, axis)
    assert len(plan.cells) == 5 * (1 + 3 + 5 + 2 + 4)
    assert {cell.config.seed for cell in plan.cells} == set(range(5))


def test_bad_options_are_told_at_once():
    with pytest.raises(
        ConfigError, match=r"axes must be distinct and among embedding_dim.*\['depth'\]; noises is empty"
    ):
        Axis(axes=["depth"], noises=[])


def test_data_without_a_test_side_is_refused(pool, config):
    table = pool.questions.set_column(4, "split", [["train"] * pool.num_questions])
    data = CorrectnessMatrix(pool.correct, pool.attempts, table, pool.models)
    with pytest.raises(DataError, match="no validation or no test question; use --split random"):
        Axis().plan(data, config.replace(split="given"))


def test_small_data_and_one_seed_are_noted(pool, config):
    few = np.arange(0, 1500, 5)
    data = CorrectnessMatrix(pool.correct[:, few], pool.attempts[:, few], pool.questions.take(few), pool.models)
    notes = Axis().plan(data, config.replace(seeds=1, split="random")).notes
    assert notes[0] == "With one seed no difference can be distinguished from chance; use --seeds 5 or more."
    assert notes[1] == "There are only 30 test questions: differences of a few points are within noise."
