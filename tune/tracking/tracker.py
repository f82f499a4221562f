"""MLflow tracking of a sweep: one writer, in the driver, in a thread of its own, so that training never waits for it.

    tracker = MlflowTracker.start("first", sweep_dir=Path("first"), objective="val_log_loss", …)
    ...                                    # told of trials as a `SweepListener`
    tracker.finish("FINISHED", metrics={"test_accuracy": 0.71}, artifacts=[Path("first/leaderboard.csv")])

A trial goes to a file of the sweep folder first and to MLflow second. Where MLflow fails (server down, database
locked), training goes on with one warning; trials are delivered when it answers again, at the end, or by the next start
on the same sweep folder. Each trial is logged exactly once: what MLflow already holds is asked at every (re)connection.
"""

import logging
import shlex
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tune.config import OBJECTIVES
from tune.imports import import_alone
from tune.labels import counted, error_line
from tune.records import TrialRecord
from tune.tracking.identity import EXPERIMENT, SweepIdentity, claim, is_copy
from tune.tracking.outbox import Delivery, Outbox
from tune.tracking.provenance import Provenance
from tune.tracking.serving import Candidate, Registered
from tune.tracking.uri import set_mlflow_environment

if TYPE_CHECKING:
    from tune.tracking.runs import SweepRuns

logger = logging.getLogger(__name__)

OUTBOX_FILE = "mlflow-outbox.jsonl"
RETRY_SECONDS = 30.0
"""Pause after a failure before MLflow is tried again."""
SUMMARY_SECONDS = 10.0
"""The parent run's best-so-far curve is extended at most this often."""


@dataclass(frozen=True)
class _Closing:
    """What to write on the parent run once every trial has been delivered."""

    status: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    artifacts: Sequence[Path]
    candidate: Candidate | None


