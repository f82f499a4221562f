"""Neighbours, disagreement and Mantel's test against loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from embedllm.errors import DataError
from embedllm.probing import agreement_by_rank, disagreement, embedding_space, matrix_correlation, nearest_neighbours


def naive_disagreement(correct: np.ndarray, attempts: np.ndarray, a: int, b: int) -> float:
    both = (attempts[a] > 0) & (attempts[b] > 0)
    return float(
        np.mean([abs(correct[a, q] / attempts[a, q] - correct[b, q] / attempts[b, q]) for q in np.flatnonzero(both)])
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_disagreement_is_what_a_loop_finds(seed: int, most: int) -> None:
    generator = np.random.default_rng(seed)
    attempts = generator.integers(0, most + 1, (5, 12)).astype(np.uint8)
    attempts[:, 0] = 1
    correct = generator.binomial(attempts, 0.5).astype(np.uint8)
    found, common = disagreement(correct, attempts)
    for a, b in itertools.product(range(5), range(5)):
        assert found[a, b] == pytest.approx(naive_disagreement(correct, attempts, a, b), abs=1e-6)
        assert common[a, b] == ((attempts[a] > 0) & (attempts[b] > 0)).sum()


def test_models_without_a_common_question_have_no_disagreement() -> None:
    attempts = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 1]], dtype=np.uint8)
    found, common = disagreement(attempts * 0, attempts)
    assert np.isnan(found[0, 1])
    assert common[0, 1] == 0
    assert found[0, 2] == 0
    with pytest.raises(DataError, match="the second matrix has 1 pairs without a number"):
        matrix_correlation(np.ones((4, 4)) - np.eye(4) + np.diag([1, 2, 3], 1), np.pad(found, (0, 1)), permutations=9)


def test_correlations_are_scipys() -> None:
    generator = np.random.default_rng(0)
    first = embedding_space([generator.normal(size=(9, 2))]).distances
    second = first + embedding_space([generator.normal(size=(9, 2))]).distances
    upper = np.triu_indices(9, 1)
    found = matrix_correlation(first, second, permutations=199)
    assert found.pearson == pytest.approx(pearsonr(first[upper], second[upper]).statistic)
    assert found.spearman == pytest.approx(spearmanr(first[upper], second[upper]).statistic)
    assert (found.models, found.pairs) == (9, 36)
    assert found.pearson_p == pytest.approx(1 / 200)


def test_unrelated_matrices_are_called_related_about_as_often_as_the_level() -> None:
    generator = np.random.default_rng(1)
    p_values = []
    for number in range(150):
        first, second = (embedding_space([generator.normal(size=(12, 2))]).distances for _ in range(2))
        p_values.append(matrix_correlation(first, second, permutations=99, seed=number).pearson_p)
    assert 0.01 <= np.mean(np.array(p_values) <= 0.05) <= 0.1


def test_constant_and_tiny_matrices_are_refused() -> None:
    with pytest.raises(DataError, match="all pairs of the first matrix are 1: it cannot correlate"):
        matrix_correlation(np.ones((5, 5)), np.arange(25.0).reshape(5, 5))
    with pytest.raises(DataError, match="needed: equal, 4 or more"):
        matrix_correlation(np.ones((3, 3)), np.ones((3, 3)))


def test_neighbours_come_by_distance_with_their_place_by_agreement() -> None:
    distances = np.array([[0, 1, 2, 3], [1, 0, 5, 1], [2, 5, 0, 9], [3, 1, 9, 0]], dtype=float)
    differing = np.array([[0, 0.5, 0.2, 0.4], [0.5, 0, 0.1, 0.3], [0.2, 0.1, 0, np.nan], [0.4, 0.3, np.nan, 0]])
    frame = nearest_neighbours(distances, list("abcd"), differing, count=2)
    assert frame["model"].tolist() == list("aabbccdd")
    assert frame["rank"].tolist() == [1, 2] * 4
    assert frame["neighbour"].tolist() == list("bcadabba")
    assert frame["agreement_rank"].tolist() == [3, 1, 3, 2, 2, 1, 1, 2]
    assert frame["agreement"][0] == 0.5
    # Who shares no question with the model agrees with it neither most nor least.
    alone = nearest_neighbours(distances, list("abcd"), np.where(np.eye(4), 0, np.nan), count=1)
    assert alone[["agreement", "agreement_rank"]].isna().all(axis=None)
    ranks = agreement_by_rank(distances, differing)
    assert ranks["agreement"][0] == pytest.approx(1 - np.mean([0.5, 0.5, 0.2, 0.3]))
    assert ranks["models"].tolist() == [4, 4, 2]
    assert ranks["agreement"][2] == pytest.approx(1 - np.mean([0.4, 0.1]))


def test_two_models_are_each_others_neighbour() -> None:
    distances = 1.0 - np.eye(2)
    frame = nearest_neighbours(distances, ["a", "b"], distances / 4)
    assert frame[["model", "neighbour", "agreement_rank"]].values.tolist() == [["a", "b", 1], ["b", "a", 1]]
    assert agreement_by_rank(distances, distances / 4)["agreement"].tolist() == [0.75]
