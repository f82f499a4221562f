"""Simulated data: the real data's shape and averages, a truth that explains the labels, texts that carry signal."""

import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from embedllm.data import simulate, simulate_with_truth
from embedllm.data.benchmarks import BENCHMARK_SIZES, benchmark_of
from embedllm.data.simulate import MEAN_ACCURACY
from embedllm.errors import DataError

MODELS, QUESTIONS = 40, 3000


@pytest.fixture(scope="module")
def simulated():
    return simulate_with_truth(models=MODELS, questions=QUESTIONS, seed=1)


def test_shape_and_labels_of_origin(simulated):
    data, truth = simulated
    assert truth.shape == data.correct.shape == (MODELS, QUESTIONS)
    assert truth.dtype == np.float32
    assert data.meta["simulated"] is True
    json.dumps(dict(data.meta))
    assert len(set(data.model_names)) == MODELS
    assert {"parameters", "family", "specialty"} <= set(data.models.column_names)
    assert len(set(data.prompts)) == QUESTIONS
    categories = data.questions["category"].to_pylist()
    assert [benchmark_of(c) for c in categories] == data.benchmarks.tolist()
    sides = np.array(data.questions["split"].to_pylist())
    assert [int(np.sum(sides == side)) for side in ("train", "val", "test")] == [2400, 300, 300]


def test_benchmarks_keep_the_papers_proportions(simulated):
    data, _ = simulated
    for benchmark, size in BENCHMARK_SIZES.items():
        # One question each is handed out first, which takes a few from the largest.
        assert abs(np.sum(data.benchmarks == benchmark) - size * QUESTIONS / 36054) <= 4
    tiny = simulate(models=1, questions=10)
    assert set(tiny.benchmarks) == set(BENCHMARK_SIZES)


def test_paper_size_is_exact_and_looks_like_the_real_test_set():
    data = simulate(seed=0, words=4)
    assert {b: int(np.sum(data.benchmarks == b)) for b in BENCHMARK_SIZES} == BENCHMARK_SIZES
    accuracy = data.correct.mean(axis=1)
    # The public labels: mean 40.6 %, sd 9.0 points, best 60.5 %.
    assert abs(accuracy.mean() - 0.406) < 0.02
    assert 0.07 < accuracy.std() < 0.11
    assert 0.55 < accuracy.max() < 0.68
    for benchmark, mean in MEAN_ACCURACY.items():
        assert abs(data.correct[:, data.benchmarks == benchmark].mean() - mean) < 0.03


def test_truth_explains_the_labels(simulated):
    data, truth = simulated
    # Grouped by true probability, the observed frequency is that probability.
    for low in np.arange(0, 1, 0.1):
        members = (truth >= low) & (truth < low + 0.1)
        assert abs(data.correct[members].mean() - truth[members].mean()) < 4 * 0.5 / np.sqrt(members.sum())
    bayes = np.maximum(truth, 1 - truth).mean()
    assert data.meta["truth"]["accuracy"] == pytest.approx(bayes, abs=1e-4)
    assert data.meta["truth"]["log_loss"] == pytest.approx(
        -(truth * np.log(truth) + (1 - truth) * np.log1p(-truth)).mean(), abs=1e-4
    )
    assert ((truth > 0.5) == data.correct).mean() == pytest.approx(bayes, abs=0.01)


def test_texts_tell_topic_and_difficulty(simulated):
    data, truth = simulated
    half = np.arange(QUESTIONS) % 2 == 0
    texts = np.array(data.prompts, dtype=object)
    topic = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=300))
    topic.fit(texts[half], data.benchmarks[half])
    assert topic.score(texts[~half], data.benchmarks[~half]) > 0.95
    difficulty = make_pipeline(TfidfVectorizer(), Ridge())
    within = truth.mean(axis=0)
    for benchmark in BENCHMARK_SIZES:
        within[data.benchmarks == benchmark] -= within[data.benchmarks == benchmark].mean()
    difficulty.fit(texts[half], within[half])
    assert difficulty.score(texts[~half], within[~half]) > 0.15


def test_same_seed_same_data_other_seed_other_data():
    first, again, other = (simulate(models=5, questions=60, seed=seed) for seed in (3, 3, 4))
    assert first.digest == again.digest != other.digest


def test_missing_and_duplicates():
    data = simulate(models=30, questions=1000, missing=0.1, duplicates=True)
    assert (data.attempts == 0).mean() == pytest.approx(0.1, abs=0.01)
    twice = (data.attempts == 2).any(axis=0)
    categories = np.array(data.questions["category"].to_pylist(), dtype=object)
    assert set(data.benchmarks[twice]) == {"gsm8k", "gpqa"}
    assert twice[categories == "gsm8k"].all()
    assert not twice[categories == "gpqa_main_zeroshot"].any()
    assert ((data.correct == 1) & (data.attempts == 2)).any()  # conflicting labels
    assert data.correct.max() == 2


def test_every_wrong_argument_is_named():
    with pytest.raises(DataError) as error:
        simulate(models=0, questions=9, missing=1.0, words=1, seed=-1)
    assert error.value.problems == (
        "models must be at least 1 but is 0",
        "questions must be at least 10 but is 9",
        "words must be at least 4 but is 1",
        "seed must be zero or positive but is -1",
        "missing must lie in [0, 1) but is 1.0",
    )


def test_data_without_any_label_are_not_simulated():
    with pytest.raises(DataError, match=r"missing 0\.9999 leaves 2 models on 10 questions without any label; lower it"):
        simulate(models=2, questions=10, missing=0.9999)
