"""The Optuna study of a sweep: the only source of truth about its trials."""

import dataclasses
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from embedllm.config import FitConfig
from embedllm.errors import ConfigError, EmbedLLMError
from embedllm.visible import shell_word
from tune.config import SweepConfig
from tune.records import TrialRecord
from tune.results.scores import write_scores
from tune.search.journal import BatchedJournal, repair_journal
from tune.search.lock import take_lock
from tune.search.objectives import Objective, objective_value
from tune.search.samplers import make_sampler, unused_configurations, unused_starts
from tune.search.space import baseline_config, distributions, suggest

JOURNAL_FILE = "journal.log"
Role = Literal["trial", "baseline"]
STUDY_NAMES: dict[Role, str] = {"trial": "sweep", "baseline": "baseline"}
"""The baseline lives in a study of its own, so that the sampler never learns from it."""

STATES = {"COMPLETE": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED, "FAIL": TrialState.FAIL}
RESULT_FIELDS = ("seeds", "metrics", "curves", "best_epoch", "budget", "seconds", "parameters", "reason", "worker")

optuna.logging.set_verbosity(logging.WARNING)


class SweepStudy:
    """Asks for configurations, keeps results, and reads them back. One process at a time.

    Use as a context manager: whatever way it is left, no trial stays RUNNING.
    """

    def __init__(self, folder: Path, config: SweepConfig, num_train: int) -> None:
        """Create the study of `folder`, or open it: trials a killed driver left RUNNING are failed and queued again.

        Args:
            folder: the sweep's folder; exists.
            config: the sweep's configuration.
            num_train: number of training questions, the unit of fractional training sizes.

        Raises:
            ConfigError: if another process is running this sweep, or the space does not fit the data.
        """
        self.config = config
        self.num_train = num_train
        self.distributions = distributions(config.space, num_train)
        self._folder = folder
        self._lock = take_lock(folder)
        path = folder / JOURNAL_FILE
        repair_journal(path)
        with _damage_told(path):
            self._journal = BatchedJournal(path)
            self._storage = JournalStorage(self._journal)
            self._studies = {role: self._opened(role) for role in STUDY_NAMES}
            self.records()
        self.fail_running("the driver ended before this trial did")

    def __enter__(self) -> "SweepStudy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Fail what is still RUNNING as lost, and let other processes open the study."""
        try:
            self.fail_running("the sweep ended before this trial did")
        finally:
            self._lock.close()

    def ask(self, count: int) -> list[tuple[int, FitConfig]]:
        """The next trials, now RUNNING: numbers and configurations. Fewer than `count` where a finite space is used up.

        Configurations of lost trials come first; TPE's first are the preset on each encoder.
        """
        study = self._studies["trial"]
        trials = study.get_trials(deepcopy=False)
        waiting = sum(trial.state == TrialState.WAITING for trial in trials)
        left = unused_configurations(study, self.config)
        if left is not None:
            count = min(count, left + waiting)
        ordinal = sum(trial.state != TrialState.WAITING and "lost" not in trial.user_attrs for trial in trials)
        starts = unused_starts(study, self.config, self.num_train, ordinal)
        asked = []
        with self._batch():
            study.sampler = make_sampler(self.config, self.distributions, ordinal, starts)
            for _ in range(count):
                trial = study.ask()
                config = suggest(trial, self.config, self.num_train)
                trial.set_user_attr("config", dataclasses.asdict(config))
                if self.config.deterministic and "generation" not in trial.user_attrs:
                    trial.set_user_attr("generation", ordinal)
                asked.append((trial.number, config))
        return asked

    def waiting(self) -> int:
        """Number of configurations queued to be run again."""
        trials = self._studies["trial"].get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return len(trials)

    def settled(self, target: int) -> bool:
        """Whether nothing is left to run: the baseline and `target` trials are done, or all of a finite space."""
        baseline, trial = self._studies["baseline"], self._studies["trial"]
        if not baseline.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            return False
        finished = trial.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return len(finished) >= target or (self.waiting() == 0 and unused_configurations(trial, self.config) == 0)

    def ask_baseline(self) -> tuple[int, FitConfig] | None:
        """The baseline's trial, now RUNNING, or None if it is finished."""
        study = self._studies["baseline"]
        if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            return None
        config = baseline_config(self.config)
        with self._batch():
            trial = study.ask()
            trial.set_user_attr("config", dataclasses.asdict(config))
        return trial.number, config

    def tell(self, record: TrialRecord) -> None:
        """Keep a finished trial, in one write; its scores per question first, in a file of their own."""
        with self._told():
            write_scores(self._folder, record)
        study = self._studies[record.role]
        frozen = self._frozen(record)
        known = [objective_value(record, goal.name) for goal in self._goals(record.role)]
        values = [value for value in known if value is not None] if record.state == "COMPLETE" else None
        with self._batch():
            result = {name: getattr(record, name) for name in RESULT_FIELDS}
            self._storage.set_trial_user_attr(frozen._trial_id, "result", result)
            if self.config.pruner != "none":
                for epoch, loss in enumerate(record.curves.get(self.config.objective, ()), start=1):
                    self._storage.set_trial_intermediate_value(frozen._trial_id, epoch, loss)
            study.tell(record.trial, values, state=STATES[record.state])

    def records(self) -> list[TrialRecord]:
        """Every trial, the baseline first; see :func:`read_records`."""
        return _records(self._studies)

    def history(self) -> list[FrozenTrial]:
        """The search's trials as Optuna keeps them, for pruners. Not to be changed."""
        return self._studies["trial"].get_trials(deepcopy=False)

    def fail_running(self, reason: str) -> None:
        """Fail every RUNNING trial as lost and queue its configuration to be run again."""
        for role, study in self._studies.items():
            running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            if not running:
                continue
            with self._batch():
                for trial in running:
                    self._storage.set_trial_user_attr(trial._trial_id, "lost", True)
                    self._storage.set_trial_user_attr(trial._trial_id, "result", {"reason": reason})
                    study.tell(trial.number, state=TrialState.FAIL)
                    if role == "trial" and "config" in trial.user_attrs:
                        study.enqueue_trial(trial.params, user_attrs=_inherited(trial))

    def _goals(self, role: Role) -> list[Objective]:
        """The baseline has one: what it costs is fixed, it has no choice between objectives."""
        return self.config.goals if role == "trial" else self.config.goals[:1]

    def _opened(self, role: Role) -> optuna.Study:
        """A study, new or known, whose objectives have their names in `optuna-dashboard`, which else numbers them."""
        goals = self._goals(role)
        study = optuna.create_study(
            storage=self._storage,
            study_name=STUDY_NAMES[role],
            directions=[goal.direction for goal in goals],
            load_if_exists=True,
        )
        if study.metric_names is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([goal.name for goal in goals])
        return study

    def _frozen(self, record: TrialRecord) -> FrozenTrial:
        return self._studies[record.role].get_trials(deepcopy=False)[record.trial]

    @contextmanager
    def _batch(self) -> Iterator[None]:
        self._storage.get_all_studies()  # reads the whole file, as a batch requires
        with self._told(), self._journal.batch():
            yield

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what a disk raises into an error that says what to do."""
        try:
            yield
        except OSError as error:
            raise EmbedLLMError(
                f"the sweep's folder {self._folder} cannot be written to ({error}); free space or make it writable, "
                f"then run `python -m tune resume {shell_word(str(self._folder))}` to continue: "
                "finished trials are kept"
            ) from error


def _inherited(lost: FrozenTrial) -> dict[str, int]:
    """What a lost trial's next attempt needs so that pruning treats it alike: its generation and its first number."""
    kept = {name: lost.user_attrs[name] for name in ("generation",) if name in lost.user_attrs}
    return kept | {"origin": lost.user_attrs.get("origin", lost.number)}


