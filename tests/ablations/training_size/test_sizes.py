import pytest

from ablations.training_size.sizes import PAPER_ACCURACY, PAPER_SIZES, candidates, training_sizes
from embedllm.config import preset
from embedllm.errors import ConfigError, DataError


def test_data_of_the_papers_size_gets_the_papers_sizes():
    sizes, notes = training_sizes(28843, None)
    assert sizes == [1000, 5000, 10000, 15000, 20000, 25000, 28843]
    assert notes == []


def test_smaller_data_gets_them_scaled_down_and_says_so():
    sizes, notes = training_sizes(2412, None)
    assert sizes == [81, 410, 810, 1200, 1600, 2000, 2412]
    assert notes == [
        "The paper's sizes (1,000 to 29,673) are scaled down in proportion to the 2,412 training questions available."
    ]


def test_sizes_too_small_are_left_out_and_said():
    sizes, notes = training_sizes(160, None)
    assert sizes == [27, 54, 81, 110, 130, 160]
    assert notes[1] == "1 of them is left out, with fewer than 20 questions."


def test_too_few_questions_for_a_curve_are_refused():
    with pytest.raises(
        DataError, match="there are 25 training questions; a curve needs 3 sizes of at least 20 questio"
    ):
        training_sizes(25, None)


def test_sizes_asked_for_are_sorted_and_completed_with_the_full_set():
    assert training_sizes(500, [300, 100, 300])[0] == [100, 300, 500]
    assert training_sizes(500, [500])[0] == [500]
    with pytest.raises(
        ConfigError, match=r"between 20 and 500, the number of training questions, but 10, 900 was give"
    ):
        training_sizes(500, [10, 100, 900])
    with pytest.raises(ConfigError, match="but none was given"):
        training_sizes(500, [])


def test_the_papers_table_is_complete():
    assert all(len(found) == len(PAPER_SIZES) + 1 for found in PAPER_ACCURACY.values())
    gains = [100 * (mf - knn) for mf, knn in zip(PAPER_ACCURACY["embedllm"], PAPER_ACCURACY["knn"], strict=True)]
    assert gains == pytest.approx([0.71, 2.53, 2.55, 2.50, 2.47, 2.48, 2.57])


def test_candidates_start_with_the_recipe_and_do_not_depend_on_their_number():
    recipe = preset("fast")
    few, many = candidates(recipe, 3), candidates(recipe, 40)
    assert many[:3] == few
    assert many[0] == recipe
    assert len(set(many)) == 40
    for one in many:
        assert 8 <= one.embedding_dim <= 256
        assert recipe.learning_rate / 4.01 <= one.learning_rate <= 4.01 * recipe.learning_rate
        assert 0 <= one.noise <= 0.2
        assert (one.epochs, one.encoder, one.seed) == (recipe.epochs, recipe.encoder, recipe.seed)
