"""One sweep in MLflow: a parent run, and below it one child run per trial, written with three calls each.

The only module that imports MLflow for writing; it is itself imported in the tracker's thread, because that import and
the creation of a database take seconds. Only `MlflowClient` is used, no global "active run".
"""

import contextlib
import dataclasses
import fcntl
import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from tune.labels import trial_label
from tune.records import TrialRecord
from tune.tracking.identity import SweepIdentity
from tune.tracking.outbox import Delivery
from tune.tracking.registry import register
from tune.tracking.serving import Candidate, Registered
from tune.tracking.uri import DATABASE, sqlite_file

for chatter, level in {
    "mlflow": logging.WARNING,  # a line per table created
    "alembic": logging.WARNING,  # a line per migration
    "urllib3.connectionpool": logging.ERROR,  # a line per attempt to reach a server; the tracker warns once
}.items():
    logging.getLogger(chatter).setLevel(level)

logger = logging.getLogger(__name__)

METRICS_PER_CALL = 1000
"""MLflow's limit for one `log_batch`."""

RUN_STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
"""Trial state -> MLflow run status: filtering on FINISHED leaves exactly the comparable trials."""

EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Makes the UI open the experiment as model training: runs, not traces of chats."""

NULL_PARAMS = {"training_questions": "all", "batch_questions": "2048 pairs", "patience": "never"}
"""What None means for a `FitConfig` field, as a parameter's text."""


class SweepRuns:
    """Connection to the parent run of a sweep, created if absent, and the trials already logged below it."""

    def __init__(self, tracking_uri: str, sweep: SweepIdentity) -> None:
        self._sweep = sweep
        with _prepared_database(tracking_uri):
            self._client = MlflowClient(tracking_uri)
            self._experiment_id = self._find_or_create_experiment(tracking_uri)
        self.run_id = self._find_or_create_parent()
        self.logged = self._logged_trials()
        self._closed_ms = 0

    @property
    def num_trials(self) -> int:
        """Number of trials logged, the baseline not counted."""
        return sum(role == "trial" for role, _ in self.logged)

    def log_trial(self, delivery: Delivery) -> bool:
        """Write one trial as a finished child run. False if it was there already: then it is left alone."""
        if delivery.key in self.logged:
            return False
        record = delivery.record
        run = self._client.create_run(
            self._experiment_id,
            start_time=delivery.started_ms,
            run_name=trial_label(record),
            tags={"mlflow.parentRunId": self.run_id, **self._sweep.trial_tags, **trial_tags(record)},
        )
        params = [Param(name, value) for name, value in trial_params(record).items()]
        self._log_batch(run.info.run_id, trial_metrics(delivery), params)
        # The end is when the trial ended, not when its record arrived here.
        self._client.set_terminated(run.info.run_id, RUN_STATUS[record.state], end_time=delivery.finished_ms)
        self.logged.add(delivery.key)
        return True

    def best(self, metric: str) -> float | None:
        """The best value drawn so far by :meth:`log_best`, on a sweep that is continued."""
        return self._client.get_run(self.run_id).data.metrics.get(f"best_{metric}")

    def log_best(self, history: Sequence[tuple[int, int, float]], metric: str) -> None:
        """Draw the best value so far over finished trials on the parent run: rows of (trials finished, ms, value)."""
        self._log_batch(self.run_id, [Metric(f"best_{metric}", value, ms, step) for step, ms, value in history], [])

    def close(
        self, status: str, metrics: Mapping[str, float], tags: Mapping[str, str], artifacts: Sequence[Path]
    ) -> None:
        """Write the sweep's summary on the parent run and end it with `status`."""
        self._closed_ms = now = _now_ms()
        self._client.log_batch(
            self.run_id,
            [Metric(name, float(value), now, 0) for name, value in metrics.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        for path in artifacts:
            if path.is_dir():
                self._client.log_artifacts(self.run_id, str(path), artifact_path=path.name)
            else:
                self._client.log_artifact(self.run_id, str(path))
        self._client.set_terminated(self.run_id, status)

    def register(self, candidate: Candidate) -> Registered:
        """Register the winner, after :meth:`close`; see :func:`tune.tracking.registry.register`."""
        return register(self._client, self._experiment_id, self.run_id, candidate, self._closed_ms)

    def _log_batch(self, run_id: str, metrics: list[Metric], params: list[Param]) -> None:
        self._client.log_batch(run_id, metrics[:METRICS_PER_CALL], params)
        for start in range(METRICS_PER_CALL, len(metrics), METRICS_PER_CALL):
            self._client.log_batch(run_id, metrics[start : start + METRICS_PER_CALL])

    def _find_or_create_experiment(self, tracking_uri: str) -> str:
        name = self._sweep.experiment
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None and experiment.lifecycle_stage == "active":
            return experiment.experiment_id
        if experiment is not None:  # deleted, in the UI for instance; its name cannot be given to another
            logger.warning("the MLflow experiment %s was deleted; it is restored", name)
            self._client.restore_experiment(experiment.experiment_id)
            return experiment.experiment_id
        # Without a location of its own a SQLite store would put artifacts below whatever the working directory is.
        database = sqlite_file(tracking_uri)
        location = (database.parent / "mlartifacts" / name).as_uri() if database else None
        try:
            return self._client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_TAGS)
        except MlflowException:  # another sweep was faster: the second call tells
            experiment = self._client.get_experiment_by_name(name)
            if experiment is None or experiment.lifecycle_stage != "active":
                raise
            return experiment.experiment_id

    def _find_or_create_parent(self) -> str:
        sweep = self._sweep
        found = self._client.search_runs(
            [self._experiment_id], f"tags.sweep_id = '{sweep.sweep_id}' and tags.role = 'sweep'"
        )
        if found:
            run_id = found[0].info.run_id
            self._client.update_run(run_id, status="RUNNING")
            self._client.log_batch(run_id, tags=[RunTag(name, value) for name, value in sweep.current.items()])
            return run_id
        tags = {"role": "sweep", "sweep_id": sweep.sweep_id, **sweep.trial_tags, **sweep.tags, **sweep.current}
        run_id = self._client.create_run(self._experiment_id, run_name=sweep.name, tags=tags).info.run_id
        self._client.log_batch(run_id, params=[Param(name, str(value)) for name, value in sweep.params.items()])
        if sweep.dataset is not None:
            name, digest = sweep.dataset
            source = json.dumps({"name": name})
            dataset = Dataset(name=name, digest=digest, source_type="local", source=source)
            self._client.log_inputs(run_id, datasets=[DatasetInput(dataset)])
        return run_id

    def _logged_trials(self) -> set[tuple[str, int]]:
        """Trials with a finished child run. A child left half-written by a crash is deleted, to be written again."""
        logged: set[tuple[str, int]] = set()
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                f"tags.`mlflow.parentRunId` = '{self.run_id}'",
                max_results=1000,
                page_token=token,
            )
            for run in page:
                if run.info.status == "RUNNING":
                    self._client.delete_run(run.info.run_id)
                else:
                    logged.add((run.data.tags["role"], int(run.data.tags["trial"])))
            token = page.token
            if not token:
                return logged


