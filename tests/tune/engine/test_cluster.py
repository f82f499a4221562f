"""Dividing a cluster into slots, and what is told when it cannot be had."""

import socket

import pytest

from embedllm.errors import ConfigError, EmbedLLMError
from tune.config import SweepConfig
from tune.engine.cluster import Slots, check_address, plan_slots, ray_cluster

CPU_ONLY = {"CPU": 8.0}
GPU_NODES = {"CPU": 32.0, "GPU": 4.0}


def slots(resources: dict[str, float], **changes: object) -> Slots:
    return plan_slots(SweepConfig(trials=100).replace(**changes), resources)


def test_cpus_are_one_slot_each() -> None:
    assert slots(CPU_ONLY) == Slots(8, 1, 0.0)
    assert slots(CPU_ONLY, cpus_per_pack=3) == Slots(2, 3, 0.0)
    assert slots(CPU_ONLY, trials=3) == Slots(3, 1, 0.0)
    assert slots(CPU_ONLY, slots=2) == Slots(2, 1, 0.0)
    assert slots(CPU_ONLY).resources == {"cpu": 1}


def test_gpus_are_shared_by_two() -> None:
    assert slots(GPU_NODES) == Slots(8, 4, 0.5)
    assert slots(GPU_NODES, gpus_per_pack=0.25) == Slots(16, 2, 0.25)
    assert slots(GPU_NODES, gpus_per_pack=2) == Slots(2, 4, 2)
    assert slots(GPU_NODES, gpus_per_pack=0.0) == Slots(32, 1, 0.0)
    # Thirds of a GPU: rounding must not cost the third.
    assert slots(GPU_NODES, gpus_per_pack=1 / 3).count == 12
    assert slots(GPU_NODES).resources == {"cpu": 4, "gpu": 0.5}


def test_cpus_can_be_what_limits_gpu_slots() -> None:
    assert slots({"CPU": 2.0, "GPU": 4.0}) == Slots(2, 1, 0.5)


def test_what_does_not_fit_is_refused_in_one_message() -> None:
    with pytest.raises(ConfigError) as caught:
        slots(CPU_ONLY, gpus_per_pack=1.0, cpus_per_pack=9)
    assert "gpus_per_pack is 1 but the cluster has 0 GPUs" in str(caught.value)
    assert "cpus_per_pack is 9 but the cluster has 8 CPUs" in str(caught.value)
    with pytest.raises(ConfigError, match="slots is 9 but only 8 packs of 1 CPUs and 0 GPUs fit a cluster of 8 CPUs"):
        slots(CPU_ONLY, slots=9)


def test_a_missing_cluster_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nmore")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at .auto. .*start one with `ray start --head`"):
        ray_cluster("auto").__enter__()


def test_a_cluster_that_is_gone_is_told_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(ConfigError, match=f"no Ray cluster answers at '{address}' .*`resume SWEEP --address local`"):
        check_address(address)


def test_addresses_that_ray_finds_by_itself_are_left_to_it() -> None:
    for address in (None, "auto", "local", "ray://127.0.0.1:1"):
        check_address(address)
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        head.listen()
        check_address(f"127.0.0.1:{head.getsockname()[1]}")


def test_ray_that_is_late_is_started_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def late(**options: object) -> None:
        attempts.append(options["num_cpus"])
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", late)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    with pytest.raises(EmbedLLMError, match="Ray did not start on this machine, 2 times: The current node timed out"):
        ray_cluster(None, num_cpus=2).__enter__()
    assert attempts == [2, 2]
