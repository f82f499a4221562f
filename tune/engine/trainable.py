"""The Ray Tune trainable: an actor that executes one order after another."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ray.tune import Trainable

from tune.engine.cluster import hide_other_gpus
from tune.labels import first_line

TICKET = "ticket"
OUTCOME = "outcome"

OUT_OF_MEMORY_SIGNS = (
    "CUDA error: out of memory",
    "_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator: can't allocate memory",
)
"""Texts of errors by which CUDA, its libraries, and PyTorch on the host say so without a type of error of their own."""

Worker = Callable[[Any], Any]
"""Executes an order and returns its outcome."""


@dataclass(frozen=True)
class OutOfMemory:
    """Stands for the outcome of an order that found too little memory, on the host or the device."""

    reason: str


@dataclass(frozen=True)
class Rest:
    """An order to do nothing for some seconds: Ray Tune ends all idle actors but one, and a new one takes seconds."""

    seconds: float


class Ticket:
    """Carries an order through Ray Tune's configuration dictionaries.

    Ray Tune copies, prints and keeps every trial's configuration to the end. A ticket is shared instead of copied,
    prints short, and gives up its order when it is done, so that the driver's memory does not grow.
    """

    def __init__(self, order: Any) -> None:
        self.order = order

    def __deepcopy__(self, memo: dict[int, Any]) -> "Ticket":
        return self

    def __repr__(self) -> str:
        return "order"


def _out_of_memory(error: Exception) -> OutOfMemory | None:
    """What the error says of memory, if it is about that."""
    import torch

    text = str(error)
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(sign in text for sign in OUT_OF_MEMORY_SIGNS):
        return OutOfMemory(first_line(text, "host"))
    return None


class OrderTrainable(Trainable):
    """One step executes one order. The actor lives through the run: imports, device context and data are paid once.

    There are no checkpoints: an order takes seconds and is executed again where its worker is lost.
    """

    def setup(  # type: ignore[override]  # `tune.with_parameters` adds the others
        self, config: dict[str, Any], worker: Callable[[Any, int], Worker], payload: Any, threads: int
    ) -> None:
        """Called once per actor. The worker is made with the first order, for Ray Tune must not wait for it here: where
        an order's actor is still being set up while another one falls idle, Ray Tune gives the order to the idle one
        and kills the other. Were set-up longer than an order, some slots would never get an actor.

        Args:
            config: `{"ticket": Ticket}` of the first order.
            worker: makes the function that executes orders.
            payload: its data, read from Ray's object store without a copy.
            threads: CPU threads to work with.
        """
        self._make_worker = partial(worker, payload, threads)
        self._threads = threads
        self._work: Worker | None = None
        self._ticket: Ticket = config[TICKET]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next order."""
        self._ticket = new_config[TICKET]
        return True

    def step(self) -> dict[str, Any]:
        """Execute the order; `{"done": True, "outcome": …}`."""
        order = self._ticket.order
        if isinstance(order, Rest):
            time.sleep(order.seconds)
            return {"done": True, OUTCOME: order}
        if self._work is None:
            self._work = self._ready_worker()
        try:
            return {"done": True, OUTCOME: self._work(order)}
        except (MemoryError, RuntimeError) as error:
            failure = _out_of_memory(error)
            if failure is None:
                raise
        # Not before the error is gone, whose traceback holds the pack's tensors: a neighbour may need the memory.
        import torch

        gc.collect()
        torch.cuda.empty_cache()
        return {"done": True, OUTCOME: failure}

    def _ready_worker(self) -> Worker:
        hide_other_gpus()
        gc.disable()  # imports make many objects and no garbage: they take a fifth longer if it is looked for
        try:
            # Imported here: the driver, which only names this class, starts seconds sooner without PyTorch.
            import torch

            torch.set_num_threads(self._threads)
            return self._make_worker()
        finally:
            gc.enable()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to save."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing to load."""
