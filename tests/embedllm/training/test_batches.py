"""Batches gathered by chunks are those gathered block by block."""

import numpy as np
import pytest
import torch

from embedllm.config import FitConfig
from embedllm.training import FitData, batches
from embedllm.training.batches import Batches
from embedllm.training.bilinear import Batch
from embedllm.training.streams import Stream

QUESTIONS, MODELS, WIDTH = 50, 7, 6


@pytest.fixture(params=[False, True], ids=["one attempt", "weighted"])
def data(request: pytest.FixtureRequest) -> FitData:
    drawn = torch.Generator().manual_seed(0)
    weight = torch.randint(0, 4, (QUESTIONS, MODELS), generator=drawn).float() if request.param else None
    return FitData(
        torch.randn(QUESTIONS, WIDTH, generator=drawn),
        torch.rand(QUESTIONS, MODELS, generator=drawn),
        weight,
        QUESTIONS,
    )


def epoch(
    data: FitData, members: list[int], *, groups: int = 1, noise_per: str = "pair"
) -> list[tuple[int, list[Batch]]]:
    """One epoch of streams with 50, 40, 30… training questions."""
    config = FitConfig(batch_questions=2, model_groups=groups, noise_per=noise_per)
    streams = [
        Stream(config.replace(seed=number), data, np.arange(QUESTIONS - 10 * number)) for number in range(len(members))
    ]
    level = torch.arange(1, sum(members) + 1) / 10
    return list(Batches(data, streams, members, level, noise_per=noise_per).epoch())


@pytest.mark.parametrize("members", [[1], [3], [1, 1, 1], [2, 2], [1, 2, 1]])
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("noise_per", ["pair", "question"])
def test_chunks_do_not_change_batches(
    data: FitData, members: list[int], groups: int, noise_per: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunked = epoch(data, members, groups=groups, noise_per=noise_per)
    monkeypatch.setattr(batches, "GATHERED", 1)
    single = epoch(data, members, groups=groups, noise_per=noise_per)
    assert len(chunked) == len(single) > 3
    for (going, found), (expected_going, expected) in zip(chunked, single, strict=True):
        assert going == expected_going
        assert len(found) == len(expected) == groups
        for batch, other in zip(found, expected, strict=True):
            for name, tensor in batch._asdict().items():
                assert (
                    torch.equal(tensor, other._asdict()[name]) if tensor is not None else other._asdict()[name] is None
                )


@pytest.mark.parametrize("groups", [1, 3])
def test_every_pair_once_and_weights_of_a_batch_sum_to_one(data: FitData, groups: int) -> None:
    seen = torch.zeros(MODELS, dtype=torch.int64)
    for _, found in epoch(data, [1], groups=groups):
        for number, batch in enumerate(found):
            share = batch.scale.expand_as(batch.target)
            torch.testing.assert_close(share.sum(), torch.tensor(1.0))
            read = (batch.questions[0][:, None] == data.encodings).all(2).int().argmax(1)
            used = share[0] > 0
            group = torch.arange(MODELS)[number::groups]
            assert torch.equal(batch.target[0][used], data.target[read][:, group][used])
            seen[group] += used.sum(0)
    expected = torch.ones(QUESTIONS, MODELS) if data.weight is None else data.weight
    assert torch.equal(seen, (expected > 0).sum(0))


def test_streams_leave_when_their_questions_end(data: FitData) -> None:
    going = [streams for streams, _ in epoch(data, [1, 1, 1])]
    blocks = [-(-count // 2) for count in (50, 40, 30)]
    assert going == [sum(count > number for count in blocks) for number in range(blocks[0])]


def test_noise_per_question_is_added_to_the_encodings_at_each_members_level(data: FitData) -> None:
    level = torch.tensor([0.0, 0.5])
    config = FitConfig(batch_questions=2, model_groups=1, noise_per="question")
    stream = Stream(config, data, np.arange(QUESTIONS))
    found = [batch for _, (batch,) in Batches(data, [stream], [2], level, noise_per="question").epoch()]
    clean, noisy = (torch.cat([batch.questions[member] for batch in found]) for member in (0, 1))
    assert torch.equal(clean.sort(0).values, data.encodings.sort(0).values)
    assert (noisy - clean).std().item() == pytest.approx(0.5, rel=0.15)
    assert all(batch.noise is None for batch in found)
