"""Small fit problems with a planted answer."""

import numpy as np
import pytest
import torch

from embedllm.config import FitConfig
from embedllm.training import FitData, FitResult

MODELS, WIDTH, TRAIN, VAL = 11, 16, 300, 80  # 11 models: not a multiple of any group count used


BASE = FitConfig(
    encoder="planted", embedding_dim=6, noise=0.1, batch_questions=40, epochs=4, learning_rate=0.02, model_groups=1
)


def assert_same(a: FitResult, b: FitResult, tolerance: float = 2e-4) -> None:
    for name, tensor in a.model.tensors().items():
        torch.testing.assert_close(b.model.tensors()[name], tensor, rtol=tolerance, atol=tolerance, msg=name)
    assert a.history["val_log_loss"] == pytest.approx(b.history["val_log_loss"], abs=1e-5)
    assert a.best_epoch == b.best_epoch


def planted(*, missing: float = 0.0, attempts: int = 1, seed: int = 0) -> FitData:
    """Labels drawn from a rank-3 logistic model of unit-norm encodings."""
    rng = np.random.default_rng(seed)
    encodings = rng.standard_normal((TRAIN + VAL, WIDTH)).astype(np.float32)
    encodings /= np.linalg.norm(encodings, axis=1, keepdims=True)
    weights = rng.standard_normal((MODELS, 3)) @ rng.standard_normal((3, WIDTH)) * 3
    probability = 1 / (1 + np.exp(-(encodings @ weights.T - 0.3)))
    count = np.full((TRAIN + VAL, MODELS), attempts)
    count[rng.random(count.shape) < missing] = 0
    correct = rng.binomial(count, probability)
    target = np.divide(correct, count, out=np.zeros(count.shape), where=count > 0).astype(np.float32)
    return FitData(
        encodings=torch.from_numpy(encodings),
        target=torch.from_numpy(target),
        weight=None if (count == 1).all() else torch.from_numpy(count.astype(np.float32)),
        num_train=TRAIN,
    )


@pytest.fixture(scope="session")
def problem() -> FitData:
    return planted()
