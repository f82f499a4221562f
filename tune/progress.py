"""One live line about a running sweep: how far, how good, how fast, how long still.

23/64 trials · 2 failed · best val_log_loss 0.5240 (trial 17: lsa d=64 α=0.08) · 3.1 trials/s · 0:12 left

With several objectives the size of the Pareto front so far stands before the best of the first.
"""

import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tune.config import OBJECTIVES
from tune.labels import config_label
from tune.records import TrialRecord
from tune.results.pareto import pareto_front
from tune.search.objectives import Objective

REFRESHES_PER_SECOND = 4
PLAIN_SECONDS = 30.0
"""Without a terminal, a line at least this often…"""
PLAIN_SHARE = 0.1
"""…and whenever this share of the sweep has been added, but never for every single trial of a fast sweep."""
PLAIN_PAUSE = 1.0


class ProgressLine:
    """A `SweepListener` that keeps one line up to date; use it as a context manager around the sweep.

    On a terminal the line redraws itself below whatever else is printed; elsewhere (a log file, CI) plain lines appear
    now and then. Leaving the context prints the last state.

    Args:
        total: finished trials wanted. Failed ones do not count: they are replaced.
        objective: metric of which the best value is shown.
        console: where to write; default standard error, which leaves standard output to results.
        done: trials finished before this start, on a resumed sweep.
        best: best of those.
        objectives: of a sweep with several; the first is `objective`.
        earlier: trials finished before, of which the front so far is made.
        clock: seconds, increasing; a test puts its own.
    """

    def __init__(
        self,
        total: int,
        objective: str,
        *,
        console: Console | None = None,
        done: int = 0,
        best: TrialRecord | None = None,
        objectives: Sequence[Objective] = (),
        earlier: Sequence[TrialRecord] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.done = done
        self.failed = 0
        self.pruned = 0
        self.best = best
        self._objective = objective
        self._objectives = objectives
        self._front = pareto_front(earlier, objectives) if objectives else []
        self._sign = 1 if OBJECTIVES[objective] == "minimize" else -1
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._start = self._last_finish = clock()
        self._started = False
        self._changed = True
        self._done_before = done
        self._printed_at = self._start
        self._printed_done = done
        self._spinner = Spinner("dots", style="cyan")
        # Rich redraws from its own thread, so the clock goes on between trials; no redraw per trial, hence no flicker.
        self._live = Live(
            console=self._console,
            get_renderable=self._row,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> "ProgressLine":
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

    def trial_started(self, record: TrialRecord) -> None:
        if not self._started:  # speed and estimate leave out what comes before: starting workers, loading libraries
            self._started = True
            self._start = self._clock()

    def trial_finished(self, record: TrialRecord) -> None:
        if record.role == "baseline":
            return
        self._changed = True
        self._last_finish = self._clock()
        if record.state == "FAIL":
            self.failed += 1
        else:
            self.done += 1
            self.pruned += record.state == "PRUNED"
            if record.state == "COMPLETE" and self._is_best(record):
                self.best = record
            if self._objectives:  # what has been dominated once never comes back
                self._front = pareto_front([*self._front, record], self._objectives)
        if not self._console.is_terminal and self._line_due():
            self._print()

    def line(self, width: int | None = None) -> Text:
        """The line as it stands now; where it is longer than `width`, the best trial's configuration gives way."""
        full = self._compose(with_configuration=True)
        return full if width is None or full.cell_len <= width else self._compose(with_configuration=False)

    def _compose(self, *, with_configuration: bool) -> Text:
        now = self._last_finish if self.done >= self.total else self._clock()
        elapsed = now - self._start
        parts = [Text(f"{self.done}/{self.total} trials", style="bold")]
        if self.pruned:
            parts.append(Text(f"{self.pruned} pruned", style="yellow"))
        if self.failed:
            parts.append(Text(f"{self.failed} failed", style="red"))
        if self._front:
            parts.append(Text(f"{len(self._front)} on the front"))
        if self.best is not None:
            value = self.best.metrics[self._objective]
            label = f": {config_label(self.best.config)}" if with_configuration else ""
            best = Text.assemble(f"best {self._objective} ", (f"{value:.4f}", "bold green"))
            parts.append(best.append(f" (trial {self.best.trial}{label})"))
        finished = self.done - self._done_before
        if finished and elapsed > 0:
            rate = finished / elapsed
            parts.append(Text(rate_text(rate, "trial")))
            if self.done < self.total:
                parts.append(Text(f"{clock_text((self.total - self.done) / rate)} left"))
            else:
                parts.append(Text(f"took {clock_text(elapsed)}"))
        elif self.done < self.total:
            parts.append(Text(f"{clock_text(elapsed)} elapsed"))
        return Text(" · ", style="dim").join(parts)

    def _is_best(self, record: TrialRecord) -> bool:
        value = record.metrics.get(self._objective)
        if value is None:
            return False
        return self.best is None or self._sign * value < self._sign * self.best.metrics[self._objective]

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
