"""One live line about running work: redrawn in place on a terminal, plain lines now and then elsewhere."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

REFRESHES_PER_SECOND = 4
PLAIN_SECONDS = 30.0
"""Without a terminal, a line at least this often…"""
PLAIN_SHARE = 0.1
"""…and whenever this share of the whole has been added, but never for every single piece of something fast."""
PLAIN_PAUSE = 1.0


class LiveLine(ABC):
    """Shows :meth:`line` while its context lasts; leaving the context prints the last state.

    Args:
        total: pieces of work wanted.
        done: of these, finished before this start, on a resumed run.
        console: where to write; default standard error, which leaves standard output to results.
        clock: seconds, increasing; a test puts its own.
    """

    def __init__(
        self,
        total: int,
        done: int = 0,
        *,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.done = done
        self.failed = 0
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._start = self._last_finish = self._printed_at = clock()
        self._started = False
        self._within = False
        self._changed = True
        self._done_before = self._printed_done = done
        self._spinner = Spinner("dots", style="cyan")
        self._live: Live | None = None

    @abstractmethod
    def line(self, width: int | None = None) -> Text:
        """The line as it stands now, within `width` characters if it can be."""

    def __enter__(self) -> Self:
        self._start = self._printed_at = self._clock()
        self._within = True
        if self._console.is_terminal:
            # Rich redraws from its own thread, so the clock goes on between results; none per result: no flicker.
            self._live = Live(
                console=self._console,
                get_renderable=self._row,
                refresh_per_second=REFRESHES_PER_SECOND,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._within = False
        if self._live is not None:
            self._live.stop()
        if self._changed:
            self._print()

    def _begin(self) -> None:
        """Work starts: speed and estimate leave out what came before, starting workers and loading libraries."""
        if not self._started:
            self._started = True
            self._start = self._clock()

    def _advance(self, *, done: int = 0, failed: int = 0) -> None:
        """So many more pieces are finished."""
        self._changed = True
        self._last_finish = self._clock()
        self.done += done
        self.failed += failed
        if not self._console.is_terminal and self._line_due():
            self._print()

    def _row(self) -> Table:
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_column(width=1)
        row.add_column(no_wrap=True, overflow="ellipsis")
        row.add_row(self._spinner, self.line(self._console.width - 2))
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


def joined(parts: list[Text]) -> Text:
    """The parts of a line, divided by dots."""
    return Text(" · ", style="dim").join(parts)


def rate_text(per_second: float, unit: str) -> str:
    """`3.1 trials/s`, or `24 s/trial` where a trial takes longer than a second."""
    if per_second >= 1:
        return f"{per_second:.1f} {unit}s/s"
    seconds = 1 / per_second
    return f"{seconds:.1f} s/{unit}" if seconds < 10 else f"{seconds:.0f} s/{unit}"


def clock_text(seconds: float) -> str:
    """`0:12`, `12:05`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
