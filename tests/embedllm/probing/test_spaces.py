"""Spaces of models, against loops over questions and pairs."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embedllm.errors import DataError
from embedllm.model import EmbedLLM
from embedllm.probing import QuestionMoments, embedding_space, function_coordinates, function_space, profile_space


def random_model(generator: np.random.Generator, models: int = 7, width: int = 5, dim: int = 4) -> EmbedLLM:
    shapes = ((models, dim), (width, dim), (dim,), (2, dim), (2,))
    return EmbedLLM(*(torch.from_numpy(generator.normal(size=shape).astype(np.float32)) for shape in shapes))


def test_function_distances_are_differences_of_predicted_log_odds() -> None:
    generator = np.random.default_rng(0)
    models = [random_model(generator) for _ in range(2)]
    encodings = generator.normal(size=(30, 5)).astype(np.float32)
    coordinates = [function_coordinates(model, QuestionMoments.of(encodings)) for model in models]
    logits = [model.logits(encodings) for model in models]
    centred = [z - z.mean(axis=1, keepdims=True) for z in logits]
    assert coordinates[0].shape == (7, 6)
    for space, values in ((function_space(coordinates), logits), (profile_space(coordinates), centred)):
        for a, b in itertools.combinations(range(7), 2):
            naive = np.sqrt(np.mean([np.mean((z[a] - z[b]) ** 2) for z in values]))
            assert space.distances[a, b] == pytest.approx(naive, rel=1e-4)


def test_function_distances_survive_a_change_of_factors_and_embedding_distances_do_not() -> None:
    generator = np.random.default_rng(1)
    model = random_model(generator)
    stretch = torch.tensor([1.0, 10.0, 0.1, 3.0])
    other = EmbedLLM(
        model.model_embeddings * stretch,
        model.projection / stretch,
        model.bias / stretch,
        model.head_weight,
        model.head_bias,
    )
    encodings = generator.normal(size=(30, 5)).astype(np.float32)
    functions = [
        function_space([function_coordinates(m, QuestionMoments.of(encodings))]).distances for m in (model, other)
    ]
    embeddings = [embedding_space([m.model_embeddings.numpy()]).distances for m in (model, other)]
    np.testing.assert_allclose(functions[0], functions[1], rtol=1e-3, atol=1e-3)
    assert np.abs(embeddings[0] - embeddings[1]).max() > 0.1


def test_embedding_distances_are_root_mean_squares_over_scaled_seeds() -> None:
    generator = np.random.default_rng(2)
    seeds = [generator.normal(size=(6, 3)), 100 * generator.normal(size=(6, 8))]
    total = np.zeros((6, 6))
    for vectors in seeds:
        squared = np.array([[np.sum((a - b) ** 2) for b in vectors] for a in vectors])
        total += squared / squared[np.triu_indices(6, 1)].mean() / len(seeds)
    np.testing.assert_allclose(embedding_space(seeds).distances, np.sqrt(total), rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 12), st.floats(0.01, 100))
def test_distances_do_not_see_rotations_shifts_or_a_common_scale(
    seed: int, models: int, dim: int, scale: float
) -> None:
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(models, dim))
    rotation = np.linalg.qr(generator.normal(size=(dim, dim)))[0]
    moved = scale * vectors @ rotation + generator.normal(size=dim)
    before, after = embedding_space([vectors]).distances, embedding_space([moved]).distances
    np.testing.assert_allclose(before, after, rtol=1e-6, atol=1e-7)
    assert np.array_equal(before, before.T)
    assert not before.diagonal().any()


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([], "there is none; give one matrix per seed"),
        ([np.ones((4, 3))], "seed 0: all 4 models have the same one"),
        ([np.eye(3), np.full((3, 2), 7.5)], "seed 1: all 3 models have the same one"),
        ([np.eye(4)[:1]], "seed 0 has 1 model; a distance needs two"),
        ([np.eye(4), np.eye(3)], r"seed 1 has shape \(3, 3\)"),
        ([np.array([[0.0, np.nan], [1, 2]])], "seed 0 holds NaN or infinity"),
    ],
)
def test_degenerate_embeddings_are_refused(seeds: list[np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message):
        embedding_space(seeds)


def test_equal_predictions_are_refused() -> None:
    with pytest.raises(DataError, match="all 5 models are predicted to answer alike"):
        function_space([np.ones((5, 3))])
    with pytest.raises(DataError, match="all 5 models differ in their level only"):
        profile_space([np.arange(5.0)[:, None] * [1, 0, 0]])
    with pytest.raises(DataError, match=r"they have shape \(0, 5\); needed: \(at least 1 question, width\)"):
        QuestionMoments.of(np.zeros((0, 5)))
    with pytest.raises(DataError, match=r"they have width 4; the model's is 5"):
        function_coordinates(random_model(np.random.default_rng(0)), QuestionMoments.of(np.zeros((3, 4))))


def test_two_models_have_one_distance() -> None:
    assert embedding_space([np.array([[0.0, 1.0], [2.0, 1.0]])]).distances[0, 1] == pytest.approx(1)
