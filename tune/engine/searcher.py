"""Ray Tune's view of a queue of orders: a searcher that suggests orders, and who hears of their end."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ray import cloudpickle
from ray.exceptions import RayTaskError
from ray.tune import Stopper
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from tune.engine.trainable import OUTCOME, TICKET, OutOfMemory, Rest, Ticket

SHORTEST_REST = 0.1
LONGEST_REST = 2.0
REST_SHARE = 0.1
"""A rest takes this share of the time waited so far, in seconds between the shortest and the longest."""

REASON_LENGTH = 200
"""Characters kept of Ray's account of a worker's death."""


class OrderQueue(Protocol):
    """Hands out orders and takes their outcomes. Called in the driver's thread only."""

    @property
    def done(self) -> bool:
        """Whether no order is out and none will follow."""
        ...

    def resize(self, slots: int) -> None:
        """The cluster has room for this many orders at the same time from now on."""
        ...

    @property
    def keeps_idle_workers(self) -> bool:
        """Whether workers for whom there is no order now are needed later on: they rest meanwhile."""
        ...

    def next_order(self, key: str) -> Any:
        """The next order, known as `key` from now on; None while there is none."""
        ...

    def finished(self, key: str, outcome: Any) -> None:
        """What the worker returned for the order known as `key`."""
        ...

    def died(self, key: str, reason: str) -> None:
        """The worker of the order known as `key` raised, ran out of memory or is gone."""
        ...


class OrderSearcher(Searcher):
    """Suggests orders to Ray Tune, for which an order is a trial; never more at a time than `room` tells."""

    def __init__(self, queue: OrderQueue, room: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._queue = queue
        self._room = room
        self._slots: int | None = None
        self._out: set[str] = set()
        self._clock = clock
        self._idle_since: float | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Ray Tune pickles an experiment for `Tuner.restore`, which we have no use for; the queue stays here.
        return {}

    def suggest(self, trial_id: str) -> Any:
        """The next order, a rest or None while there is none, FINISHED once there will be none."""
        slots = self._room()
        if slots != self._slots:
            self._slots = slots
            self._queue.resize(slots)
        if len(self._out) >= slots:
            return Searcher.FINISHED if self._queue.done else None
        suggested = self._next(trial_id)
        if isinstance(suggested, dict):
            self._out.add(trial_id)
        return suggested

    def _next(self, trial_id: str) -> Any:
        order = self._queue.next_order(trial_id)
        if order is not None:
            self._idle_since = None
            return {TICKET: Ticket(order)}
        if self._queue.done:
            return Searcher.FINISHED
        return {TICKET: Ticket(self._rest())} if self._queue.keeps_idle_workers else None

    def _rest(self) -> Rest:
        """Short at first, the next order may come soon; longer after long waiting, each rest is a trial to Ray Tune."""
        now = self._clock()
        if self._idle_since is None:
            self._idle_since = now
        return Rest(min(max(REST_SHARE * (now - self._idle_since), SHORTEST_REST), LONGEST_REST))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """There is room for another; stopper and scheduler have told the queue already."""
        self._out.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the queue's owner knows all."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the queue's owner resumes from its own records."""


class OrderStopper(Stopper):
    """Hands outcomes from Ray Tune to the queue, in the driver: what Ray Tune asks first about every result.

    A Ray Tune callback would hear of them, too, but for its sake Ray Tune imports every integration it has (MLflow,
    Comet, Weights & Biases) before the first worker starts, in order to count which are used: a second or more.
    """

    def __init__(self, queue: OrderQueue) -> None:
        self._queue = queue

    def __getstate__(self) -> dict[str, Any]:
        # Ray Tune pickles an experiment for `Tuner.restore`, which we have no use for; the queue stays here.
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """An order was executed. Its outcome is taken out of the result, which Ray Tune would keep."""
        outcome = result.pop(OUTCOME)
        if isinstance(outcome, OutOfMemory):
            self._queue.died(trial_id, f"out of memory: {outcome.reason}")
        elif not isinstance(outcome, Rest):  # nobody waits for a rest
            self._queue.finished(trial_id, outcome)
        return True

    def stop_all(self) -> bool:
        """Never: the searcher says when there are no more orders."""
        return False


class OrderScheduler(FIFOScheduler):
    """Takes orders as they come; tells the queue of those whose worker failed, and lets go of those that are done."""

    def __init__(self, queue: OrderQueue) -> None:
        super().__init__()
        self._queue = queue

    def __getstate__(self) -> dict[str, Any]:
        # As for the stopper.
        return {}

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """The order's worker raised or died."""
        if not isinstance(trial.config[TICKET].order, Rest):
            self._queue.died(trial.trial_id, _reason(trial))
        _release(trial)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """The order was executed."""
        _release(trial)


def _release(trial: Any) -> None:
    trial.config[TICKET].order = None


def _reason(trial: Any) -> str:
    """What happened to the order's worker, in one line: an exception's last line, or the first of Ray's obituary."""
    if not trial.pickled_error_file or not Path(trial.pickled_error_file).is_file():
        return "no reason is known"
    error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if isinstance(error, RayTaskError) else lines[0][:REASON_LENGTH]
