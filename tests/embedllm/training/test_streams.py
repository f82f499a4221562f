"""Noise of a stream: fresh normals for every pair; for questions, on a CPU, cut from a table drawn anew every epoch."""

import numpy as np
import pytest
import torch

from embedllm.config import FitConfig
from embedllm.training import FitData, streams
from embedllm.training.streams import Stream

QUESTIONS, WIDTH, TABLE = 400, 16, 4096


@pytest.fixture
def data() -> FitData:
    return FitData(torch.randn(QUESTIONS, WIDTH), torch.rand(QUESTIONS, 5), None, QUESTIONS)


@pytest.fixture(autouse=True)
def small_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "NOISE_TABLE", TABLE)


def epoch_of(stream: Stream, data: FitData) -> torch.Tensor:
    """The normals of an epoch, a row of features for every question, drawn block by block."""
    stream.epoch_blocks()
    found = torch.empty(stream.blocks, stream.questions, data.width)
    for block in found:
        stream.fill_noise(block)
    return found.flatten(0, 1)


def stream_of(data: FitData, **changes: object) -> Stream:
    config = FitConfig(noise_per="question", batch_questions=10).replace(**changes)
    return Stream(config, data, np.arange(QUESTIONS))


def test_noise_per_question_is_standard_normal_and_questions_do_not_share_it(data: FitData) -> None:
    noise = epoch_of(stream_of(data), data)
    assert noise.numel() > TABLE  # so it must repeat somewhere
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert noise.std().item() == pytest.approx(1, abs=0.05)
    correlation = torch.corrcoef(noise) - torch.eye(len(noise))
    assert (correlation > 0.999).float().mean().item() < 0.01  # the same normals at the same features
    assert correlation.mean().item() == pytest.approx(0, abs=0.01)


def test_the_table_is_drawn_anew_every_epoch(data: FitData) -> None:
    stream = stream_of(data)
    first, second = (epoch_of(stream, data).flatten().unique() for _ in range(2))
    assert not torch.isin(first, second).any()
    assert len(first) <= TABLE


def test_a_seed_decides_it(data: FitData) -> None:
    assert torch.equal(epoch_of(stream_of(data), data), epoch_of(stream_of(data), data))
    assert not torch.equal(epoch_of(stream_of(data), data), epoch_of(stream_of(data, seed=1), data))


@pytest.mark.parametrize(
    ("table", "changes"),
    [(QUESTIONS * WIDTH, {}), (TABLE, {"noise_per": "pair"}), (1000, {"batch_questions": 40})],
    ids=["an epoch that needs no more than the table", "noise per pair", "blocks of more than half the table"],
)
def test_else_every_normal_is_fresh(
    data: FitData, table: int, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "NOISE_TABLE", table)
    noise = epoch_of(stream_of(data, **changes), data).flatten()
    assert len(noise.unique()) > 0.999 * len(noise)
