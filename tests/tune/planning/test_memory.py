"""The memory of a pack as computed from shapes, against the tensors that training really allocates."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from embedllm.config import FitConfig, preset
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.simulate import simulate
from embedllm.data.splits import Split, random_split
from embedllm.training import FitData, batches, fit_many, scoring, streams
from embedllm.training.layout import Layout
from tune.planning.memory import (
    CUDA_CONTEXT,
    GATHERED,
    GIB,
    HOST_PROCESS,
    MIB,
    NOISE_CHUNK,
    NOISE_TABLE,
    SCORED_AT_ONCE,
    SCORED_AT_ONCE_ON_GPU,
    DataShape,
    pack_memory,
    parameter_floats,
    show_bytes,
)

MODELS, QUESTIONS, WIDTH = 40, 1200, 128


@pytest.fixture(scope="module")
def data() -> CorrectnessMatrix:
    return simulate(models=MODELS, questions=QUESTIONS, seed=0)


@pytest.fixture(scope="module")
def split(data: CorrectnessMatrix) -> Split:
    return random_split(data, seed=0)


def with_a_gap(data: CorrectnessMatrix) -> CorrectnessMatrix:
    attempts, correct = data.attempts.copy(), data.correct.copy()
    attempts[0, 0] = correct[0, 0] = 0
    return dataclasses.replace(data, attempts=attempts, correct=correct)


def peak_of_tensors(work: Callable[[], object]) -> int:
    """Most bytes of tensors alive at once, those inside of operations included."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    return peak


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize(
    ("members", "dim", "batch", "noise"),
    [
        (6, 250, 64, 0.0),  # parameters and their moments
        (6, 64, 64, 0.05),  # noise drawn ahead
        (1, 64, 64, 0.05),
        (6, 8, 900, 0.0),  # the batch
        (3, 64, 8, 0.05),  # the factor form
    ],
)
def test_the_tensors_of_a_pack(
    data: CorrectnessMatrix, split: Split, members: int, dim: int, batch: int, noise: float, gap: bool
) -> None:
    source = with_a_gap(data) if gap else data
    config = preset("fast").replace(encoder="e", embedding_dim=dim, batch_questions=batch, epochs=1, noise=noise)
    encodings = np.random.default_rng(0).normal(size=(QUESTIONS, WIDTH)).astype(np.float32)
    tensors = FitData.build(source, split, encodings, device="cpu")
    allocated = peak_of_tensors(lambda: fit_many([config.replace(seed=seed) for seed in range(members)], tensors))
    shape = DataShape.of(source, split, {"e": WIDTH})
    memory = pack_memory([config], members, shape)
    # Scoring takes less here, and nothing is judged.
    assert memory.members + memory.batch + memory.noise + memory.models == pytest.approx(allocated, rel=0.3)

    assert batches.GATHERED == GATHERED
    assert (streams.NOISE_CHUNK, streams.NOISE_TABLE) == (NOISE_CHUNK, NOISE_TABLE)

    held = [tensors.encodings, tensors.target, *([] if tensors.weight is None else [tensors.weight])]
    assert memory.data == sum(tensor.nbytes for tensor in held)


def test_trials_of_a_pack_count_with_their_seeds_and_the_widest_sets_the_padding() -> None:
    shape = DataShape(models=10, train=500, val=100, widths={"e": 32}, weighted=False)
    narrow, wide = FitConfig(encoder="e", embedding_dim=8), FitConfig(encoder="e", embedding_dim=64)
    assert pack_memory([narrow, wide], 3, shape).members == pack_memory([wide] * 6, 1, shape).members
    assert pack_memory([wide], 3, shape).members == 3 * pack_memory([wide], 1, shape).members


def test_parameters_are_those_of_the_model() -> None:
    layout = Layout(models=10, width=32, dim=8)
    assert parameter_floats(10, 32, 8) == sum(torch.Size(shape).numel() for shape in layout.shapes.values())


def test_every_encoder_of_the_space_may_lie_in_memory() -> None:
    one = DataShape(models=10, train=500, val=100, widths={"e": 32}, weighted=False)
    both = dataclasses.replace(one, widths={"e": 32, "f": 64})
    config = FitConfig(encoder="e")
    assert pack_memory([config], 1, both).data - pack_memory([config], 1, one).data == 4 * 600 * (64 + 10)


def test_a_gpu_holds_no_finished_models_but_a_context() -> None:
    shape = DataShape(models=10, train=500, val=100, widths={"e": 32}, weighted=False)
    host, gpu = (pack_memory([FitConfig(encoder="e")], 1, shape, gpu=flag) for flag in (False, True))
    assert (host.process, gpu.process) == (HOST_PROCESS, CUDA_CONTEXT)
    assert gpu.models == 0 < host.models
    # One vector in six: Adam's denominators of all members at once.
    assert 5 * gpu.members == 6 * host.members


def test_more_is_scored_at_once_on_a_gpu() -> None:
    assert (SCORED_AT_ONCE, SCORED_AT_ONCE_ON_GPU) == (scoring.SCORED_AT_ONCE, scoring.SCORED_AT_ONCE_ON_GPU)
    shape = DataShape(models=100, train=5000, val=20_000, widths={"e": 32}, weighted=False)
    gpu = [pack_memory([FitConfig(encoder="e")] * count, 1, shape, gpu=True).scoring for count in (1, 15, 16, 17, 99)]
    assert gpu[0] < gpu[1] < gpu[2]
    assert gpu[2] == gpu[3] == gpu[4], "2^25 forecasts are those of 16 members"


def test_bytes_are_shown_in_the_unit_one_thinks_in() -> None:
    assert show_bytes(312 * MIB) == "312 MiB"
    assert show_bytes(4.25 * GIB) == "4.2 GiB"
