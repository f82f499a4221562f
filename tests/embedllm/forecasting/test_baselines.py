import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.errors import DataError
from embedllm.forecasting import benchmark_accuracies, mean_of_others, pca_of_matrix, raw_accuracies

BENCHMARKS = ["maths"] * 4 + ["law"] * 3 + ["code"] * 2


def matrix(correct, attempts):
    count = correct.shape[1]
    questions = pa.table(
        {
            "prompt_id": [str(number) for number in range(count)],
            "prompt": [f"question {number}" for number in range(count)],
            "benchmark": BENCHMARKS[:count],
            "category": ["any"] * count,
            "split": pa.nulls(count, pa.string()),
        }
    )
    numbers = [str(number) for number in range(len(correct))]
    models = pa.table({"model_id": numbers, "model_name": numbers})
    return CorrectnessMatrix(correct, attempts, questions, models)


@pytest.fixture
def full():
    correct = np.random.default_rng(0).integers(2, size=(5, 9)).astype(np.uint8)
    return matrix(correct, np.ones_like(correct))


def test_accuracies_by_benchmark(full):
    accuracy, names = benchmark_accuracies(full)
    assert names == ["code", "law", "maths"]
    for column, name in enumerate(names):
        here = [place for place, benchmark in enumerate(BENCHMARKS) if benchmark == name]
        np.testing.assert_allclose(accuracy[:, column], full.correct[:, here].mean(axis=1))
    some, names = benchmark_accuracies(full, np.array([0, 1, 7]))
    assert names == ["code", "maths"]
    np.testing.assert_allclose(some[:, 1], full.correct[:, :2].mean(axis=1))


def test_features_read_only_the_questions_given(full):
    questions = np.arange(7)  # without code
    other = matrix(np.hstack([full.correct[:, :7], 1 - full.correct[:, 7:]]), full.attempts)
    for features in (mean_of_others, raw_accuracies, lambda data, chosen: pca_of_matrix(data, chosen, 3)):
        np.testing.assert_array_equal(features(full, questions), features(other, questions))
    assert mean_of_others(full, questions).shape == (5, 1)
    np.testing.assert_allclose(
        mean_of_others(full, questions)[:, 0], raw_accuracies(full, questions).mean(axis=1), rtol=1e-12
    )


def test_a_gap_gets_the_benchmark_mean_shifted_by_the_model():
    correct = np.array([[1, 1, 0, 0, 1, 1, 0], [1, 0, 0, 0, 1, 0, 0], [1, 1, 1, 1, 0, 0, 0]], dtype=np.uint8)
    attempts = np.ones_like(correct)
    attempts[2, 4:] = 0  # the third model never saw law
    accuracy = raw_accuracies(matrix(correct, attempts), np.arange(7))
    law, maths = [2 / 3, 1 / 3], [0.5, 0.25, 1.0]
    np.testing.assert_allclose(accuracy[:, 1], maths)
    np.testing.assert_allclose(accuracy[:2, 0], law)
    assert accuracy[2, 0] == pytest.approx(min(1, np.mean(law) + 1.0 - np.mean(maths)))


def test_components_are_those_of_scikit_learn(full):
    scores = pca_of_matrix(full, np.arange(9), 3)
    expected = PCA(3, svd_solver="full").fit_transform(full.correct.astype(float))
    np.testing.assert_allclose(np.abs(scores), np.abs(expected), atol=1e-8)


def test_components_are_no_more_than_there_are(full):
    assert pca_of_matrix(full, np.arange(9), 64).shape == (5, 4)
    assert pca_of_matrix(full, np.arange(2), 64).shape == (5, 2)


def test_a_missing_cell_is_the_questions_mean(full):
    attempts = full.attempts.copy()
    attempts[0, 0] = 0
    correct = np.minimum(full.correct, attempts)
    filled = correct.astype(float)
    filled[0, 0] = correct[1:, 0].mean()
    expected = PCA(4, svd_solver="full").fit_transform(filled)
    np.testing.assert_allclose(
        np.abs(pca_of_matrix(matrix(correct, attempts), np.arange(9), 4)), np.abs(expected), atol=1e-8
    )


def test_nothing_to_learn_from_is_refused(full):
    nothing = np.array([], dtype=np.int64)
    for features in (mean_of_others, raw_accuracies, lambda data, chosen: pca_of_matrix(data, chosen, 3)):
        with pytest.raises(DataError, match="with one benchmark there is no other"):
            features(full, nothing)
    with pytest.raises(DataError, match="0 are asked for; at least 1 is needed"):
        pca_of_matrix(full, np.arange(9), 0)
