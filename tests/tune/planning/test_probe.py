"""The probe: what it times, and how its numbers are read."""

import os
from typing import Any

import numpy as np
import pytest

from embedllm.data.simulate import simulate
from embedllm.data.splits import random_split
from tune.config import Range, SearchSpace, SweepConfig
from tune.data import SweepData
from tune.engine.slots import Slots
from tune.planning.probe import SIZES, ProbeTask, Throughput, _gpu_bytes, measure, middle_config, probe

SPACE = SearchSpace(
    encoder=["narrow", "wide"], embedding_dim=Range(4, 64, log=True), training_questions=[0.5, 1.0], epochs=[7],
    batch_questions=[16, 32, 48],
)  # fmt: skip
CONFIG = SweepConfig(seeds=2, space=SPACE)


@pytest.fixture(scope="module")
def source() -> SweepData:
    data = simulate(models=8, questions=600, seed=0)
    random = np.random.default_rng(0)
    widths = {"narrow": 4, "wide": 48}
    encodings = {name: random.normal(size=(600, width)).astype(np.float32) for name, width in widths.items()}
    return SweepData(data, random_split(data, seed=0), encodings)


def test_packs_of_every_size_are_timed_and_the_other_encoder_compared(source: SweepData) -> None:
    found = measure(ProbeTask(CONFIG, source, seconds=30.0), threads=1)
    assert set(found.epoch_seconds) == set(SIZES)
    assert all(seconds > 0 for seconds in found.epoch_seconds.values())
    # Fused members share the calls that a step of so few numbers consists of.
    assert found.epoch_seconds[8] < found.epoch_seconds[1]
    assert found.baseline_seconds > 0
    assert found.trial_seconds > 0
    assert found.relative["wide"] == 1.0
    assert 0 < found.relative["narrow"] < 3
    assert found.gpu_bytes is None


def test_without_time_only_the_smallest_pack_is_timed(source: SweepData) -> None:
    found = measure(ProbeTask(CONFIG, source, seconds=0.0), threads=1)
    assert set(found.epoch_seconds) == {1}
    assert found.relative == {"wide": 1.0, "narrow": 1.0}
    assert found.member_epoch(16) == found.epoch_seconds[1]


def test_sizes_in_between_are_interpolated_and_larger_ones_taken_as_the_largest() -> None:
    found = Throughput({1: 4.0, 4: 2.0}, 0.0, 0.0, {})
    assert [found.member_epoch(size) for size in (1, 2, 4, 16)] == pytest.approx([4.0, 3.0, 2.0, 2.0])


def test_configurations_spread_over_the_dimensions_only() -> None:
    low, high = (middle_config(CONFIG, "wide", quantile, 480) for quantile in (0.0, 1.0))
    assert (low.embedding_dim, high.embedding_dim) == (4, 64)
    assert middle_config(CONFIG, "wide", 0.5, 480).embedding_dim == 16
    assert low.replace(embedding_dim=64) == high
    assert (low.batch_questions, low.epochs, low.training_questions) == (32, 1, None)
    assert low.noise == pytest.approx(0.1)


def test_a_probe_without_gpus_sees_none(source: SweepData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr("ray.get_gpu_ids", list)
    assert measure(ProbeTask(CONFIG, source, seconds=0.0), threads=1).gpu_bytes is None
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_what_the_probe_left_on_the_gpu_is_given_back_before_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: called.append("empty_cache"))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (called.append("mem_get_info"), (3, 8))[1])
    assert _gpu_bytes() == (8, 3)
    assert called == ["empty_cache", "mem_get_info"]


def test_a_probe_that_does_not_answer_is_ended(source: SweepData, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.exceptions import GetTimeoutError

    class Remote:
        def remote(self, *_: object) -> str:
            return "answer"

    def late(answer: object, timeout: float) -> None:
        raise GetTimeoutError("no answer")

    cancelled: list[Any] = []
    monkeypatch.setattr("ray.remote", lambda **resources: lambda function: Remote())
    monkeypatch.setattr("ray.get", late)
    monkeypatch.setattr("ray.cancel", lambda answer, force: cancelled.append((answer, force)))
    with pytest.raises(GetTimeoutError):
        probe(ProbeTask(CONFIG, source), Slots(1, 1, 0.0))
    assert cancelled == [("answer", True)]
