"""kNN for many training sets from one product against one fit each: exactly equal."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedllm.data import CorrectnessMatrix, Split
from embedllm.data.splits import nested_subset
from embedllm.evaluation import neighbour_search
from embedllm.evaluation.baselines import KNearestNeighbours
from embedllm.evaluation.shared_knn import forecast_splits


def make_data(seed: int, questions: int, *, attempts: int = 1, models: int = 3) -> tuple[CorrectnessMatrix, np.ndarray]:
    """Labels, and encodings in which a fifth of the questions are copies of others: distances tie."""
    rng = np.random.default_rng(seed)
    graded = rng.integers(0, attempts + 1, (models, questions)) if attempts > 1 else np.ones((models, questions))
    table = pa.table(
        {
            "prompt_id": [str(n) for n in range(questions)],
            "prompt": [f"question {n}" for n in range(questions)],
            "benchmark": ["one"] * questions,
            "category": ["one"] * questions,
            "split": pa.array([None] * questions, pa.string()),
        }
    )
    pool = pa.table({"model_id": [str(n) for n in range(models)], "model_name": [f"m{n}" for n in range(models)]})
    graded = graded.astype(np.uint8)
    data = CorrectnessMatrix((rng.random(graded.shape) * (graded + 1)).astype(np.uint8), graded, table, pool)
    encodings = rng.normal(size=(questions, 6)).astype(np.float32)
    copies = rng.choice(questions, questions // 5, replace=False)
    encodings[copies] = encodings[rng.permutation(copies)[0]]
    return data, encodings


def some_splits(seed: int, questions: int) -> list[Split]:
    """Nested training sizes, and splits whose training and test sides differ, as of held-out benchmarks."""
    order = np.random.default_rng(seed).permutation(questions)
    test, val, train = np.split(order, [questions // 5, questions // 3])
    sizes = [max(1, round(len(train) * share)) for share in (0.03, 0.1, 0.3, 0.9, 1.0)]
    nested = [Split("size", nested_subset(train, size, seed=seed), val, test) for size in sizes]
    return [*nested, Split("held out", train[: len(train) // 2], val[1:], train[len(train) // 2 :])]


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("block_bytes", [neighbour_search.BLOCK_BYTES, 4 * 400 * 7])
def test_equal_to_one_fit_per_split(monkeypatch: pytest.MonkeyPatch, attempts: int, block_bytes: int) -> None:
    monkeypatch.setattr(neighbour_search, "BLOCK_BYTES", block_bytes)
    data, encodings = make_data(0, 700, attempts=attempts)
    splits = some_splits(1, 700)
    for split, shared in zip(splits, forecast_splits(data, splits, encodings), strict=True):
        alone = KNearestNeighbours().fit(data, split, encodings)
        assert shared.k == alone.k
        np.testing.assert_array_equal(shared.val, alone.predict(encodings[split.val], data.benchmarks[split.val]))
        np.testing.assert_array_equal(shared.test, alone.predict(encodings[split.test], data.benchmarks[split.test]))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), questions=st.integers(12, 60), copies=st.booleans())
def test_equal_on_small_and_degenerate_data(seed: int, questions: int, copies: bool) -> None:
    data, encodings = make_data(seed, questions)
    if copies:
        encodings[:] = encodings[0]  # every distance ties: the order of the questions decides
    splits = some_splits(seed, questions)
    for split, shared in zip(splits, forecast_splits(data, splits, encodings), strict=True):
        alone = KNearestNeighbours().fit(data, split, encodings)
        assert shared.k == alone.k
        np.testing.assert_array_equal(shared.test, alone.predict(encodings[split.test], data.benchmarks[split.test]))


def test_without_val_the_papers_k_is_used() -> None:
    data, encodings = make_data(3, 400)
    split = Split("no val", np.arange(300), np.arange(0), np.arange(300, 400))
    [shared] = forecast_splits(data, [split], encodings)
    assert (shared.k, shared.val.shape, shared.test.shape) == (131, (3, 0), (3, 100))


def test_the_shortlist_serves_large_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subsets above a fifth of the questions gather no scores of their own."""
    data, encodings = make_data(4, 3000)
    encodings = np.random.default_rng(0).normal(size=encodings.shape).astype(np.float32)
    train = np.arange(2000)
    splits = [Split("size", train[:size], np.arange(2000, 2500), np.arange(2500, 3000)) for size in (1500, 2000)]
    gathered: list[int] = []
    original = neighbour_search.NeighbourSearch._nearest

    def counting(self, queries, ks, scores, members):
        gathered.append(len(queries))
        return original(self, queries, ks, scores, members)

    monkeypatch.setattr(neighbour_search.NeighbourSearch, "_nearest", counting)
    forecast_splits(data, splits, encodings)
    assert sum(gathered) < 0.05 * 2 * 1000
