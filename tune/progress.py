"""One live line about a running sweep: how far, how good, how fast, how long still.

23/64 trials · 2 failed · best val_log_loss 0.5240 (trial 17: lsa d=64 α=0.08) · 3.1 trials/s · 0:12 left

With several objectives the size of the Pareto front so far stands before the best of the first.
"""

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from tune.config import OBJECTIVES
from tune.labels import config_label
from tune.live_line import LiveLine, clock_text, joined, rate_text
from tune.records import TrialRecord
from tune.results.pareto import pareto_front
from tune.search.objectives import Objective


class ProgressLine(LiveLine):
    """A `SweepListener` that keeps one line up to date; use it as a context manager around the sweep.

    Args:
        total: finished trials wanted. Failed ones do not count: they are replaced.
        objective: metric of which the best value is shown.
        console: as of :class:`LiveLine`.
        done: trials finished before this start, on a resumed sweep.
        best: best of those.
        objectives: of a sweep with several; the first is `objective`.
        earlier: trials finished before, of which the front so far is made.
        clock: as of :class:`LiveLine`.
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
        super().__init__(total, done, console=console, clock=clock)
        self.pruned = 0
        self.best = best
        self._baseline_trains = False
        self._baseline_finish = self._start
        self._objective = objective
        self._objectives = objectives
        self._front = pareto_front(earlier, objectives) if objectives else []
        self._sign = 1 if OBJECTIVES[objective] == "minimize" else -1

    def trial_started(self, record: TrialRecord) -> None:
        self._begin()
        if record.role == "baseline":
            self._baseline_trains = True

    def trial_finished(self, record: TrialRecord) -> None:
        if record.role == "baseline":
            self._baseline_trains = False
            self._baseline_finish = self._clock()
            self._changed = True
            return
        failed = record.state == "FAIL"
        if not failed:
            self.pruned += record.state == "PRUNED"
            if record.state == "COMPLETE" and self._is_best(record):
                self.best = record
            if self._objectives:  # what has been dominated once never comes back
                self._front = pareto_front([*self._front, record], self._objectives)
        self._advance(done=int(not failed), failed=int(failed))

    def line(self, width: int | None = None) -> Text:
        """The line as it stands now; where it is longer than `width`, the best trial's configuration gives way."""
        full = self._compose(with_configuration=True)
        return full if width is None or full.cell_len <= width else self._compose(with_configuration=False)

    def _compose(self, *, with_configuration: bool) -> Text:
        reached = self.done >= self.total
        elapsed = (self._last_finish if reached else self._clock()) - self._start
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
        rate = (self.done - self._done_before) / elapsed if elapsed > 0 else 0.0
        if rate:
            parts.append(Text(rate_text(rate, "trial")))
        if not reached:
            parts.append(Text(f"{clock_text((self.total - self.done) / rate)} left" if rate else self._elapsed()))
        elif self._baseline_trains and self._within:  # on a large pool long after the trials
            parts += [Text("the paper's recipe still trains"), Text(self._elapsed())]
        elif rate:
            parts.append(Text(f"took {clock_text(max(self._last_finish, self._baseline_finish) - self._start)}"))
        return joined(parts)

    def _elapsed(self) -> str:
        return f"{clock_text(self._clock() - self._start)} elapsed"

    def _is_best(self, record: TrialRecord) -> bool:
        value = record.metrics.get(self._objective)
        if value is None:
            return False
        return self.best is None or self._sign * value < self._sign * self.best.metrics[self._objective]
