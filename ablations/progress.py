"""One live line about a running design: how far, how fast, how long still.

86/140 cells · 2 failed · running embedllm · 4.1 cells/s · 0:13 left
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ablations.cell import Cell
from ablations.outcome import CellOutcome
from tune.progress import PLAIN_PAUSE, PLAIN_SECONDS, PLAIN_SHARE, REFRESHES_PER_SECOND, clock_text, rate_text


class CellProgress:
    """A `CellListener` that keeps one line up to date; use it as a context manager around the run.

    On a terminal the line redraws itself; elsewhere (a log file, CI) plain lines appear now and then. Leaving the
    context prints the last state.

    Args:
        total: cells of the plan.
        seconds: key -> what each waiting cell is expected to take, in any unit; the share of it that is done tells how
            long the rest takes, since cells differ a hundredfold.
        console: where to write; default standard error, which leaves standard output to results.
        clock: seconds, increasing; a test puts its own.
    """

    def __init__(
        self,
        total: int,
        seconds: Mapping[str, float],
        *,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.done = total - len(seconds)
        self.failed = 0
        self._left = dict(seconds)
        self._work = max(sum(seconds.values()), 1e-9)
        self._running: Counter[str] = Counter()
        self._methods: dict[str, str] = {}
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._start = self._last_finish = self._printed_at = clock()
        self._started = False
        self._before = self._printed_done = self.done
        self._changed = True
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            console=self._console,
            get_renderable=self._row,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> "CellProgress":
        self._start = self._printed_at = self._clock()
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()
        if self._changed:
            self._print()

    def cells_started(self, cells: Sequence[Cell]) -> None:
        if not self._started:  # speed and estimate leave out what comes before: starting workers, loading libraries
            self._started = True
            self._start = self._clock()
        for cell in cells:
            self._methods[cell.key] = cell.method
            self._running[cell.method] += 1

    def cells_finished(self, outcomes: Sequence[CellOutcome]) -> None:
        self._changed = True
        self._last_finish = self._clock()
        for outcome in outcomes:
            self._running[self._methods[outcome.key]] -= 1
            self._left.pop(outcome.key, None)
            self.failed += outcome.failure is not None
            self.done += outcome.failure is None
        if not self._console.is_terminal and self._line_due():
            self._print()

    def line(self) -> Text:
        """The line as it stands now."""
        over = not self._left
        elapsed = (self._last_finish if over else self._clock()) - self._start
        parts = [Text(f"{self.done}/{self.total} cells", style="bold")]
        if self.failed:
            parts.append(Text(f"{self.failed} failed", style="red"))
        running = [method for method, count in self._running.items() if count > 0]
        if running:
            parts.append(Text(f"running {', '.join(sorted(running))}"))
        finished = self.done + self.failed - self._before
        if finished and elapsed > 0:
            parts.append(Text(rate_text(finished / elapsed, "cell")))
            if over:
                parts.append(Text(f"took {clock_text(elapsed)}"))
            else:
                left = sum(self._left.values())
                parts.append(Text(f"{clock_text(elapsed * left / max(self._work - left, 1e-9))} left"))
        elif not over:
            parts.append(Text(f"{clock_text(elapsed)} elapsed"))
        return Text(" · ", style="dim").join(parts)

    def _row(self) -> Table:
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_column(width=1)
        row.add_column(no_wrap=True, overflow="ellipsis")
        row.add_row(self._spinner, self.line())
        return row

    def _line_due(self) -> bool:
        waited = self._clock() - self._printed_at
        enough = self.done - self._printed_done >= PLAIN_SHARE * self.total
        return waited >= PLAIN_SECONDS or (enough and waited >= PLAIN_PAUSE)

    def _print(self) -> None:
        # Soft wrapping: a log file has no width, and a cut line would lose the estimate at its end.
        self._console.print(self.line(), soft_wrap=not self._console.is_terminal)
        self._printed_at = self._clock()
        self._printed_done = self.done
        self._changed = False
