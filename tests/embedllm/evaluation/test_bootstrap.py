import numpy as np
import pytest

from embedllm.errors import ConfigError
from embedllm.evaluation import bootstrap, evaluate
from embedllm.evaluation.bootstrap import (
    BOOTSTRAP_METRICS,
    bootstrap_intervals,
    question_totals,
    standard_errors,
)


@pytest.fixture
def forecasts(data):
    """A good forecast and a noisier one."""
    rng = np.random.default_rng(0)
    share = (data.correct + 0.5) / (data.attempts + 1)
    return tuple(np.clip(share + noise * rng.normal(size=share.shape), 0.05, 0.95) for noise in (0.2, 0.5))


def naive_differences(metric, first, second, data, resamples, seed):
    """Draw questions, rebuild the matrices, compute the metric anew."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        drawn = rng.integers(data.num_questions, size=data.num_questions)
        labels = data.correct[:, drawn], data.attempts[:, drawn], data.benchmarks[drawn]
        values.append(evaluate(first[:, drawn], *labels)[metric] - evaluate(second[:, drawn], *labels)[metric])
    return np.array(values)


def interval(first, second, data, metric="log_loss", **options):
    """Of the difference between two methods."""
    totals, weights = question_totals(metric, first, data.correct, data.attempts)
    reference, _ = question_totals(metric, second, data.correct, data.attempts)
    low, high = bootstrap_intervals(totals[:, None], reference, weights, **options)
    return float(low[0]), float(high[0])


@pytest.mark.parametrize("metric", BOOTSTRAP_METRICS)
def test_agrees_with_resampled_matrices(metric, data, forecasts, monkeypatch):
    first, second = forecasts
    monkeypatch.setattr(bootstrap, "BLOCK_DRAWS", 7 * data.num_questions)  # several blocks
    # The same stream of random numbers gives the same draws, so the agreement is exact.
    values = naive_differences(metric, first, second, data, 100, seed=5)
    found = interval(first, second, data, metric, resamples=100, seed=5)
    assert found == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_a_better_method_is_told_from_the_same_one(data, forecasts):
    first, second = forecasts
    assert interval(first, second, data)[1] < 0
    assert interval(first, first, data) == (0, 0)


def test_pairing_narrows_the_interval(data, forecasts):
    first = forecasts[0]
    low, high = interval(first, np.clip(first + 0.01, 0, 1), data)
    assert high - low < 4 * 0.3 * standard_errors(first, data.correct, data.attempts)["log_loss"]


def test_seeds_reproduce(data, forecasts):
    results = [interval(*forecasts, data, resamples=50, seed=seed) for seed in (1, 1, 2)]
    assert results[0] == results[1]
    assert results[0] != results[2]


@pytest.mark.parametrize("metric", BOOTSTRAP_METRICS)
def test_standard_errors_match_the_spread_over_resamples(metric, data, forecasts):
    totals, weights = bootstrap.question_totals(metric, forecasts[0], data.correct, data.attempts)
    drawn = np.random.default_rng(0).integers(data.num_questions, size=(2000, data.num_questions))
    spread = (totals[drawn].sum(axis=1) / weights[drawn].sum(axis=1)).std()
    assert standard_errors(forecasts[0], data.correct, data.attempts)[metric] == pytest.approx(spread, rel=0.1)


def test_without_labels_everything_is_nan():
    empty = np.zeros((2, 3), dtype=np.uint8)
    forecast = np.full((2, 3), 0.5)
    assert all(np.isnan(value) for value in standard_errors(forecast, empty, empty).values())


def test_a_metric_that_cannot_be_taken_apart_is_told(data, forecasts):
    with pytest.raises(ConfigError, match="cannot resample metric 'ece'; allowed: accuracy, log_loss, brier, rout"):
        question_totals("ece", forecasts[0], data.correct, data.attempts)


@pytest.mark.parametrize("metric", BOOTSTRAP_METRICS)
def test_intervals_of_many_methods_are_those_of_each_pair(metric, data, forecasts):
    first, second = forecasts
    methods = [first, np.clip(first + 0.1, 0, 1), np.clip(first - 0.1, 0, 1)]
    totals = np.stack([question_totals(metric, one, data.correct, data.attempts)[0] for one in methods], axis=1)
    reference, weights = question_totals(metric, second, data.correct, data.attempts)
    low, high = bootstrap_intervals(totals, reference, weights, resamples=200, seed=3)
    for place, method in enumerate(methods):
        alone = interval(method, second, data, metric, resamples=200, seed=3)
        assert (low[place], high[place]) == pytest.approx(alone)


def test_intervals_of_nothing_are_empty_and_without_weight_undefined():
    assert [part.shape for part in bootstrap_intervals(np.zeros((5, 0)), np.zeros(5), np.ones(5))] == [(0,), (0,)]
    assert all(np.isnan(part).all() for part in bootstrap_intervals(np.zeros((5, 2)), np.zeros(5), np.zeros(5)))


@pytest.mark.parametrize("metric", BOOTSTRAP_METRICS)
def test_one_labelled_question_says_nothing_about_others(metric):
    attempts = np.zeros((2, 30), dtype=np.uint8)
    attempts[:, 7] = 1
    correct = np.array([[1], [0]], dtype=np.uint8) * attempts
    first, second = np.full((2, 30), 0.9), np.full((2, 30), 0.1)
    first[1], second[1] = 0.1, 0.9
    totals = [question_totals(metric, one, correct, attempts) for one in (first, second)]
    assert abs(totals[0][0].sum() - totals[1][0].sum()) / totals[0][1].sum() > 0.5
    assert np.isnan(bootstrap_intervals(totals[0][0][:, None], totals[1][0], totals[0][1])).all()
