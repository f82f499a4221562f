"""Tau-b and its p-value against `scipy.stats.kendalltau`, one pair of rankings at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from embedllm.forecasting import kendall
from embedllm.forecasting.kendall import exact_p_values, kendall_tau


def compare(first, second):
    tau, p_value = kendall_tau(first, second)
    for row, (one, other) in enumerate(zip(first, second, strict=True)):
        expected = kendalltau(one, other)
        assert tau[row] == pytest.approx(expected.statistic, nan_ok=True, abs=1e-12)
        assert p_value[row] == pytest.approx(expected.pvalue, nan_ok=True, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("items", [2, 3, 5, 8, 22, 33, 34, 60])
def test_without_ties(items):
    rng = np.random.default_rng(items)
    compare(rng.normal(size=(20, items)), rng.normal(size=(20, items)))


@pytest.mark.parametrize("items", [3, 5, 22, 40])
@pytest.mark.parametrize("values", [2, 3, 10])
def test_with_ties(items, values):
    rng = np.random.default_rng(items)
    compare(rng.integers(values, size=(20, items)).astype(float), rng.integers(6, size=(20, items)).astype(float))
    compare(rng.normal(size=(20, items)), rng.integers(values, size=(20, items)).astype(float))


@pytest.mark.parametrize("items", [5, 33, 34, 50])
def test_perfect_and_almost_perfect_agreement(items):
    order = np.arange(items, dtype=float)
    swapped = order.copy()
    swapped[[2, 3]] = swapped[[3, 2]]
    compare(np.stack([order] * 3), np.stack([order, order[::-1], swapped]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=5, max_size=12))
def test_any_small_rankings(pairs):
    values = np.array(pairs, dtype=float)
    compare(values[None, :, 0], values[None, :, 1])


def test_undefined_where_one_side_is_constant():
    tau, p_value = kendall_tau(np.array([[1.0, 1, 1, 1, 1], [1, 2, 3, 4, 5]]), np.tile(np.arange(5.0), (2, 1)))
    assert np.isnan([tau[0], p_value[0]]).all()
    assert tau[1] == 1


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 11, 7))
    whole = kendall_tau(first, second)
    monkeypatch.setattr(kendall, "BLOCK_PAIRS", 100)
    np.testing.assert_array_equal(kendall_tau(first, second), whole)


def test_four_items_can_never_be_significant_but_five_can():
    assert exact_p_values(4)[0] == pytest.approx(2 / 24)
    assert exact_p_values(5)[0] == pytest.approx(2 / 120)
