"""A trial's seconds are those of its own training: no waiting, no first steps of a worker, whoever else is busy."""

import time
from typing import Any

import numpy as np
import pytest
import torch

from embedllm.config import preset
from embedllm.data.simulate import simulate
from embedllm.data.splits import random_split
from embedllm.training import FitData, fit_many
from embedllm.training.fused import FusedRun
from tune.config import SweepConfig
from tune.data import SweepData
from tune.engine.dispatch import Order
from tune.engine.packing import Pack
from tune.engine.timed import clock_of, timed_fits
from tune.engine.worker import PackWorker, SweepPayload
from tune.search.pruning import History

FAST = preset("fast").replace(encoder="noise", embedding_dim=6, epochs=4, batch_questions=32)


@pytest.fixture(scope="module")
def source() -> SweepData:
    data = simulate(models=8, questions=240, seed=1)
    rng = np.random.default_rng(0)
    return SweepData(data, random_split(data, seed=0), {"noise": rng.normal(size=(240, 12)).astype(np.float32)})


@pytest.fixture
def tensors(source: SweepData) -> FitData:
    return FitData.build(source.data, source.split, source.encodings["noise"], "cpu")


def busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_waiting_for_a_processor_does_not_count(tensors: FitData, monkeypatch: pytest.MonkeyPatch) -> None:
    train = FusedRun._train_epoch

    def interrupted(run: FusedRun, epoch: int) -> None:
        time.sleep(0.1)  # as if another program had the processor
        train(run, epoch)

    monkeypatch.setattr(FusedRun, "_train_epoch", interrupted)
    [result] = timed_fits([FAST], tensors)
    assert 0 < result.seconds < 0.3, "of which 0.4 were spent waiting"


def test_the_time_of_a_program_is_shared_by_its_members_only(tensors: FitData, monkeypatch: pytest.MonkeyPatch) -> None:
    train = FusedRun._train_epoch

    def slow_if_wide(run: FusedRun, epoch: int) -> None:
        busy(0.05 if run.members[0].config.embedding_dim == 128 else 0)
        train(run, epoch)

    monkeypatch.setattr(FusedRun, "_train_epoch", slow_if_wide)
    members = [FAST.replace(embedding_dim=128), FAST, FAST.replace(embedding_dim=128, seed=1)]
    wide, narrow, other = timed_fits(members, tensors)
    assert [result.config for result in (wide, narrow, other)] == members
    assert wide.seconds == other.seconds, "else one would beat the other"
    assert wide.seconds >= 0.1
    assert narrow.seconds < 0.1


def test_results_are_those_of_fit_many(tensors: FitData) -> None:
    members = [FAST.replace(embedding_dim=dim, seed=seed) for dim in (6, 128) for seed in (0, 1)]
    for ours, reference in zip(timed_fits(members, tensors), fit_many(members, tensors), strict=True):
        assert ours.history == reference.history


def test_members_of_all_programs_are_told_of_and_dropped_by_their_place(tensors: FitData) -> None:
    members = [FAST.replace(embedding_dim=128), FAST, FAST.replace(embedding_dim=128, seed=1)]
    told = []

    def drop_the_last(epoch: int, losses: np.ndarray, accuracies: np.ndarray) -> list[int]:
        assert losses.shape == accuracies.shape == (3,)
        told.append((epoch, *np.isfinite(losses).tolist()))
        return [2] if epoch == 2 and np.isfinite(losses[2]) else []

    results = timed_fits(members, tensors, drop_the_last)
    assert [result.epochs_run for result in results] == [4, 4, 2]
    assert [result.stopped for result in results] == [None, None, "pruned"]
    narrow = [(epoch, False, True, False) for epoch in range(1, 5)]
    wide = [(epoch, True, False, epoch <= 2) for epoch in range(1, 5)]
    assert sorted(told) == sorted(narrow + wide)
    assert results[2].seconds < results[0].seconds


def test_the_first_pack_of_a_worker_takes_no_longer_than_the_next(
    source: SweepData, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, cold = FusedRun._train_epoch, [True]

    def cold_at_first(run: FusedRun, epoch: int) -> None:
        if cold:
            cold.clear()
            busy(0.5)  # libraries load, memory is touched
        train(run, epoch)

    monkeypatch.setattr(FusedRun, "_train_epoch", cold_at_first)
    config = SweepConfig(seeds=2, gpus_per_pack=0)
    worker = PackWorker(SweepPayload(config, source), 1)
    orders = [Order(Pack(((number, FAST),)), History({})) for number in range(2)]
    first, second = (worker(order).records[0] for order in orders)
    assert not cold
    assert first.seconds < 0.5
    assert first.metrics == second.metrics


@pytest.mark.parametrize(("device", "clock"), [("cpu", time.thread_time), ("cuda", time.perf_counter)])
def test_a_gpu_is_timed_by_the_time_that_passes(device: str, clock: Any) -> None:
    assert clock_of(torch.device(device)) is clock
