import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.linear_model import LinearRegression

from embedllm.errors import ConfigError, DataError
from embedllm.forecasting import ModelFolds, evaluate_forecast, forecast_each, permutation_null_each, summarize

MODELS = 60


def forecast_benchmark(features, accuracy, ridge=0.0, **options):
    [found] = forecast_each(features, accuracy, [ridge], **options)
    return found


def permutation_null(features, accuracy, **options):
    [found] = permutation_null_each(features, accuracy, [0.0], **options)
    return found


@pytest.fixture
def related():
    """Features, an accuracy that depends on them, and one that does not."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(MODELS, 6))
    accuracy = 1 / (1 + np.exp(-features[:, 0] + 0.3 * rng.normal(size=MODELS)))
    return features, accuracy, rng.uniform(size=MODELS)


def test_every_number_is_that_of_plain_loops(related):
    features, accuracy, _ = related
    forecast = forecast_benchmark(features, accuracy, repeats=20, seed=3)
    significant = 0
    for fold, (train, test) in enumerate(zip(forecast.folds.train, forecast.folds.test, strict=True)):
        predictions = LinearRegression().fit(features[train], accuracy[train]).predict(features[test])
        test_of_order = kendalltau(predictions, accuracy[test])
        significant += test_of_order.pvalue < 0.05 and test_of_order.statistic > 0
        assert forecast.tau[fold] == pytest.approx(test_of_order.statistic)
        assert forecast.p_value[fold] == pytest.approx(test_of_order.pvalue)
        assert forecast.mse[fold] == pytest.approx(np.mean((predictions - accuracy[test]) ** 2))
        assert forecast.mse_of_mean[fold] == pytest.approx(np.mean((accuracy[train].mean() - accuracy[test]) ** 2))
    assert forecast.significant == significant == 20
    summary = summarize([forecast])
    assert summary["tau_median"] == pytest.approx(np.median(forecast.tau))
    assert summary["mse_total"] == pytest.approx(20 * summary["rmse"] ** 2)
    assert summary["skill"] == pytest.approx(1 - forecast.mse.sum() / forecast.mse_of_mean.sum())
    assert 0.8 < summary["skill"] < 1


def test_a_summary_of_seeds_counts_each_seed_alike(related):
    features, accuracy, chance = related
    first, second = forecast_benchmark(features, accuracy), forecast_benchmark(features, chance)
    both = summarize([first, second])
    assert both["seeds"] == 2
    assert both["significant"] == pytest.approx((first.significant + second.significant) / 2)
    assert both["significant_sd"] == pytest.approx(abs(first.significant - second.significant) / np.sqrt(2))
    assert both["rmse"] ** 2 == pytest.approx((first.mse.mean() + second.mse.mean()) / 2)
    reference = first.mse_of_mean.sum() + second.mse_of_mean.sum()
    assert both["skill"] == pytest.approx(1 - (first.mse.sum() + second.mse.sum()) / reference)
    assert np.isnan(summarize([first])["significant_sd"])


def test_folds_divide_the_models_and_are_the_same_for_every_feature_set(related):
    features, accuracy, _ = related
    first = forecast_benchmark(features, accuracy, seed=5).folds
    second = forecast_benchmark(features[:, :1], accuracy, seed=5, ridge="loo").folds
    np.testing.assert_array_equal(first.test, second.test)
    assert first.test.shape == (100, 12)
    both = np.sort(np.hstack([first.train, first.test]), axis=1)
    np.testing.assert_array_equal(both, np.tile(np.arange(MODELS), (100, 1)))
    assert len(np.unique(first.test, axis=0)) > 95
    assert not np.array_equal(first.test, forecast_benchmark(features, accuracy, seed=6).folds.test)


def test_ridge_survives_more_features_than_models_better_than_plain_regression(related):
    features, accuracy, _ = related
    noisy = np.hstack([features, np.random.default_rng(1).normal(size=(MODELS, 45))])  # 51 features, 48 training models
    plain, ridge = (forecast_benchmark(noisy, accuracy, ridge=choice) for choice in (0.0, "loo"))
    assert ridge.mse.sum() < 0.5 * plain.mse.sum()
    assert ridge.significant > plain.significant


def test_models_without_the_benchmark_are_left_out_and_said(related):
    features, accuracy, _ = related
    gaps = accuracy.copy()
    gaps[[3, 10]] = np.nan
    forecast = forecast_benchmark(features, gaps)
    assert not np.isin(forecast.folds.test, [3, 10]).any()
    assert not np.isnan(forecast.mse).any()
    assert forecast.notes == ("2 of 60 models have no graded answer on the benchmark and are left out",)


def test_models_that_nothing_was_learned_about_are_left_out_and_said(related):
    features, accuracy, _ = related
    gaps, trained = accuracy.copy(), np.ones(MODELS, dtype=bool)
    gaps[3] = np.nan
    trained[[3, 10, 20]] = False
    forecast = forecast_benchmark(features, gaps, trained=trained)
    assert not np.isin([3, 10, 20], np.hstack([forecast.folds.test, forecast.folds.train])).any()
    first, second = forecast.notes
    assert first.startswith("2 of 60 models have no graded answer to a training question, so that nothing was learned")
    assert second == "1 of 60 models have no graded answer on the benchmark and are left out"
    null = permutation_null(features, gaps, permutations=5, trained=trained)
    assert null.observed == forecast.significant
    with pytest.raises(DataError, match=r"`trained` has shape \(59,\)"):
        forecast_benchmark(features, accuracy, trained=trained[:-1])


def test_constant_accuracy_is_not_significant_and_said(related):
    forecast = forecast_benchmark(related[0], np.full(MODELS, 0.31))
    assert (forecast.significant, forecast.undefined) == (0, 100)
    assert np.isnan(summarize([forecast])["skill"])
    assert np.isnan(summarize([forecast])["tau_median"])
    assert "in 100 of 100 splits all test models have the same accuracy" in forecast.notes[0]


def test_constant_features_are_not_significant_and_said(related):
    forecast = forecast_benchmark(np.ones((MODELS, 2)), related[1])
    assert (forecast.significant, forecast.undefined) == (0, 100)
    assert "all test models get the same forecast" in forecast.notes[0]
    assert summarize([forecast])["skill"] == pytest.approx(0)


def test_a_forecast_of_the_opposite_order_is_no_success():
    accuracy = np.linspace(0.2, 0.8, 30)
    folds = ModelFolds.draw(np.arange(30))
    judged = evaluate_forecast(-accuracy[folds.test], accuracy, folds)
    assert (judged.tau == -1).all()
    assert (judged.p_value < 0.05).all()
    assert judged.significant == 0


def test_small_pools_keep_five_models_for_testing_and_tiny_ones_are_refused(related):
    features, accuracy, _ = related
    assert forecast_benchmark(features[:12], accuracy[:12]).folds.test.shape == (100, 5)
    with pytest.raises(DataError, match="11 models have what a forecast needs; at least 12 are needed"):
        forecast_benchmark(features[:11], accuracy[:11])


def test_bad_input_is_told_at_once(related):
    features, accuracy, _ = related
    broken = features.copy()
    broken[0, 0] = np.nan
    with pytest.raises(
        DataError, match=r"3 problems(.|\n)*\(59,\)(.|\n)*1 values that are not finite(.|\n)*in \[0, 1\]"
    ):
        forecast_benchmark(broken, 2 * accuracy[:-1])
    with pytest.raises(ConfigError, match=r"test_share above 0 and at most 0\.5, but they are 100 and 0\.9"):
        forecast_benchmark(features, accuracy, test_share=0.9)
    with pytest.raises(ConfigError, match="permutations must be at least 1 but is 0"):
        permutation_null(features, accuracy, permutations=0)


def test_the_null_tells_relation_from_luck(related):
    features, accuracy, unrelated = related
    real = permutation_null(features, accuracy, permutations=99)
    assert real.observed == forecast_benchmark(features, accuracy).significant == 100
    assert real.p_value == pytest.approx(1 / 100)
    luck = permutation_null(features, unrelated, permutations=99)
    assert luck.observed == forecast_benchmark(features, unrelated).significant
    assert luck.p_value > 0.05
    # Folds share their models: the count varies far more than 100 independent tests at 2.5 % would (sd 1.6).
    assert luck.counts.std() > 3


@pytest.mark.parametrize("width", [3, 90])
def test_the_null_has_its_level(width):
    rng = np.random.default_rng(width)
    p_values = [
        permutation_null(
            rng.normal(size=(MODELS, width)), rng.uniform(size=MODELS), permutations=19, repeats=40, seed=trial
        ).p_value
        for trial in range(120)
    ]
    # At most 0.05, and below it only for ties among counts; bounds are five standard errors of 120 trials away.
    assert 0 < np.mean(np.array(p_values) <= 0.05) < 0.15
    assert np.mean(p_values) > 0.4


def test_draws_need_no_neighbouring_indices():
    folds = ModelFolds.draw(np.array([2, 30, 4, 50, 6, 70, 8, 90, 10, 110, 12, 130, 14]), repeats=2)
    assert set(folds.test.ravel()) | set(folds.train.ravel()) == {2, 30, 4, 50, 6, 70, 8, 90, 10, 110, 12, 130, 14}
    assert folds.test_train_ratio == pytest.approx(5 / 8)
