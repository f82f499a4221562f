"""The actor without Ray: when its worker is made, what it does out of memory, and that tickets stay light."""

import copy
import gc
import os
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tune.engine.trainable import OUTCOME, TICKET, OrderTrainable, OutOfMemory, Rest, Ticket


class Made:
    """Makes workers that answer with their payload and the order, and notes when."""

    def __init__(self) -> None:
        self.times = 0
        self.collecting: bool | None = None

    def __call__(self, payload: str, threads: int) -> Callable[[Any], Any]:
        self.times += 1
        self.collecting = gc.isenabled()
        return lambda order: (payload, threads, order)


def actor(make: Callable[[Any, int], Callable[[Any], Any]], order: object = "first") -> OrderTrainable:
    found = OrderTrainable.__new__(OrderTrainable)
    found.setup({TICKET: Ticket(order)}, make, "data", torch.get_num_threads())
    return found


def test_the_worker_is_made_with_the_first_order_and_once() -> None:
    """Not in `setup`: Ray Tune kills actors still being set up when another one falls idle."""
    make = Made()
    one = actor(make)
    assert make.times == 0
    assert one.step() == {"done": True, OUTCOME: ("data", torch.get_num_threads(), "first")}
    assert one.reset_config({TICKET: Ticket("second")})
    assert one.step()[OUTCOME][2] == "second"
    assert make.times == 1


def test_a_rest_needs_no_worker() -> None:
    make = Made()
    one = actor(make, Rest(0.0))
    assert one.step() == {"done": True, OUTCOME: Rest(0.0)}
    assert make.times == 0


def test_garbage_is_not_looked_for_while_the_worker_is_made_only() -> None:
    make = Made()
    actor(make).step()
    assert make.collecting is False
    assert gc.isenabled()


def test_a_worker_that_cannot_be_made_is_tried_again_with_the_next_order() -> None:
    make = Made()

    def fails_once(payload: str, threads: int) -> Callable[[Any], Any]:
        if make.times == 0:
            make.times = 1
            raise OSError("no such file")
        return make(payload, threads)

    one = actor(fails_once)
    with pytest.raises(OSError, match="no such file"):
        one.step()
    assert gc.isenabled()
    assert one.step()[OUTCOME][2] == "first"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "host"),
        (torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate"), "CUDA out of memory."),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors"), "CUDA error: out of memory"),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        ),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
            "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried",
        ),
    ],
)
def test_too_little_memory_is_an_outcome_not_a_crash(error: Exception, reason: str) -> None:
    def make(payload: str, threads: int) -> Callable[[Any], Any]:
        def work(order: object) -> object:
            raise error

        return work

    assert actor(make).step() == {"done": True, OUTCOME: OutOfMemory(reason)}


def test_other_errors_are_raised() -> None:
    def make(payload: str, threads: int) -> Callable[[Any], Any]:
        def work(order: object) -> object:
            raise RuntimeError("CUDA error: device-side assert triggered")

        return work

    with pytest.raises(RuntimeError, match="device-side assert"):
        actor(make).step()


def test_memory_is_given_back_when_nothing_holds_it_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[torch.Tensor]] = []
    held = []

    def make(payload: str, threads: int) -> Callable[[Any], Any]:
        def work(order: object) -> object:
            tensor = torch.zeros(1000)
            made.append(weakref.ref(tensor))
            raise torch.OutOfMemoryError("CUDA out of memory.")

        return work

    monkeypatch.setattr("torch.cuda.empty_cache", lambda: held.append(made[0]() is not None))
    actor(make).step()
    assert held == [False]


@pytest.mark.parametrize(("given", "visible"), [([], ""), ([3], "0,1,2,3")])
def test_a_worker_without_gpus_sees_none_when_it_is_made(
    monkeypatch: pytest.MonkeyPatch, given: list[int], visible: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr("ray.get_gpu_ids", lambda: given)
    seen = []

    def make(payload: str, threads: int) -> Callable[[Any], Any]:
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
        return lambda order: order

    actor(make).step()
    assert seen == [visible]


def test_a_ticket_is_shared_when_it_is_copied_and_prints_short() -> None:
    ticket = Ticket(["much"] * 1000)
    assert copy.deepcopy({"config": ticket})["config"] is ticket
    assert repr(ticket) == "order"
