"""Who is notified as a design goes on."""

import logging
from collections.abc import Sequence
from typing import Protocol

from ablations.cell import Cell
from ablations.outcome import CellOutcome

logger = logging.getLogger(__name__)


class CellListener(Protocol):
    """Notified by the driver, in its own thread, as a design goes on."""

    def cells_started(self, cells: Sequence[Cell]) -> None: ...

    def cells_finished(self, outcomes: Sequence[CellOutcome]) -> None: ...


class Listeners:
    """All listeners of a run, itself a `CellListener`.

    A listener must not raise; one that does is left out rather than allowed to end the run.

    Args:
        listeners: notified in this order.
    """

    def __init__(self, listeners: Sequence[CellListener]) -> None:
        self._listeners = list(listeners)

    def cells_started(self, cells: Sequence[Cell]) -> None:
        self._notify("cells_started", cells)

    def cells_finished(self, outcomes: Sequence[CellOutcome]) -> None:
        self._notify("cells_finished", outcomes)

    def _notify(self, event: str, argument: Sequence[Cell] | Sequence[CellOutcome]) -> None:
        for listener in list(self._listeners):
            try:
                getattr(listener, event)(argument)
            except Exception:
                logger.warning("%s failed and is not notified any more", type(listener).__name__, exc_info=True)
                self._listeners.remove(listener)
