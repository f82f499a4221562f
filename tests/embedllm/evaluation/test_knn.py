"""kNN against one scikit-learn classifier per model, and against an exact float64 search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from embedllm.errors import ConfigError, DataError
from embedllm.evaluation import neighbour_search
from embedllm.evaluation.knn import NearestNeighbours
from embedllm.evaluation.neighbour_search import NeighbourSearch


def exact_neighbours(rows, queries, k):
    """By float64 distance, equal distances in order of the rows."""
    distances = np.square(queries[:, None].astype(np.float64) - rows[None].astype(np.float64)).sum(axis=2)
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


def make(seed, training, questions, width, models=4):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(training + questions, width)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    correct = rng.integers(0, 2, size=(models, training)).astype(np.uint8)
    return rows[:training], rows[training:], correct, np.ones_like(correct)


@pytest.mark.parametrize("k", [1, 10, 131])
def test_same_as_one_scikit_learn_classifier_per_model(k):
    rows, queries, correct, attempts = make(0, 600, 150, 48)
    forecast = NearestNeighbours(rows, correct, attempts).predict(queries, k)
    for model, labels in enumerate(correct):
        classifier = KNeighborsClassifier(n_neighbors=k, algorithm="brute").fit(rows, labels)
        assert forecast[model] == pytest.approx(classifier.predict_proba(queries)[:, 1], abs=1e-6)
        # ... and the forecast label by the rule of the metrics, ties included
        assert ((forecast[model] > 0.5) == classifier.predict(queries)).all()


def test_one_search_serves_several_k():
    rows, queries, correct, attempts = make(1, 300, 40, 8)
    neighbours = NearestNeighbours(rows, correct, attempts)
    ks = [3, 10, 57, 300]
    together = neighbours.predict_each(queries, ks)
    for forecast, k in zip(together, ks, strict=True):
        assert (forecast == neighbours.predict(queries, k)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([0.0, 1e-7, 1.0]), st.sampled_from([0.0, 30.0]))
def test_search_is_exact_among_duplicates_and_near_duplicates(seed, k, spread, shift):
    # A few centres with many copies, exact or within float32 noise, and far from the origin: float32 alone fails here.
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 6)) + shift
    rows = (centres[rng.integers(0, 3, 60)] + spread * rng.normal(size=(60, 6))).astype(np.float32)
    queries = np.concatenate([rows[:5], centres.astype(np.float32)])
    found = NeighbourSearch(rows).nearest(queries, range(1, k + 1))
    assert (found == exact_neighbours(rows, queries, k)).all()


def test_float32_alone_would_be_wrong():
    # The reason for the second look: distances of 1e-4 at norm 1000 vanish in a float32 product.
    rng = np.random.default_rng(0)
    rows = (1000 + 0.1 * rng.random((400, 32))).astype(np.float32)
    queries = (1000 + 0.1 * rng.random((20, 32))).astype(np.float32)
    float32 = np.argsort(np.square(rows).sum(axis=1) / 2 - queries @ rows.T, axis=1)[:, :7]
    expected = exact_neighbours(rows, queries, 7)
    assert (float32 != expected).any()
    assert (NeighbourSearch(rows).nearest(queries, range(1, 8)) == expected).all()


def test_blocks_and_tiles_do_not_change_the_result(monkeypatch):
    rows, queries, correct, attempts = make(2, 200, 50, 16)
    whole = NearestNeighbours(rows, correct, attempts).predict(queries, 20)
    monkeypatch.setattr(neighbour_search, "BLOCK_BYTES", 4 * 200 * 7)  # seven questions at a time
    monkeypatch.setattr(neighbour_search, "TILE_ROWS", 33)
    assert (NearestNeighbours(rows, correct, attempts).predict(queries, 20) == whole).all()


def test_votes_weigh_attempts_and_skip_missing_labels():
    rows = np.array([[0.0], [1], [2], [3], [50]], dtype=np.float32)
    correct = np.array([[1, 2, 0, 0, 0], [0, 0, 0, 0, 3]], dtype=np.uint8)
    attempts = np.array([[1, 4, 0, 0, 0], [0, 0, 0, 0, 4]], dtype=np.uint8)
    forecast = NearestNeighbours(rows, correct, attempts).predict(np.zeros((1, 1), dtype=np.float32), k=3)
    # model 0: one of one and two of four; model 1: no labelled neighbour, so its mean over all training questions
    assert forecast[:, 0] == pytest.approx([3 / 5, 3 / 4])


def test_a_model_without_any_label_gets_the_pool_mean():
    correct = np.array([[1, 1, 0, 1], [0, 0, 0, 0]], dtype=np.uint8)
    attempts = np.array([[1, 1, 1, 1], [0, 0, 0, 0]], dtype=np.uint8)
    rows = np.eye(4, dtype=np.float32)
    assert NearestNeighbours(rows, correct, attempts).predict(rows, k=2)[1] == pytest.approx([0.75] * 4)


def test_without_questions_there_is_nothing_to_say():
    rows, queries, correct, attempts = make(3, 20, 0, 4)
    assert NearestNeighbours(rows, correct, attempts).predict(queries, 5).shape == (4, 0)


@pytest.mark.parametrize("ks", [[], [0], [5, 5], [7, 3], [21]])
def test_k_out_of_range_is_told(ks):
    rows, queries, correct, attempts = make(4, 20, 2, 4)
    with pytest.raises(ConfigError, match=r"must ascend between 1 and the 20 training questions but are \["):
        NearestNeighbours(rows, correct, attempts).predict_each(queries, ks)


def test_shapes_are_told():
    rows, queries, correct, attempts = make(5, 20, 2, 4)
    with pytest.raises(DataError, match=r"`encodings` has shape \(19, 4\).*they must be \(questions, width\)"):
        NearestNeighbours(rows[:-1], correct, attempts)
    with pytest.raises(DataError, match=r"encodings have shape \(2, 3\); this kNN reads \(questions, 4\)"):
        NearestNeighbours(rows, correct, attempts).predict(queries[:, :3], 5)
