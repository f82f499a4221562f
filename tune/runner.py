"""Run a sweep: prepare the data, train packs under Ray Tune until enough trials are finished, judge the winner.

result = run_sweep(SweepConfig(data="helm", trials=64, out="first"))
result = resume_sweep("first", trials=128)
"""

import os
import shlex
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from embedllm.data.matrix import SPLIT_NAMES, CorrectnessMatrix
from embedllm.data.splits import Split
from embedllm.encoders.registry import needs_fitting
from embedllm.encoders.sources import settled_name
from embedllm.errors import ConfigError, EmbedLLMError
from tune.config import SweepConfig
from tune.data import SweepData, check_split_seed, encode, load_data
from tune.engine.cluster import ray_cluster
from tune.engine.dispatch import Dispatcher
from tune.engine.slots import Slots
from tune.folder import RAY_FOLDER, SweepFolder, sweep_path
from tune.imports import import_alone, import_aside
from tune.interrupt import INTERRUPTED, graceful_interrupt
from tune.planning.plan import plan_packs_here
from tune.planning.preflight import refuse
from tune.records import SweepListener, TrialRecord
from tune.search.ranking import best_record, count_finished, has_baseline
from tune.search.space import distributions
from tune.search.study import JOURNAL_FILE, SweepStudy, read_records

if TYPE_CHECKING:
    from embedllm.encoders import Encodings
    from tune.results.winner import Winner


class SweepFailed(EmbedLLMError):
    """No trial of the sweep succeeded."""


@dataclass(frozen=True)
class SweepResult:
    """Outcome of a sweep so far.

    Args:
        folder: the sweep's folder.
        config: its configuration.
        records: every trial, the baseline first, lost ones included.
        best: the complete trial with the best objective, on the validation questions; None if the sweep was stopped
            before one was complete.
        winner: the best configuration trained once more and judged on the test questions; None if the sweep was stopped
            before its target.
        stopped: why the sweep ended before its target, or None.
        seconds: wall time of this run, start-up included.
    """

    folder: Path
    config: SweepConfig
    records: Sequence[TrialRecord]
    best: TrialRecord | None
    winner: "Winner | None"
    stopped: str | None
    seconds: float

    def count(self, state: str) -> int:
        """Number of trials in a state; lost trials, which were run again, are not counted as failed."""
        return sum(r.role == "trial" and r.state == state and not r.lost for r in self.records)


