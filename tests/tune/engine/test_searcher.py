"""The searcher, the stopper and the scheduler without Ray Tune: orders, rests, and whose outcome reaches the queue."""

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.search import Searcher

from tune.engine.searcher import LONGEST_REST, SHORTEST_REST, OrderScheduler, OrderSearcher, OrderStopper
from tune.engine.trainable import OUTCOME, TICKET, OutOfMemory, Rest, Ticket


class Queue:
    """Hands out what it is given, and notes what it hears."""

    def __init__(self, *orders: Any, keeps_idle_workers: bool = False, done: bool = False) -> None:
        self.orders = list(orders)
        self.keeps_idle_workers = keeps_idle_workers
        self.done = done
        self.heard: list[tuple[str, str, Any]] = []
        self.sizes: list[int] = []

    def resize(self, slots: int) -> None:
        self.sizes.append(slots)

    def next_order(self, key: str) -> Any:
        return self.orders.pop(0) if self.orders else None

    def finished(self, key: str, outcome: Any) -> None:
        self.heard.append(("finished", key, outcome))

    def died(self, key: str, reason: str) -> None:
        self.heard.append(("died", key, reason))


def trial(order: Any) -> Any:
    return SimpleNamespace(trial_id="t", config={TICKET: Ticket(order)}, pickled_error_file=None)


def test_orders_then_nothing_then_the_end() -> None:
    queue = Queue("first")
    searcher = OrderSearcher(queue, lambda: 2)
    assert searcher.suggest("a")[TICKET].order == "first"
    assert searcher.suggest("b") is None
    queue.done = True
    assert searcher.suggest("c") == Searcher.FINISHED


def test_never_more_orders_or_rests_than_there_is_room_for() -> None:
    room = [1]
    queue = Queue("first", "second", keeps_idle_workers=True)
    searcher = OrderSearcher(queue, lambda: room[0])
    assert searcher.suggest("a")[TICKET].order == "first"
    assert searcher.suggest("b") is None
    room[0] = 3
    assert searcher.suggest("b")[TICKET].order == "second"
    assert isinstance(searcher.suggest("c")[TICKET].order, Rest)
    assert searcher.suggest("d") is None
    searcher.on_trial_complete("a", error=True)
    assert isinstance(searcher.suggest("d")[TICKET].order, Rest)
    room[0] = 1
    assert searcher.suggest("e") is None, "fewer fit than are out"
    assert queue.sizes == [1, 3, 1]
    queue.done = True
    assert searcher.suggest("e") == Searcher.FINISHED


def test_workers_needed_later_rest_longer_the_longer_they_wait() -> None:
    now = [0.0]
    queue = Queue(keeps_idle_workers=True)
    searcher = OrderSearcher(queue, lambda: 9, clock=lambda: now[0])
    rests = []
    for moment in (0.0, 0.1, 5.0, 100.0):
        now[0] = moment
        rests.append(searcher.suggest("a")[TICKET].order.seconds)
    assert rests == [SHORTEST_REST, SHORTEST_REST, pytest.approx(0.5), LONGEST_REST]
    queue.orders.append("next")
    assert searcher.suggest("a")[TICKET].order == "next"
    now[0] = 200.0
    assert searcher.suggest("a")[TICKET].order == Rest(SHORTEST_REST)  # waiting begins anew


def test_outcomes_reach_the_queue_and_rests_do_not() -> None:
    queue = Queue()
    stopper = OrderStopper(queue)
    for outcome in ("result", OutOfMemory("too big"), Rest(0.1)):
        result = {"done": True, OUTCOME: outcome}
        assert stopper("t", result)
        assert OUTCOME not in result
    assert not stopper.stop_all()
    assert queue.heard == [("finished", "t", "result"), ("died", "t", "out of memory: too big")]


def test_a_worker_that_dies_while_it_rests_costs_nothing() -> None:
    queue = Queue()
    scheduler = OrderScheduler(queue)
    scheduler.on_trial_error(None, trial(Rest(0.1)))
    assert queue.heard == []
    scheduler.on_trial_error(None, trial("pack"))
    assert queue.heard == [("died", "t", "no reason is known")]


def test_orders_that_are_over_are_let_go() -> None:
    done, failed = trial("pack"), trial("pack")
    scheduler = OrderScheduler(Queue())
    scheduler.on_trial_complete(None, done, {})
    scheduler.on_trial_error(None, failed)
    assert done.config[TICKET].order is failed.config[TICKET].order is None