def trial_params(record: TrialRecord) -> dict[str, str]:
    """The configuration by its field names, or what the record has in its place, plus the number of seeds."""
    params = dict(record.params) or {
        name: NULL_PARAMS.get(name, "none") if value is None else str(value)
        for name, value in dataclasses.asdict(record.config).items()
    }
    return {**params, "seeds": str(record.seeds)}


def trial_tags(record: TrialRecord) -> dict[str, str]:
    """Role, number and state; the reason where there is one, also as the run's description."""
    tags = {"role": record.role, "trial": str(record.trial), "state": record.state}
    if record.worker:
        tags["worker"] = record.worker
    if record.reason:
        tags |= {"reason": record.reason, "mlflow.note.content": f"{record.state}: {record.reason}"}
    return tags


def trial_metrics(delivery: Delivery) -> list[Metric]:
    """Summary metrics under their own names, curves as `epoch/<name>`.

    The two must not share a name: MLflow's tables show the last point of a curve, while the summary is that of the
    epoch whose parameters were kept.
    """
    record, end = delivery.record, delivery.finished_ms
    summary = {**record.metrics, "budget": record.budget, "seconds": record.seconds}
    if record.best_epoch is not None:
        summary["best_epoch"] = record.best_epoch
    metrics = [Metric(name, float(value), end, 0) for name, value in summary.items()]
    for name, values in record.curves.items():
        per_epoch = (end - delivery.started_ms) / max(1, len(values))
        metrics += [
            Metric(f"epoch/{name}", float(value), delivery.started_ms + round(epoch * per_epoch), epoch)
            for epoch, value in enumerate(values, start=1)
        ]
    return metrics


@contextlib.contextmanager
def _prepared_database(tracking_uri: str) -> Iterator[None]:
    """Let one process at a time create a local database: six at once all die in the migrations.

    A database made here uses write-ahead logging: the UI reads while the sweep writes, and a commit costs a third.
    """
    path = sqlite_file(tracking_uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        _tune_sqlite(path)
        yield
    finally:
        os.close(folder)


def _tune_sqlite(path: Path) -> None:
    if not path.exists():
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")


@sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "connect")
def _relax_fsync(connection: Any, _: Any) -> None:
    """In WAL mode, leave flushing to checkpoints: nothing is lost when this process dies, only if the machine does."""
    if not isinstance(connection, sqlite3.Connection):
        return
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode == "wal" and Path(file).name == DATABASE:
        connection.execute("PRAGMA synchronous=NORMAL")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