@dataclass(frozen=True)
class Sweep:
    """A sweep whose data is loaded and encoded, ready to run.

    Args:
        folder: path, configuration and data digest.
        data: the correctness matrix.
        split: training, validation and test questions.
        encodings: encoder name -> encodings, for every encoder of the space.
    """

    folder: SweepFolder
    data: CorrectnessMatrix
    split: Split
    encodings: "dict[str, Encodings]"

    @classmethod
    def create(cls, config: SweepConfig, path: Path | None = None) -> "Sweep":
        """Prepare a new sweep; its folder is made when everything else has succeeded.

        Args:
            config: the sweep.
            path: its folder, as :func:`tune.folder.sweep_path` gave it; None asks for it.

        Raises:
            ConfigError: if the folder is taken, or space or split seed do not fit the data.
            EmbedLLMError: if data or an encoder is not available.
        """
        path = path or sweep_path(config)
        encoders = [name if needs_fitting(name) else settled_name(name) for name in config.space.encoder]
        config = config.replace(space=replace(config.space, encoder=encoders))
        data, split = load_data(config)
        check_split_seed(config, split)
        distributions(config.space, len(split.train))
        encodings = encode(config.space.encoder, data, split, config.address)
        sizes = {side: len(getattr(split, side)) for side in SPLIT_NAMES}
        revisions = {name: found.encoder.revision for name, found in encodings.items()}
        return cls(SweepFolder.create(config, data.digest, sizes, revisions, path=path), data, split, encodings)

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], encoders: Sequence[str] | None = None, *, here: bool = False
    ) -> "Sweep":
        """Prepare an existing sweep.

        Args:
            path: the sweep's folder.
            encoders: encoders wanted; None = all of the space.
            here: leave the cluster out of it, where the sweep names one; questions are encoded by this process.

        Raises:
            ConfigError: if `path` is no sweep, or its data or an encoder has changed.
        """
        folder = SweepFolder.open(path)
        data, split = load_data(folder.config)
        if data.digest != folder.digest:
            raise ConfigError(
                f"the data of {folder.path} has changed: its digest is {data.digest}, "
                f"the sweep began with {folder.digest}; trials on different data cannot be compared: start a new sweep"
            )
        address = None if here else folder.config.address
        encodings = encode(encoders or folder.config.space.encoder, data, split, address)
        for name, found in encodings.items():
            now = found.encoder.revision
            began = folder.encoders.get(name, now)
            if began != now:
                raise ConfigError(
                    f"the question encoder {name} has changed: its revision is {now}, {folder.path} began with "
                    f"{began}; trials on different encodings cannot be compared: bring that one back, or start anew"
                )
        return cls(folder, data, split, encodings)

    def run(
        self,
        listeners: Sequence[SweepListener] = (),
        *,
        trials: int | None = None,
        on_plan: Callable[[str], None] | None = None,
        on_searched: Callable[[Sequence[TrialRecord]], None] | None = None,
    ) -> SweepResult:
        """Train until `trials` are finished (None = as configured), those of earlier runs included.

        Args:
            listeners: told of every trial; of those that earlier runs finished first, once more: a killed driver may
                not have been able to.
            trials: a new target.
            on_plan: given one line about slots and packs before the first pack starts.
            on_searched: given all records when no trial will follow, if any was trained, before the winner is judged.

        Raises:
            SweepFailed: if trials failed and none succeeded.
            ConfigError: if the sweep is being run elsewhere, has more finished trials than `trials`, or does not fit
                the cluster.
            KeyboardInterrupt: on a second Ctrl-C; the sweep can be resumed.
        """
        began = time.monotonic()
        folder = retargeted(self.folder, trials)
        config = folder.config
        stopped = None
        # Ray takes more than a second to end, waiting: meanwhile the winner is judged.
        with ThreadPoolExecutor(1, "end-of-ray") as aside:
            with SweepStudy(folder.path, config, len(self.split.train)) as study, ExitStack() as running:
                if folder != self.folder:
                    folder.save()  # not before the study is ours: another process may be running it to its own target
                for record in study.records():
                    if record.state != "RUNNING" and not record.lost:
                        for listener in listeners:
                            listener.trial_finished(record)
                if not study.settled(config.trials):  # else there is nothing to start Ray for
                    resources = running.enter_context(ray_cluster(config.address))
                    dispatcher, slots = self._plan(study, config, resources, listeners, on_plan)
                    self._train(dispatcher, slots, folder)
                    stopped = dispatcher.stopped
                    if on_searched is not None:
                        on_searched(read_records(folder.path))
                    aside.submit(running.pop_all().close)
            records = read_records(folder.path)
            best = best_record(records, config)
            if best is None and stopped != INTERRUPTED:
                _refuse_failure(folder.path, records, stopped)
            winner = None
            if stopped is None:
                from tune.results.winner import crown

                winner = crown(self, records)
        return SweepResult(folder.path, config, records, best, winner, stopped, time.monotonic() - began)

    def _plan(
        self,
        study: SweepStudy,
        config: SweepConfig,
        resources: dict[str, float],
        listeners: Sequence[SweepListener],
        on_plan: Callable[[str], None] | None,
    ) -> tuple[Dispatcher, Slots]:
        """Divide the cluster into slots and the trials into packs."""
        records = study.records()
        to_go = config.replace(trials=max(1, config.trials - count_finished(records)))
        plan = plan_packs_here(to_go, self._source(), resources, baseline=not has_baseline(records))
        notes = [*refuse(plan.findings), plan.line(to_go)]
        if on_plan is not None:
            on_plan("\n".join(notes))
        dispatcher = Dispatcher(
            study,
            target=config.trials,
            pack_size=plan.packs.size,
            slots=plan.slots.count,
            num_models=self.data.num_models,
            listeners=listeners,
        )
        return dispatcher, plan.slots

    def _train(self, dispatcher: Dispatcher, slots: Slots, folder: SweepFolder) -> None:
        """Have Ray's workers train packs until the dispatcher is done."""
        import_alone("tune.engine.execution")
        from tune.engine.execution import run_orders
        from tune.engine.worker import PackWorker, SweepPayload

        import_aside("tune.engine.fitting")  # to judge the winner, PyTorch among it: while the workers train
        with graceful_interrupt(dispatcher.stop):
            payload = SweepPayload(folder.config, self._source())
            again = f"python -m tune resume {shlex.quote(str(folder.path))}"
            go_on = f"run `{again}` when it is, or `{again} --address local` on this machine alone"
            most = folder.config.slots or folder.config.trials
            run_orders(dispatcher, PackWorker, payload, slots, folder.path / RAY_FOLDER, most=most, go_on=go_on)

    def _source(self) -> SweepData:
        matrices = {name: encodings.matrix for name, encodings in self.encodings.items()}
        return SweepData(self.data, self.split, matrices)


def retargeted(folder: SweepFolder, trials: int | None) -> SweepFolder:
    """A sweep with a new target, not saved; None keeps the old one.

    Raises:
        ConfigError: if more trials are finished already.
    """
    if trials is None or trials == folder.config.trials:
        return folder
    known = read_records(folder.path) if (folder.path / JOURNAL_FILE).exists() else []
    if trials < (done := count_finished(known)):
        raise ConfigError(f"trials is {trials} but {done} trials of {folder.path} are finished; ask for {done} or more")
    return replace(folder, config=folder.config.replace(trials=trials))


def _refuse_failure(path: Path, records: Sequence[TrialRecord], stopped: str | None) -> None:
    """Raise SweepFailed where no trial succeeded, unless time ran out before one could fail."""
    failed = [record for record in records if record.role == "trial" and record.state == "FAIL" and not record.lost]
    if stopped is not None and not failed:
        return
    reasons = sorted({record.reason for record in failed if record.reason})
    raise SweepFailed(
        f"no trial of {path} succeeded ({stopped or 'all failed'}); "
        f"reasons: {'; '.join(reasons[:3]) or 'no trial finished'}"
    )


def run_sweep(config: SweepConfig, listeners: Sequence[SweepListener] = ()) -> SweepResult:
    """Run a new sweep; see :meth:`Sweep.create` and :meth:`Sweep.run`."""
    return Sweep.create(config).run(listeners)


def resume_sweep(
    path: str | os.PathLike[str], trials: int | None = None, listeners: Sequence[SweepListener] = ()
) -> SweepResult:
    """Complete a sweep to its target, or to `trials`, after whatever ended it; see :meth:`Sweep.run`."""
    return Sweep.open(path).run(listeners, trials=trials)
