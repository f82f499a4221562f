"""The pooled solver against scikit-learn, model by model."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from embedllm.evaluation.logistic import LogisticPath


def reference(encodings, correct, attempts, c):
    """scikit-learn on the rows the cells stand for."""
    rows = np.concatenate([encodings, encodings]).astype(np.float64)
    labels = np.repeat([1, 0], len(encodings))
    weights = np.concatenate([correct, attempts - correct]).astype(np.float64)
    used = weights > 0
    return LogisticRegression(C=c, tol=1e-10, max_iter=10_000).fit(rows[used], labels[used], weights[used])


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
def test_same_as_scikit_learn_per_model(data, encodings, c):
    path = LogisticPath(encodings, data.correct, data.attempts, dtype=torch.float64)
    (solution,) = path.solve([c], tolerance=1e-5)
    forecast = solution.predict(encodings)
    for model in range(data.num_models):
        expected = reference(encodings, data.correct[model], data.attempts[model], c)
        assert solution.weights[model] == pytest.approx(expected.coef_[0], abs=1e-4)
        assert solution.offset[model] == pytest.approx(expected.intercept_[0], abs=1e-4)
        assert forecast[model] == pytest.approx(expected.predict_proba(encodings)[:, 1], abs=1e-5)


def test_default_precision_is_far_below_what_labels_can_tell(data, encodings):
    exact = LogisticPath(encodings, data.correct, data.attempts, dtype=torch.float64).solve([0.1, 1, 10], 1e-5)
    quick = LogisticPath(encodings, data.correct, data.attempts).solve([0.1, 1, 10])
    for one, other in zip(exact, quick, strict=True):
        assert np.abs(one.predict(encodings) - other.predict(encodings)).max() < 5e-3


def test_features_of_any_scale_and_offset(data, encodings):
    wild = encodings * np.geomspace(0.01, 10, encodings.shape[1]).astype(np.float32) + 3
    path = LogisticPath(wild, data.correct, data.attempts, dtype=torch.float64)
    (solution,) = path.solve([1.0], tolerance=1e-5)
    expected = reference(wild, data.correct[0], data.attempts[0], 1.0)
    assert solution.predict(wild)[0] == pytest.approx(expected.predict_proba(wild)[:, 1], abs=1e-4)


def test_models_without_labels_or_with_one_class(encodings):
    attempts = np.ones((3, len(encodings)), dtype=np.uint8)
    attempts[0] = 0
    correct = np.zeros_like(attempts)
    correct[1] = 1  # always right; model 2 is always wrong
    for solution in LogisticPath(encodings, correct, attempts).solve([0.1, 10.0]):
        forecast = solution.predict(encodings)
        assert forecast[0] == pytest.approx(0.5, abs=0.01)  # the pool's base rate
        assert forecast[1].min() > 0.99
        assert forecast[2].max() < 0.01


def test_a_models_solution_does_not_depend_on_its_companions(data, encodings):
    labels = data.correct, data.attempts
    pool, alone = (
        next(LogisticPath(encodings, *pair, dtype=torch.float64).solve([1.0], tolerance=1e-6))
        for pair in (labels, [matrix[[3]] for matrix in labels])
    )
    assert pool.weights[3] == pytest.approx(alone.weights[0], abs=1e-5)
