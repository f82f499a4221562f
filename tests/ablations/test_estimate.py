from typing import Any

import pytest

from ablations.config import AblationConfig
from ablations.estimate import estimate
from ablations.runner import Ablation
from embedllm.data import CorrectnessMatrix
from tune.planning.memory import HOST_PROCESS

RAY_CPUS = 2
"""Of the Ray that tests start."""

pytestmark = pytest.mark.usefixtures("ray_here")


def test_the_machine_is_the_one_that_ray_finds(
    toy: Any, config: AblationConfig, data: CorrectnessMatrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container it has fewer CPUs than the operating system reports."""
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    config = config.replace(slots=None, methods=["lookup"])
    assert estimate(Ablation.prepare(toy(), config, data)).slots.count == RAY_CPUS


def test_a_design_is_played_through(toy: Any, config: AblationConfig, data: CorrectnessMatrix) -> None:
    cost = estimate(Ablation.prepare(toy(), config, data))
    assert 5 <= cost.batches <= 48
    assert 0 < cost.seconds < 60
    assert HOST_PROCESS < cost.memory < 2 * HOST_PROCESS
    more = estimate(Ablation.prepare(toy(), config.replace(seeds=20, methods=["embedllm"]), data))
    less = estimate(Ablation.prepare(toy(), config.replace(seeds=2, methods=["embedllm"]), data))
    assert more.seconds > 2 * less.seconds
