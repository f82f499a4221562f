"""The actor without Ray: when its worker is made, what it does out of memory, and that tickets stay light."""

import copy
import gc
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
    ],
)
def test_too_little_memory_is_an_outcome_not_a_crash(error: Exception, reason: str) -> None:
    def make(payload: str, threads: int) -> Callable[[Any], Any]:
        def work(order: object) -> object:
            raise error

        return work

    assert actor(make).step() == {"done": True, OUTCOME: OutOfMemory(reason)}


def test_a_ticket_is_shared_when_it_is_copied_and_prints_short() -> None:
    ticket = Ticket(["much"] * 1000)
    assert copy.deepcopy({"config": ticket})["config"] is ticket
    assert repr(ticket) == "order"
