"""Metrics against scikit-learn on the raw rows that the binomial cells stand for."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from embedllm.errors import DataError
from embedllm.evaluation.metrics import CORRECTNESS_METRICS, ECE_BINS, correctness_metrics


def expand(probability, correct, attempts):
    """One (probability, label) pair per graded answer."""
    rows = [
        (float(probability[cell]), label)
        for cell in np.ndindex(attempts.shape)
        for label in [1] * int(correct[cell]) + [0] * int(attempts[cell] - correct[cell])
    ]
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


def naive_ece(scores, labels):
    total = 0.0
    for number in range(ECE_BINS):
        low, high = number / ECE_BINS, (number + 1) / ECE_BINS
        inside = (scores >= low) & ((scores < high) | (number == ECE_BINS - 1))
        if inside.any():
            total += inside.sum() * abs(scores[inside].mean() - labels[inside].mean())
    return total / len(scores)


@st.composite
def forecasts(draw):
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 12)))
    attempts = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 3)))
    share = draw(hnp.arrays(np.float64, shape, elements=st.floats(0, 1)))
    # a coarse grid, away from bin edges, makes ties frequent
    probability = draw(hnp.arrays(np.int64, shape, elements=st.integers(1, 19))) / 20 + 0.001
    return probability, np.round(share * attempts).astype(np.uint8), attempts


@settings(max_examples=150, deadline=None)
@given(forecasts())
def test_agrees_with_scikit_learn_on_raw_rows(forecast):
    metrics = correctness_metrics(*forecast)
    scores, labels = expand(*forecast)
    assert tuple(metrics) == CORRECTNESS_METRICS
    if not len(labels):
        assert all(math.isnan(value) for value in metrics.values())
        return
    assert metrics["accuracy"] == pytest.approx(accuracy_score(labels, scores > 0.5))
    assert metrics["log_loss"] == pytest.approx(log_loss(labels, scores, labels=[0, 1]))
    assert metrics["brier"] == pytest.approx(brier_score_loss(labels, scores, labels=[0, 1]), abs=1e-12)
    assert metrics["ece"] == pytest.approx(naive_ece(scores, labels), abs=1e-12)
    if len(set(labels)) == 2:
        assert metrics["roc_auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    else:
        assert math.isnan(metrics["roc_auc"])


def test_float32_and_float64_forecasts_agree():
    rng = np.random.default_rng(0)
    probability = rng.random((5, 50)).astype(np.float32)
    attempts = np.ones((5, 50), dtype=np.uint8)
    correct = (rng.random((5, 50)) < probability).astype(np.uint8)
    single = correctness_metrics(probability, correct, attempts)
    double = correctness_metrics(probability.astype(np.float64), correct, attempts)
    assert single == pytest.approx(double, abs=1e-12)


def test_ties_of_roc_auc_between_both_zeros_and_many_attempts():
    probability = np.array([[-0.0, 0.0, 1.0]])
    attempts = np.array([[255, 200, 255]], dtype=np.uint8)
    correct = np.array([[0, 200, 255]], dtype=np.uint8)
    # 200 right answers tie with the 255 wrong ones, 255 beat them
    metrics = correctness_metrics(probability, correct, attempts)
    assert metrics["roc_auc"] == pytest.approx((255 + 200 / 2) / 455)


def test_one_half_forecasts_a_wrong_answer():
    one = np.ones((1, 1), dtype=np.uint8)
    assert correctness_metrics(np.full((1, 1), 0.5), one, one)["accuracy"] == 0
    assert correctness_metrics(np.full((1, 1), 0.5), 0 * one, one)["accuracy"] == 1


def test_certainty_costs_a_finite_log_loss():
    one = np.ones((1, 1), dtype=np.uint8)
    assert correctness_metrics(np.zeros((1, 1)), one, one)["log_loss"] == pytest.approx(-math.log(1e-7))
    assert correctness_metrics(np.ones((1, 1)), one, one)["log_loss"] == pytest.approx(0, abs=1e-6)


def test_missing_cells_may_hold_anything():
    attempts = np.array([[1, 0]], dtype=np.uint8)
    correct = np.array([[1, 0]], dtype=np.uint8)
    metrics = correctness_metrics(np.array([[0.8, np.nan]]), correct, attempts)
    assert metrics["brier"] == pytest.approx(0.04)


@pytest.mark.parametrize("bad", [np.nan, -0.25, 1.5])
def test_a_forecast_that_is_no_probability_is_named(bad):
    attempts = np.ones((2, 3), dtype=np.uint8)
    probability = np.full((2, 3), 0.5)
    probability[1, 2] = bad
    message = rf"1 graded cells hold no number in \[0, 1\]; the first is model 1, question 2: {bad}"
    with pytest.raises(DataError, match=message):
        correctness_metrics(probability, attempts, attempts)


def test_shapes_must_agree():
    attempts = np.ones((2, 3), dtype=np.uint8)
    with pytest.raises(DataError, match=r"`probability` has shape \(3, 2\).*all three must be \(models, questions\)"):
        correctness_metrics(np.full((3, 2), 0.5), attempts, attempts)
