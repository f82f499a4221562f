"""Joint resampling of questions and seeds against its textbook limits."""

import dataclasses

import numpy as np
import pytest

from ablations.question_intervals import MINIMUM_QUESTIONS, Comparison, QuestionInterval, question_intervals


def question_interval(
    first: np.ndarray, second: np.ndarray, weights: np.ndarray, *, resamples: int = 4000, seed: int = 0
) -> QuestionInterval:
    """One comparison."""
    [found] = question_intervals([Comparison(first, second, weights)], resamples=resamples, seed=seed)
    return found


def test_without_seeds_it_is_the_plain_bootstrap_over_questions() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(0.3, 1, (1, 400)), generator.normal(0, 1, (1, 400))
    found = question_interval(first, second, np.ones(400))
    difference = (first - second)[0]
    error = difference.std(ddof=1) / 20
    assert found.difference == pytest.approx(difference.mean())
    assert found.low == pytest.approx(difference.mean() - 1.96 * error, abs=0.25 * error)
    assert found.high == pytest.approx(difference.mean() + 1.96 * error, abs=0.25 * error)
    assert (found.questions, found.seeds) == (400, 1)


def test_luck_of_the_seeds_widens_the_interval() -> None:
    generator = np.random.default_rng(1)
    question = generator.normal(0, 0.1, 300)
    seeds = np.array([-0.3, -0.1, 0.0, 0.15, 0.25])[:, None]
    found = question_interval(question + seeds, np.zeros((1, 300)), np.ones(300))
    calm = question_interval(np.tile(question, (5, 1)), np.zeros((1, 300)), np.ones(300))
    assert found.high - found.low > 5 * (calm.high - calm.low)
    spread = seeds.std() / np.sqrt(5)
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.2)


def test_pairing_by_question_and_seed_removes_what_they_share() -> None:
    generator = np.random.default_rng(2)
    shared = generator.normal(0, 5, (5, 200))
    found = question_interval(shared + 0.1, shared, np.ones(200))
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.1)
    assert found.p_value == pytest.approx(2 / 4001)


def test_no_difference_is_found_about_as_rarely_as_the_level() -> None:
    generator = np.random.default_rng(3)
    low = 0
    for number in range(200):
        noise = generator.normal(0, 1, (2, 60))
        low += question_interval(noise[:1], noise[1:], np.ones(60), resamples=400, seed=number).p_value <= 0.05
    assert 0.01 <= low / 200 <= 0.1


def test_weights_are_those_of_a_ratio() -> None:
    weights = np.array([1.0, 2, 0, 5] * 10)
    totals = np.arange(40.0)[None] * (weights > 0)
    found = question_interval(totals, 0 * totals, weights)
    assert found.difference == pytest.approx(totals.sum() / weights.sum())
    assert found.questions == 30
    assert found.low < found.difference < found.high


def test_few_questions_get_no_interval_and_none_no_number() -> None:
    few = question_interval(np.ones((2, MINIMUM_QUESTIONS - 1)), np.zeros((1, 9)), np.ones(9))
    assert few.difference == 1
    assert np.isnan([few.low, few.high, few.p_value]).all()
    none = question_interval(np.ones((1, 3)), np.zeros((1, 3)), np.zeros(3))
    assert np.isnan(none.difference)
    assert none.questions == 0


def test_comparisons_together_are_what_each_is_alone() -> None:
    generator = np.random.default_rng(5)
    weights = np.ones(80)
    fewer = np.where(np.arange(80) < 60, 2.0, 0.0)
    asked = [
        Comparison(generator.normal(size=(3, 80)), generator.normal(size=(3, 80)), weights),
        Comparison(generator.normal(size=(5, 80)), generator.normal(size=(1, 80)), weights),
        Comparison(generator.normal(size=(2, 80)), generator.normal(size=(2, 80)), fewer),
        Comparison(np.ones((1, 80)), np.zeros((1, 80)), np.zeros(80)),
    ]
    together = question_intervals(asked, resamples=300)
    alone = [question_interval(one.first, one.second, one.weights, resamples=300) for one in asked]
    for one, other in zip(together, alone, strict=True):
        assert dataclasses.astuple(one) == pytest.approx(dataclasses.astuple(other), nan_ok=True)
    assert [one.questions for one in together] == [80, 80, 60, 0]


def test_rounding_is_no_difference() -> None:
    generator = np.random.default_rng(6)
    totals = generator.random((3, 40)) + 1
    found = question_interval(totals * (1 + 2e-16), totals, np.ones(40))
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)
    broadcast = question_interval(totals * 0 + totals[0] * (1 + 2e-16), totals[:1], np.ones(40))
    assert broadcast.p_value == 1
