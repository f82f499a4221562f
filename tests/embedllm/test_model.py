"""The trained model: both of its forms, and what it reads."""

import warnings

import numpy as np
import pytest
import torch

from embedllm.model import EmbedLLM
from tests.embedllm.training.naive import NaiveEmbedLLM

MODELS, WIDTH, DIM, QUESTIONS = 5, 8, 3, 20


@pytest.fixture
def model() -> EmbedLLM:
    torch.manual_seed(0)
    return NaiveEmbedLLM(MODELS, WIDTH, DIM, noise=0.0).as_model()


@pytest.fixture
def encodings() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((QUESTIONS, WIDTH)).astype(np.float32)


def test_probabilities_are_the_official_softmax(model: EmbedLLM, encodings: np.ndarray):
    naive = NaiveEmbedLLM.copy_of(model, noise=0.0).eval()
    pairs = torch.arange(MODELS).repeat_interleave(QUESTIONS)
    with torch.no_grad():
        logits = naive(pairs, torch.from_numpy(encodings).repeat(MODELS, 1))
    expected = logits.softmax(1)[:, 1].view(MODELS, QUESTIONS)
    np.testing.assert_allclose(model.predict_proba(encodings), expected.numpy(), rtol=1e-5)


def test_collapsed_weights_are_the_same_function(model: EmbedLLM, encodings: np.ndarray):
    weights, offset = model.collapsed
    assert weights.shape == (MODELS, WIDTH)
    np.testing.assert_allclose(
        model.logits(encodings), weights.numpy() @ encodings.T + offset.numpy()[:, None], rtol=1e-4, atol=1e-6
    )


def test_the_collapsed_form_is_computed_once(model: EmbedLLM, encodings: np.ndarray):
    first = model.predict_proba(encodings)
    collapsed = model.collapsed
    np.testing.assert_array_equal(model.predict_proba(encodings), first)
    assert model.collapsed is collapsed


def test_reads_any_memory_layout_without_a_warning(model: EmbedLLM, encodings: np.ndarray):
    expected = model.logits(encodings)
    frozen = encodings.copy()
    frozen.setflags(write=False)  # as from a memory map or Ray's object store
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layouts = (encodings.astype(np.float64), np.asfortranarray(encodings), np.repeat(encodings, 2, axis=0)[::2])
        for layout in (*layouts, frozen):
            np.testing.assert_array_equal(model.logits(layout), expected)


def test_sizes(model: EmbedLLM):
    assert (model.num_models, model.embedding_dim, model.width) == (MODELS, DIM, WIDTH)


def test_encodings_of_another_width_are_refused(model: EmbedLLM):
    with pytest.raises(
        ValueError, match=r"shape \(2, 9\); this model reads \(questions, 8\): encode the questions with"
    ):
        model.predict_proba(np.zeros((2, 9), np.float32))


def test_tensors_round_trip(model: EmbedLLM, encodings: np.ndarray):
    again = EmbedLLM.from_tensors(model.tensors())
    assert all(torch.equal(tensor, model.tensors()[name]) for name, tensor in again.tensors().items())
    # Not to the last bit: a projection stored by columns may take another path through the matrix product.
    np.testing.assert_allclose(again.logits(encodings), model.logits(encodings), atol=1e-6)
