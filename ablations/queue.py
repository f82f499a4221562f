"""The driver's side of a design, free of Ray: which batch to compute next, and what to do with its outcome."""

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ablations.batches import Batch, Encoding, Family
from ablations.cell import Cell, Method
from ablations.outcome import CellOutcome

logger = logging.getLogger(__name__)

TARGET_SECONDS = 15.0
"""Time a batch should take: long enough to share work, short enough that little is lost and progress shows."""

FIRST_SECONDS = 3.0
"""The same until a batch of its kind has been timed."""

LEAST_SECONDS = 2.0
"""Batches at the end are made smaller, so that no slot idles for long, but not smaller than this."""

MAX_BATCH = 64
"""Most cells of a batch."""

SHARING: frozenset[Method] = frozenset({"knn"})
"""Methods whose cells share most of their work: their batches are as large as leaves one for every slot, and need not
be short."""


@dataclass(frozen=True)
class BatchOutcome:
    """What a worker sends back.

    Args:
        cells: an outcome per cell.
        seconds: wall time, without that of encoding questions.
    """

    cells: Sequence[CellOutcome]
    seconds: float


class CellQueue:
    """Makes batches of waiting cells as slots become free, and hands their outcomes on.

    How long cells of a kind take is learned from the batches that have come back.

    Args:
        work: family -> its waiting cells, in the order in which they are batched.
        seconds: key of a cell -> what it is expected to take, in any unit of the kind's own.
        slots: batches computed at the same time.
        most: most cells of a batch.
        on_started: notified of the cells of every batch that is sent out.
        on_finished: given the outcomes of every batch that came back, and of cells given up.
        fail: makes the outcome of a cell given up for a reason.
    """

    def __init__(
        self,
        work: Mapping[Family, Sequence[Cell]],
        seconds: Mapping[str, float],
        slots: int,
        *,
        most: int = MAX_BATCH,
        on_finished: Callable[[Sequence[CellOutcome]], None],
        fail: Callable[[Cell, str], CellOutcome],
        on_started: Callable[[Sequence[Cell]], None] = lambda cells: None,
    ) -> None:
        self._waiting = {family: deque(cells) for family, cells in work.items() if cells}
        self._share_of_slot = {family: -(-len(cells) // slots) for family, cells in work.items() if cells}
        self._seconds = seconds
        # Of each kind: what fits in memory for one kind of work may be too much for another.
        self._most: defaultdict[str, int] = defaultdict(lambda: most)
        self._slots = slots
        self._on_started = on_started
        self._on_finished = on_finished
        self._fail = fail
        self._again: deque[Batch] = deque()
        self._running: dict[str, Batch] = {}
        self._expected: defaultdict[str, float] = defaultdict(float)
        self._taken: defaultdict[str, float] = defaultdict(float)
        self.batches = 0
        """Batches sent out so far."""
        self.stopped: str | None = None
        """Why the design ends before every cell is finished, if it does."""

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing more will."""
        return not self._running and not self._again and not self._waiting

    @property
    def keeps_idle_workers(self) -> bool:
        """False: no batch waits for another's outcome."""
        return False

    def resize(self, slots: int) -> None:
        """The cluster has room for this many batches at the same time from now on."""
        self._slots = slots

    def stop(self, reason: str) -> None:
        """Start nothing more; running batches may finish."""
        if self.stopped is None:
            self.stopped = reason
        self._again.clear()
        self._waiting.clear()

    def next_order(self, key: str) -> Batch | None:
        """The next batch, known as `key` from now on; None while all slots are busy or nothing waits."""
        if len(self._running) >= self._slots:
            return None
        if not self._again and not self._waiting:
            return None
        batch = self._again.popleft() if self._again else self._next_batch()
        self._running[key] = batch
        self.batches += 1
        self._on_started(batch.cells)
        return batch

    def finished(self, key: str, outcome: BatchOutcome) -> None:
        """Take the outcome of the batch known as `key`."""
        batch = self._running.pop(key)
        self._expected[batch.kind] += sum(self._seconds[cell.key] for cell in batch.cells)
        self._taken[batch.kind] += outcome.seconds
        self._on_finished(outcome.cells)

    def died(self, key: str, reason: str) -> None:
        """The worker of the batch known as `key` is gone: its cells are computed in smaller batches, or given up."""
        # Here, because workers import this module and do without what that one imports.
        from tune.engine.dispatch import ATTEMPTS, OUT_OF_MEMORY

        batch = self._running.pop(key, None)
        if batch is None:
            return
        if reason.startswith(OUT_OF_MEMORY):
            # Later batches begin with a size that may fit; otherwise each would fail first.
            self._most[batch.kind] = min(self._most[batch.kind], (len(batch.cells) + 1) // 2)
        if len(batch.cells) > 1 or batch.attempt + 1 < ATTEMPTS:
            logger.warning("%d cells (%s) are computed again: %s", len(batch.cells), batch.kind, reason)
            if self.stopped is None:
                self._again.extendleft(reversed(batch.halves()))
            return
        reason = f"its worker died {batch.attempt + 1} times: {reason}"
        self._on_finished([self._fail(cell, reason) for cell in batch.cells])

    def _next_batch(self) -> Batch:
        """Cells of the family with most work left, worth a batch's time."""
        left = {family: self._left(family) for family in self._waiting}
        # Batches that cannot be short first, so that no slot waits for one at the end.
        family = max(left, key=lambda each: (each[0] in SHARING, left[each]))
        kind = str(family[0])
        target = TARGET_SECONDS if kind in self._taken else FIRST_SECONDS
        target = max(LEAST_SECONDS, min(target, sum(left.values()) / (2 * self._slots)))
        waiting = self._waiting[family]
        least = self._share_of_slot[family] if kind in SHARING else 1
        cells: list[Cell] = []
        spent = 0.0
        while waiting and len(cells) < self._most[kind] and (spent < target or len(cells) < least):
            cells.append(waiting.popleft())
            spent += self._scale(kind) * self._seconds[cells[-1].key]
        if not waiting:
            del self._waiting[family]
        encoding = family[1]
        assert encoding is None or isinstance(encoding, Encoding)
        return Batch(tuple(cells), encoding)

    def _left(self, family: Family) -> float:
        """Seconds that a family's waiting cells should take."""
        return self._scale(str(family[0])) * sum(self._seconds[cell.key] for cell in self._waiting[family])

    def _scale(self, kind: str) -> float:
        """What cells of a kind really took, relative to what they were expected to take."""
        return self._taken[kind] / self._expected[kind] if self._expected[kind] else 1.0
