"""The driver's side of a sweep, free of Ray: which pack to train next, what to do with its outcome, when to end."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from embedllm.config import FitConfig
from tune.config import SweepConfig
from tune.engine.packing import CPU_MEMBERS, ROUNDS, Pack, fusion_kinds, make_packs
from tune.records import SweepListener, TrialRecord
from tune.search.pruning import History
from tune.search.study import SweepStudy

logger = logging.getLogger(__name__)

GENERATION = 16
"""Trials asked for at once in deterministic mode: a constant, so that neither pack size nor parallelism matters."""

OUT_OF_MEMORY = "out of memory"
"""How the reason of an order begins that found too little memory."""

FAR_AHEAD = 256
"""Trials asked for at once of a sampler that does not learn: among many, packs of similar dimension are found."""

ATTEMPTS = 3
"""How often a worker may die on a single trial before the trial is failed."""


@dataclass(frozen=True)
class Order:
    """What a worker is sent: a pack, and the curves its pruner compares with."""

    pack: Pack
    history: History


@dataclass(frozen=True)
class Outcome:
    """What a worker sends back: the trials' records, or why there are none.

    Args:
        records: a record per trial of the pack; empty where the pack failed as a whole.
        failure: why it failed.
    """

    records: Sequence[TrialRecord] = ()
    failure: str | None = None


class Dispatcher:
    """Keeps every slot busy until the study holds `target` finished trials.

    Args:
        study: asked for trials and told their results.
        target: finished trials (complete or pruned) wanted in all, those of earlier runs included.
        pack_size: most trials of a pack.
        slots: packs trained at the same time.
        num_models: LLMs in the pool.
        listeners: told of every trial's start and end.
    """

    def __init__(
        self,
        study: SweepStudy,
        *,
        target: int,
        pack_size: int,
        slots: int,
        num_models: int,
        listeners: Sequence[SweepListener] = (),
    ) -> None:
        self._study = study
        self._config: SweepConfig = study.config
        self._target = target
        self._pack_size = pack_size
        self._slots = self._planned_slots = slots
        self._num_models = num_models
        self._listeners = list(listeners)
        self._queue: deque[Pack] = deque()
        self._running: dict[str, Pack] = {}
        self._exhausted = False
        self._deadline = None if self._config.time_budget is None else time.monotonic() + self._config.time_budget
        self.stopped: str | None = None
        """Why the sweep ends before its target, if it does."""
        self._finished = 0
        self._failed = 0
        for record in study.records():
            self._count(record)
        self._failed = 0  # what made trials of earlier runs fail may have been repaired
        baseline = study.ask_baseline()
        if baseline is not None:
            self._queue.append(Pack((baseline,), role="baseline"))

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing more will."""
        if self._running:
            return False
        self._refill()
        return not self._queue

    @property
    def keeps_idle_workers(self) -> bool:
        """Whether a worker without a pack will get one as soon as others have finished theirs."""
        if not self._config.deterministic or self.stopped is not None or self._exhausted:
            return False
        return 0 < self._in_flight() < self._target - self._finished

    def resize(self, slots: int) -> None:
        """The cluster has room for this many packs at the same time from now on."""
        self._slots = slots
        if slots > self._planned_slots and self._config.pack is None:
            # Packs chosen for fewer slots would train most of what is left at once: the sampler could not learn.
            rounds = ROUNDS if self._config.learns else 1
            self._pack_size = max(1, min(self._pack_size, (self._target - self._finished) // (rounds * slots)))
            self._planned_slots = slots

    def stop(self, reason: str) -> None:
        """Start nothing more; running packs may finish. Their queued trials are run first when the sweep is resumed."""
        if self.stopped is None:
            self.stopped = reason
        self._queue.clear()

    def next_order(self, key: str) -> Order | None:
        """The next pack to train, known as `key` from now on; None while all slots are busy or nothing is left."""
        if len(self._running) >= self._slots:
            return None
        self._refill()
        if not self._queue:
            return None
        pack = self._queue.popleft()
        if not self._queue:
            pack, *others = self._shared_at_the_end(pack)
            self._queue.extend(others)
        self._running[key] = pack
        for number, config in pack.trials:
            self._notify("trial_started", TrialRecord(number, "RUNNING", config, self._config.seeds, pack.role))
        return Order(pack, self._history(pack) if pack.role == "trial" else History())

    def finished(self, key: str, outcome: Outcome) -> None:
        """Take the outcome of the pack known as `key`."""
        pack = self._running.pop(key)
        records = outcome.records
        if outcome.failure is not None:
            records = [self._failure(pack, number, config, outcome.failure) for number, config in pack.trials]
        for record in records:
            self._finish(record)

    def died(self, key: str, reason: str) -> None:
        """The worker of the pack known as `key` is gone: its trials are run again in smaller packs, or given up."""
        pack = self._running.pop(key, None)
        if pack is None:
            return
        if len(pack.trials) > 1 or pack.attempt + 1 < ATTEMPTS:
            numbers = ", ".join(str(number) for number, _ in pack.trials)
            logger.warning("%s %s is run again: %s", pack.role, numbers, reason)
            if reason.startswith(OUT_OF_MEMORY):
                # Later packs begin with a size that may fit: each would fail first, else.
                self._pack_size = min(self._pack_size, (len(pack.trials) + 1) // 2)
            if self.stopped is None:
                self._queue.extendleft(reversed(pack.split()))
            return
        for number, config in pack.trials:
            record = self._failure(pack, number, config, f"its worker died {pack.attempt + 1} times: {reason}")
            self._finish(record)

    def _refill(self) -> None:
        """Ask the study for trials when no pack is queued; nothing follows the time budget, queued or not."""
        in_flight = self._in_flight()
        needed = self._target - self._finished - in_flight
        missing = bool(self._queue) or (needed > 0 and not self._exhausted)
        if self.stopped is None and missing and self._deadline is not None and time.monotonic() >= self._deadline:
            self.stop(f"the time budget of {self._config.time_budget:g} s is spent")
            if self._running:
                logger.warning("%s; the running packs are finished first (Ctrl-C twice aborts)", self.stopped)
        elif missing and self._failed >= max(self._target, GENERATION):
            self.stop(f"{self._failed} trials failed")
        if self._queue or not missing or self.stopped is not None:
            return
        if self._config.deterministic:
            if in_flight:  # the baseline may still run: the sampler never sees it
                return
            count = self._study.waiting() or GENERATION
        elif not self._config.learns:
            count = FAR_AHEAD
        else:
            free = self._slots - len(self._running)
            count = self._pack_size * max(free, fusion_kinds(self._config.space))
        asked = self._study.ask(min(count, needed))
        self._exhausted = not asked
        self._queue.extend(make_packs(asked, self._pack_size, self._num_models, self._study.num_train))

    def _shared_at_the_end(self, last: Pack) -> list[Pack]:
        """The sweep's last pack in parts, as many as still fuse well: else one slot would train while others idle."""
        missing = self._target - self._finished - self._in_flight() - len(last.trials)
        if last.role == "baseline" or (missing > 0 and not self._exhausted):
            return [last]  # more will be asked for
        return last.shared(max(1, min(self._slots, len(last.trials) * self._config.seeds // CPU_MEMBERS)))

    def _in_flight(self) -> int:
        """Trials being trained."""
        return sum(len(pack.trials) for pack in self._running.values() if pack.role == "trial")

    def _history(self, pack: Pack) -> History:
        """What the pack's pruner compares with; in deterministic mode earlier generations only: they have ended."""
        if self._config.pruner == "none":
            return History()
        trials = self._study.history()
        first, config = pack.trials[0]
        generation = trials[first].user_attrs.get("generation")
        curves: dict[str, dict[int, Sequence[float]]] = {"COMPLETE": {}, "PRUNED": {}}
        for trial in trials:
            if trial.state.name not in curves or trial.user_attrs["config"]["epochs"] != config.epochs:
                continue
            if generation is None or trial.user_attrs["generation"] < generation:
                curve = trial.user_attrs["result"]["curves"][self._config.objective]
                curves[trial.state.name][trial.number] = curve
        origins = {trial.number: trial.user_attrs["origin"] for trial in trials if "origin" in trial.user_attrs}
        return History(curves["COMPLETE"], curves["PRUNED"], origins)

    def _failure(self, pack: Pack, number: int, config: FitConfig, reason: str) -> TrialRecord:
        return TrialRecord(number, "FAIL", config, self._config.seeds, pack.role, reason=reason)

    def _finish(self, record: TrialRecord) -> None:
        self._study.tell(record)
        record = replace(record, scores={})
        self._count(record)
        self._notify("trial_finished", record)

    def _count(self, record: TrialRecord) -> None:
        if record.role == "trial" and not record.lost:
            self._finished += record.state in ("COMPLETE", "PRUNED")
            self._failed += record.state == "FAIL"

    def _notify(self, event: str, record: TrialRecord) -> None:
        for listener in list(self._listeners):
            try:
                getattr(listener, event)(record)
            except Exception:
                # A listener must not raise; one that does is left out rather than allowed to end the training.
                logger.warning("%s failed and is told nothing more", type(listener).__name__, exc_info=True)
                self._listeners.remove(listener)
