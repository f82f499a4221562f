import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from embedllm.errors import ConfigError
from embedllm.evaluation.paired import corrected_interval, holm, paired_interval, t_interval


def test_the_interval_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 6))
    expected = stats.ttest_rel(first, second)
    interval = paired_interval(first, second, confidence=0.9)
    assert interval.p_value == pytest.approx(expected.pvalue)
    assert [interval.low, interval.high] == pytest.approx(list(expected.confidence_interval(0.9)))
    assert interval.mean == pytest.approx((first - second).mean())
    assert interval.n == 6


def test_what_both_share_cancels():
    luck, own = np.array([0.1, -0.3, 0.2, 0.7]), np.array([0.0, 1e-6, 2e-6, 0.0])
    interval = paired_interval(luck + 1 + own, luck)
    assert interval.standard_error == pytest.approx(0, abs=1e-6)
    assert interval.low > 0


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("difference", [0.0, 0.1, -1 / 18])
def test_equal_differences_are_no_certainty(seeds, difference):
    """On few questions accuracies are multiples of a large step, and two seeds often differ alike by luck."""
    first = np.linspace(0.3, 0.7, seeds)
    interval = paired_interval(first + difference, first)
    assert interval.mean == pytest.approx(difference)
    assert np.isnan([interval.low, interval.high, interval.p_value]).all()


def test_few_seeds_on_few_questions_are_seldom_called_different():
    rng = np.random.default_rng(2)
    correct = rng.binomial(18, 0.6, size=(4000, 2, 2)) / 18  # comparisons, methods, seeds
    p_values = np.array([paired_interval(first, second).p_value for first, second in correct])
    assert np.mean(p_values < 0.05) < 0.05
    assert not (p_values == 0).any()


def test_one_pair_has_no_interval():
    interval = paired_interval(np.array([1.0]), np.array([0.5]))
    assert interval.mean == 0.5
    assert np.isnan([interval.low, interval.high, interval.p_value]).all()


def test_the_correction_keeps_overlapping_divisions_from_claiming_too_much():
    """Accuracy differences of two coin-flipping methods over divisions of the same 40 items."""
    rng = np.random.default_rng(1)
    plain, corrected = [], []
    for _ in range(200):
        items = rng.normal(size=40)  # difference of the two methods on each item
        divisions = np.array([rng.permutation(items)[:8].mean() for _ in range(60)])
        plain.append(t_interval(divisions).p_value < 0.05)
        corrected.append(corrected_interval(divisions, 8 / 32).p_value < 0.05)
    assert np.mean(plain) > 0.3
    assert np.mean(corrected) < 0.08


def test_the_corrected_variance_by_hand():
    values = np.array([0.1, 0.4, -0.2, 0.3])
    interval = corrected_interval(values, 0.25)
    error = values.std(ddof=1) * np.sqrt(1 / 4 + 0.25)
    assert interval.high - interval.mean == pytest.approx(stats.t.ppf(0.975, 3) * error)
    assert interval.p_value == pytest.approx(2 * stats.t.sf(values.mean() / error, 3))


def test_holm_by_hand():
    # smallest times 3, next times 2, last times 1, never falling
    assert holm(np.array([0.04, 0.01, 0.03])).tolist() == pytest.approx([0.06, 0.03, 0.06])
    with_gap = holm(np.array([0.04, np.nan, 0.01]))
    assert with_gap[[0, 2]].tolist() == pytest.approx([0.04, 0.02])
    assert np.isnan(with_gap[1])
    assert holm(np.array([])).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_no_correction_and_bonferroni(p_values):
    values = np.array(p_values)
    adjusted = holm(values)
    assert (adjusted >= values).all()
    assert (adjusted <= np.minimum(1, values * len(values)) + 1e-12).all()
    order = np.argsort(values)
    assert (np.diff(adjusted[order]) >= 0).all()


def test_bad_requests_are_told():
    with pytest.raises(ConfigError, match=r"equally long lists but have shapes \(2,\), \(3,\)"):
        paired_interval(np.zeros(2), np.zeros(3))
    with pytest.raises(ConfigError, match=r"confidence must be between 0 and 1 but is 95"):
        t_interval(np.arange(3.0), confidence=95)
