"""Scoring of fused members: where its tensors lie, and how many members at a time; and the memory they leave."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from embedllm.training import FitData
from embedllm.training.data import Sides
from embedllm.training.fused import FusedRun
from embedllm.training.scoring import SCORED_AT_ONCE, SCORED_AT_ONCE_ON_GPU, scored_together
from tests.embedllm.training.conftest import TRAIN, VAL
from tests.embedllm.training.test_fit import BASE


class Copies(TorchDispatchMode):
    """Counts copies from one device to another."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.count += func.overloadpacket is torch.ops.aten._to_copy
        return func(*args, **(kwargs or {}))


def sides(*orders: int) -> list[Sides]:
    """Every member its own objects, as `fit_many` gives them; another order of training questions, another stream."""
    return [Sides(np.arange(TRAIN)[::order].copy(), np.arange(TRAIN, TRAIN + VAL)) for order in orders]


def test_scoring_copies_nothing_to_the_device(problem: FitData, monkeypatch: pytest.MonkeyPatch):
    pool = dataclasses.replace(
        problem, encodings=problem.encodings.to("meta"), target=problem.target.to("meta"), num_train=TRAIN + VAL
    )
    generator = torch.Generator
    with monkeypatch.context() as patch:  # there is none on `meta`
        patch.setattr(torch, "Generator", lambda device="cpu": generator())
        run = FusedRun([BASE.replace(noise=0.0)] * 3, sides(1, 1, -1), pool)
    with torch.inference_mode():
        run._train_epoch(1)
        with Copies() as copies:
            scores = [run._score(rows) for rows in run.scored_together]
    assert copies.count == 0
    assert [tuple(values.shape) for values in scores] == [(2, 3), (1, 3)]


def test_members_that_validate_alike_share_their_rows(problem: FitData):
    pool = dataclasses.replace(problem, num_train=TRAIN + VAL)
    run = FusedRun([BASE] * 3, [*sides(1, 1), Sides(np.arange(TRAIN), np.arange(TRAIN, TRAIN + 5))], pool)
    first, second, third = run.members
    assert first.val is second.val is not third.val
    assert run.scored_together == [slice(0, 2), slice(2, 3)]


@pytest.mark.parametrize(("device", "most"), [("cpu", SCORED_AT_ONCE), ("cuda", SCORED_AT_ONCE_ON_GPU)])
def test_more_members_are_scored_at_once_on_a_gpu(device: str, most: int):
    models = 100
    val = np.zeros(most // models // 2)  # room for two members
    members = [SimpleNamespace(val=val, scored_like=lambda other: True) for _ in range(5)]
    found = scored_together(members, models, torch.device(device))  # type: ignore[arg-type]
    assert found == [slice(0, 2), slice(2, 4), slice(4, 5)]


def test_a_member_that_leaves_takes_no_more_memory(problem: FitData):
    """The tables of those who stay are made one by one, each in the place of the old one."""
    configs = [BASE.replace(embedding_dim=512, seed=seed) for seed in range(8)]
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler, torch.inference_mode():
        run = FusedRun(configs, [problem.sides] * 8, problem)
        table = run.parameters.nbytes
        run._retire([3])
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    # Parameters, gradient, best, Adam's moments, and one table that is being made.
    assert 5 * table < peak < 6.2 * table