def read_records(folder: Path) -> list[TrialRecord]:
    """Every trial of a sweep, running or not, without touching it: the baseline first, then by number.

    Raises:
        ConfigError: if `folder` is not a sweep's, or its journal is damaged.
    """
    path = folder / JOURNAL_FILE
    if not path.is_file():
        raise ConfigError(
            f"{folder} is not a sweep: {JOURNAL_FILE} is missing; `python -m tune run --out "
            f"{shell_word(str(folder))}` makes one"
        )
    with _damage_told(path):
        storage = JournalStorage(BatchedJournal(path))
        known = {study.study_name for study in storage.get_all_studies()}
        return _records(
            {
                role: optuna.load_study(study_name=name, storage=storage)
                for role, name in STUDY_NAMES.items()
                if name in known
            }
        )


@contextmanager
def _damage_told(journal: Path) -> Iterator[None]:
    """Turn whatever operations and attributes that are not ours make Optuna and us raise into a ConfigError."""
    try:
        yield
    except (EmbedLLMError, OSError):
        raise
    except Exception as error:
        raise ConfigError(f"{journal} is damaged ({type(error).__name__}: {error}); restore it from a copy") from error


def _records(studies: dict[Role, optuna.Study]) -> list[TrialRecord]:
    return [
        _record(trial, role)
        for role in ("baseline", "trial")
        if role in studies
        for trial in studies[role].get_trials(deepcopy=False)
        if "config" in trial.user_attrs
    ]


def _record(trial: FrozenTrial, role: Role) -> TrialRecord:
    result: dict[str, Any] = trial.user_attrs.get("result", {})
    config = FitConfig(**trial.user_attrs["config"])
    lost = "lost" in trial.user_attrs
    return TrialRecord(trial.number, trial.state.name, config, role=role, lost=lost, **result)  # type: ignore[arg-type]
