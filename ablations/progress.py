"""One live line about a running design: how far, how fast, how much longer.

86/140 cells · 2 failed · running embedllm · 4.1 cells/s · 0:13 left
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from ablations.cell import Cell
from ablations.outcome import CellOutcome
from tune.live_line import LiveLine, clock_text, joined, rate_text

ESTIMATED_FROM = 0.1
"""Share of the expected work before which no time left is shown: the first cells to finish are often cheap baselines,
and hours extrapolated from next to nothing are nonsense."""


class CellProgress(LiveLine):
    """A `CellListener` that keeps one line up to date; use it as a context manager around the run.

    Args:
        total: cells of the plan.
        seconds: key -> what each waiting cell is expected to take, in any unit; the share of it that is done shows how
            long the rest takes, since cells differ a hundredfold.
        console: as of :class:`LiveLine`.
        clock: as of :class:`LiveLine`.
    """

    def __init__(
        self,
        total: int,
        seconds: Mapping[str, float],
        *,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(total, total - len(seconds), console=console, clock=clock)
        self._left = dict(seconds)
        self._work = max(sum(seconds.values()), 1e-9)
        self._running: Counter[str] = Counter()
        self._methods: dict[str, str] = {}

    def cells_started(self, cells: Sequence[Cell]) -> None:
        self._begin()
        for cell in cells:
            self._methods[cell.key] = cell.method
            self._running[cell.method] += 1

    def cells_finished(self, outcomes: Sequence[CellOutcome]) -> None:
        for outcome in outcomes:
            self._running[self._methods[outcome.key]] -= 1
            self._left.pop(outcome.key, None)
        failed = sum(outcome.failure is not None for outcome in outcomes)
        self._advance(done=len(outcomes) - failed, failed=failed)

    def line(self, width: int | None = None) -> Text:
        over = not self._left
        elapsed = (self._last_finish if over else self._clock()) - self._start
        parts = [Text(f"{self.done}/{self.total} cells", style="bold")]
        if self.failed:
            parts.append(Text(f"{self.failed} failed", style="red"))
        running = [method for method, count in self._running.items() if count > 0]
        if running:
            parts.append(Text(f"running {', '.join(sorted(running))}"))
        finished = self.done + self.failed - self._done_before
        if finished and elapsed > 0:
            parts.append(Text(rate_text(finished / elapsed, "cell")))
            if over:
                parts.append(Text(f"took {clock_text(elapsed)}"))
                if self._within:  # statistics of many benchmarks and models take minutes
                    parts.append(Text("making tables and figures"))
            else:
                left = sum(self._left.values())
                finished_work = self._work - left
                if finished_work >= ESTIMATED_FROM * self._work:
                    parts.append(Text(f"{clock_text(elapsed * left / finished_work)} left"))
        elif not over:
            parts.append(Text(f"{clock_text(elapsed)} elapsed"))
        return joined(parts)

    def _line_due(self) -> bool:
        return not self._left or super()._line_due()
