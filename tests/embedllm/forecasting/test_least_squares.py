"""Batched fold regressions against scikit-learn, one fold at a time."""

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version
from sklearn.linear_model import LinearRegression, Ridge

from embedllm.errors import ConfigError
from embedllm.forecasting import least_squares
from embedllm.forecasting.folds import ModelFolds
from embedllm.forecasting.least_squares import PENALTY_GRID, predict_folds_each

MODELS = 30


def predict_folds(features, targets, folds, ridge=0.0):
    [found] = predict_folds_each(features, targets, folds, [ridge])
    return found


@pytest.fixture
def folds():
    return ModelFolds.draw(np.arange(MODELS), repeats=7, seed=1)


def problem(width, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(MODELS, width)) * rng.gamma(1, size=width) + 3
    return features, features[:, :3].sum(axis=1) + rng.normal(size=MODELS)


def one_by_one(regression, features, target, folds):
    return np.stack(
        [
            regression.fit(features[train], target[train]).predict(features[test])
            for train, test in zip(folds.train, folds.test, strict=True)
        ]
    )


OLD = pytest.mark.skipif(
    Version(sklearn.__version__) < Version("1.6"), reason="LinearRegression then took rounding errors for directions"
)


# 24 models train: fewer and more features than models
@pytest.mark.parametrize("width", [1, 4, 20, 25, pytest.param(100, marks=OLD)])
def test_plain_regression_is_that_of_scikit_learn(width, folds):
    features, target = problem(width)
    expected = one_by_one(LinearRegression(), features, target, folds)
    np.testing.assert_allclose(predict_folds(features, target[None], folds)[0], expected, rtol=1e-6, atol=1e-6)


def test_minimum_norm_where_features_repeat_each_other(folds):
    features, target = problem(4)
    doubled = np.hstack([features, features[:, :2], np.ones((MODELS, 1))])
    expected = one_by_one(LinearRegression(), doubled, target, folds)
    np.testing.assert_allclose(predict_folds(doubled, target[None], folds)[0], expected, atol=1e-8)


@pytest.mark.parametrize("width", [4, 100])
@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_ridge_is_that_of_scikit_learn(width, penalty, folds):
    features, target = problem(width)
    expected = one_by_one(Ridge(alpha=penalty), features, target, folds)
    np.testing.assert_allclose(predict_folds(features, target[None], folds, penalty)[0], expected, rtol=1e-8)


@pytest.mark.parametrize("width", [4, 100])
def test_leave_one_out_takes_the_penalty_that_refitting_finds(width, folds):
    features, target = problem(width)
    predictions = predict_folds(features, target[None], folds, "loo")[0]
    for fold in range(2):
        train, test = folds.train[fold], folds.test[fold]
        centred = features[train] - features[train].mean(axis=0)
        unit = np.square(centred).sum() / min(width, len(train) - 1)
        errors = []
        for factor in PENALTY_GRID:
            ridge = Ridge(alpha=factor * unit)
            refits = [
                ridge.fit(features[kept], target[kept]).predict(features[[out]])[0] - target[out]
                for out in train
                for kept in [train[train != out]]
            ]
            errors.append(np.square(refits).sum())
        best = Ridge(alpha=PENALTY_GRID[int(np.argmin(errors))] * unit).fit(features[train], target[train])
        np.testing.assert_allclose(predictions[fold], best.predict(features[test]), rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(0, 1000), st.sampled_from([0.0, 1.0, "loo"]))
def test_rotated_and_shifted_features_forecast_the_same(width, seed, ridge):
    rng = np.random.default_rng(seed)
    folds = ModelFolds.draw(np.arange(MODELS), repeats=3, seed=seed)
    features, target = rng.normal(size=(MODELS, width)), rng.normal(size=MODELS)
    rotation = np.linalg.qr(rng.normal(size=(width, width)))[0]
    if width == folds.train.shape[1] - 1:
        return  # least squares as ill-conditioned as can be
    plain = predict_folds(features, target[None], folds, ridge)
    np.testing.assert_allclose(predict_folds(features @ rotation + 1, target[None], folds, ridge), plain, atol=1e-5)


def test_renamed_models_forecast_the_same(folds):
    features, target = problem(40)
    order = np.random.default_rng(0).permutation(MODELS)
    place = np.argsort(order)
    renamed = ModelFolds(train=place[folds.train], test=place[folds.test])
    np.testing.assert_allclose(
        predict_folds(features[order], target[None, order], renamed), predict_folds(features, target[None], folds)
    )


def test_targets_and_blocks_are_independent_of_each_other(folds, monkeypatch):
    features, target = problem(40)
    targets = np.stack([target, np.sqrt(np.arange(MODELS))])
    alone = [predict_folds(features, one[None], folds, "loo")[0] for one in targets]
    monkeypatch.setattr(least_squares, "BLOCK_FLOATS", 1)
    np.testing.assert_allclose(predict_folds(features, targets, folds, "loo"), alone)


def test_features_that_tell_nothing_forecast_the_mean(folds):
    target = problem(1)[1]
    means = np.repeat(target[folds.train].mean(axis=1, keepdims=True), folds.test.shape[1], axis=1)
    for ridge in (0.0, 1.0, "loo"):
        for value in (0.1, 1e6 / 3):  # rounding of the mean must not become a feature
            constant = np.full((MODELS, 3), value)
            np.testing.assert_array_equal(predict_folds(constant, target[None], folds, ridge)[0], means)


@pytest.mark.parametrize("ridge", [-1.0, "cv", float("inf")])
def test_a_penalty_out_of_range_is_told(ridge, folds):
    features, target = problem(2)
    with pytest.raises(ConfigError, match="ridge must be 0 or positive, or 'loo', but is"):
        predict_folds(features, target[None], folds, ridge)


def test_several_penalties_at_once_are_what_each_is_alone() -> None:
    generator = np.random.default_rng(3)
    features, targets = generator.normal(size=(20, 30)), generator.normal(size=(2, 20))
    folds = ModelFolds.draw(np.arange(20), repeats=7)
    together = predict_folds_each(features, targets, folds, [0.0, "loo", 0.5])
    for ridge, found in zip((0.0, "loo", 0.5), together, strict=True):
        np.testing.assert_array_equal(found, predict_folds(features, targets, folds, ridge))
