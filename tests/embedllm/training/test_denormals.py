"""Denormal numbers are zero while a CPU trains, and afterwards what they were before."""

import pytest
import torch

from embedllm.config import FitConfig
from embedllm.training import FitData, fit_many
from embedllm.training.denormals import flushed_denormals

QUESTIONS, MODELS, WIDTH = 60, 5, 8


def smallest_kept() -> float:
    """A denormal number, or zero where they are flushed."""
    return (torch.full((), 1e-39) * 1).item()


@pytest.fixture(autouse=True)
def denormals() -> None:
    if not torch.set_flush_denormal(False) or smallest_kept() == 0:
        pytest.skip("this processor cannot choose")


def test_they_are_zero_inside_and_kept_again_afterwards() -> None:
    with flushed_denormals():
        assert smallest_kept() == 0
        with flushed_denormals():
            pass
        assert smallest_kept() == 0
    assert smallest_kept() > 0
    with pytest.raises(KeyError), flushed_denormals():
        raise KeyError
    assert smallest_kept() > 0


def test_they_are_zero_while_a_fit_trains() -> None:
    data = FitData(torch.randn(QUESTIONS, WIDTH), torch.rand(QUESTIONS, MODELS).round(), None, 40)
    seen = []

    def epoch_end(*_: object) -> list[int]:
        seen.append(smallest_kept())
        return []

    # Decay that no gradient withstands: the parameters of `paper` with it were denormal after some epochs.
    config = FitConfig(embedding_dim=4, epochs=3, learning_rate=0.1, weight_decay=1e-3)
    (result,) = fit_many([config], data, on_epoch=epoch_end)
    assert seen == [0.0] * 3
    assert result.failure is None
    assert smallest_kept() > 0