class MlflowTracker:
    """A `SweepListener` that writes one MLflow parent run per sweep and one child run per trial.

    Args:
        tracking_uri: resolved, see :func:`tune.tracking.uri.resolve_tracking_uri`.
        sweep: names and describes the sweep.
        sweep_dir: the outbox lives here.
        objective: metric whose best value so far is drawn on the parent run; None = nothing is optimised.
    """

    def __init__(self, tracking_uri: str, sweep: SweepIdentity, sweep_dir: Path, objective: str | None) -> None:
        self.tracking_uri = tracking_uri
        self.run_id: str | None = None
        self.registered: Registered | None = None
        """The winner's version in the model registry, after :meth:`finish`."""
        self._sweep = sweep
        self._objective = objective
        self._sign = -1 if objective is not None and OBJECTIVES[objective] == "maximize" else 1
        self._outbox = Outbox(sweep_dir / OUTBOX_FILE)
        self._pending: deque[Delivery] = deque(self._outbox.read())
        self._outbox.keep_only(self._pending)
        self._queued = {delivery.key for delivery in self._pending}
        self._started_ms: dict[tuple[str, int], int] = {}
        self._best_history: list[tuple[int, int, float]] = []
        self._best: float | None = None
        self._runs: SweepRuns | None = None
        self._warned = False
        self._retry_at = 0.0
        self._summary_at = 0.0
        self._closing: _Closing | None = None
        self._closed = False
        self._wake = threading.Event()
        self._tried = threading.Event()
        set_mlflow_environment()
        # A daemon: a driver that dies must not hang on MLflow, the outbox has what is missing.
        self._thread = threading.Thread(target=self._work, name="mlflow-writer", daemon=True)
        self._thread.start()

    @classmethod
    def start(
        cls,
        sweep_name: str,
        *,
        sweep_dir: Path,
        objective: str | None,
        provenance: Provenance,
        tracking_uri: str | None = None,
        experiment: str = EXPERIMENT,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        current: Mapping[str, str] | None = None,
        description: str | None = None,
        resume: str = "",
    ) -> "MlflowTracker":
        """Begin, or on a known `sweep_dir` continue, the sweep's parent run. Returns at once; see :meth:`ready`.

        Args:
            sweep_name: run name of the parent.
            sweep_dir: existing folder of the sweep; remembers here where the sweep is tracked.
            objective: what the sweep optimises; None for runs that only measure.
            provenance: logged as tags, parameters and dataset of the parent run; data digest and commit on every child.
            tracking_uri: as in :func:`tune.tracking.uri.resolve_tracking_uri`; None on a known `sweep_dir`: as before.
            experiment: MLflow experiment; sweeps of one experiment stand in one table.
            params: parameters of the parent run: the sweep's settings, which MLflow lets nobody change.
            tags: further tags of the parent and of every child.
            current: as in :class:`SweepIdentity`.
            description: Markdown that MLflow shows on top of the parent run.
            resume: as in :class:`SweepIdentity`.

        Raises:
            ConfigError: for a tracking URI MLflow cannot write to.
        """
        # Claimed before MLflow is asked for anything: a crash in between must not leave a parent run nobody knows.
        copied = is_copy(sweep_dir)
        uri, sweep_id = claim(sweep_dir, tracking_uri, experiment)
        if copied:
            Outbox(sweep_dir / OUTBOX_FILE).keep_only([])  # the original delivers it; trials are told once more to us
        sweep = SweepIdentity.of(
            sweep_id,
            sweep_name,
            provenance,
            experiment=experiment,
            params=({} if objective is None else {"objective": objective}) | dict(params or {}),
            tags=tags or {},
            current=current or {},
            description=description,
            resume=resume,
        )
        return cls(uri, sweep, sweep_dir, objective)

    def ready(self, timeout: float = 60.0) -> bool:
        """Wait until database, experiment and parent run exist. False if MLflow failed, or has not answered in time."""
        self._tried.wait(timeout)
        return self.run_id is not None

    def trial_started(self, record: TrialRecord) -> None:
        self._started_ms[record.role, record.trial] = _now_ms()

    def trial_finished(self, record: TrialRecord) -> None:
        """Queue one trial. One already logged (a resumed sweep may tell all of them again) is skipped by the writer."""
        key = record.role, record.trial
        if key in self._queued:
            return
        self._queued.add(key)
        now = _now_ms()
        started = self._started_ms.pop(key, now - round(1000 * record.seconds))
        delivery = Delivery(record, started, now)
        try:
            self._outbox.append(delivery)
        except OSError as error:
            logger.warning(
                "cannot write %s (%s); trials not yet in MLflow are held in memory", self._outbox.path, error
            )
        self._pending.append(delivery)
        self._wake.set()

    def finish(
        self,
        status: Literal["FINISHED", "FAILED", "KILLED"] = "FINISHED",
        *,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        artifacts: Sequence[Path] = (),
        candidate: Candidate | None = None,
        timeout: float = 60.0,
    ) -> bool:
        """Deliver what is pending, write the sweep's summary, end the parent run. Call once, last.

        Args:
            status: of the parent run; KILLED for an interrupted sweep.
            metrics: of the winner, under their own names.
            tags: of the parent run; `mlflow.note.content` is its description (Markdown).
            artifacts: files and folders to store with the parent run.
            candidate: the winner, to be registered; what came of it is then in `registered`.
            timeout: seconds to wait while nothing arrives; what is not delivered then stays in the outbox.

        Returns:
            Whether everything has arrived.
        """
        self._closing = _Closing(status, metrics or {}, tags or {}, artifacts, candidate)
        self._wake.set()
        waiting: tuple[int, bool] | None = None
        while self._thread.is_alive() and waiting != (len(self._pending), self._closed):  # a slow server may take time
            waiting = len(self._pending), self._closed
            self._thread.join(timeout)
        if not self._closed:
            logger.warning(
                "MLflow at %s has not taken everything: %s in %s; "
                "run `%s` to deliver what is missing and the sweep's summary",
                self.tracking_uri,
                counted(len(self._pending), "undelivered trial"),
                self._outbox.path,
                self._sweep.resume or f"python -m tune resume {shlex.quote(str(self._outbox.path.parent))}",
            )
        return self._closed

    def _work(self) -> None:
        """The writer's life: deliver whenever woken, try again after a pause when MLflow failed, end when closing."""
        while True:
            closing = self._closing  # read before delivering: what was told before `finish` goes out before the summary
            if closing is not None or time.monotonic() >= self._retry_at:
                self._deliver(closing)
            if closing is not None:
                return
            self._wake.wait(None if self._runs is not None else RETRY_SECONDS)
            self._wake.clear()

    def _deliver(self, closing: _Closing | None) -> None:
        try:
            runs = self._connect()
            while self._pending:
                delivery = self._pending[0]
                if runs.log_trial(delivery):
                    self._note_best(delivery, runs.num_trials)
                self._pending.popleft()
            if closing is not None or time.monotonic() >= self._summary_at:
                self._write_best(runs)
            if closing is not None:
                runs.close(closing.status, closing.metrics, closing.tags, closing.artifacts)
                self._outbox.keep_only([])
                self._closed = True
                if closing.candidate is not None:
                    self._register(runs, closing.candidate)
        except Exception as error:  # whatever a database, a server or the network may raise: training goes on
            self._fail(error)

    def _register(self, runs: "SweepRuns", candidate: Candidate) -> None:
        """A registry that refuses, where a server has none or asks for more rights, costs a warning and no run."""
        try:
            self.registered = runs.register(candidate)
        except Exception as error:
            logger.warning(
                "the winner is not registered in MLflow as %s (%s); run `python -m tune resume %s` to try again",
                candidate.name,
                error_line(error)[:300],
                shlex.quote(str(self._outbox.path.parent)),
            )

    def _connect(self) -> "SweepRuns":
        if self._runs is None:
            import_alone("tune.tracking.runs")
            from tune.tracking.runs import SweepRuns

            self._runs = SweepRuns(self.tracking_uri, self._sweep)
            self.run_id = self._runs.run_id
            if self._best is None and self._objective is not None:
                self._best = self._runs.best(self._objective)
            self._tried.set()
        return self._runs

    def _fail(self, error: Exception) -> None:
        # The connection is given up: after a lost answer only MLflow knows what it has stored.
        self._runs = None
        self._retry_at = time.monotonic() + RETRY_SECONDS
        self._tried.set()
        if not self._warned:
            self._warned = True
            logger.warning(
                "MLflow at %s cannot be written to (%s). The sweep continues; "
                "its trials are kept in %s and delivered later.",
                self.tracking_uri,
                error_line(error)[:300],
                self._outbox.path,
            )

    def _note_best(self, delivery: Delivery, num_trials: int) -> None:
        record = delivery.record
        value = None if self._objective is None else record.metrics.get(self._objective)
        if record.role != "trial" or record.state != "COMPLETE" or value is None:
            return
        if self._best is None or self._sign * value < self._sign * self._best:
            self._best = value
            self._best_history.append((num_trials, delivery.finished_ms, value))

    def _write_best(self, runs: "SweepRuns") -> None:
        if self._best_history and self._objective is not None:
            runs.log_best(self._best_history, self._objective)
            self._best_history.clear()
        self._summary_at = time.monotonic() + SUMMARY_SECONDS


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
