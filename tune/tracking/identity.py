"""What names a sweep in MLflow, what is known of it there, and what its folder remembers."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedllm.errors import ConfigError
from tune.json_file import read_json, write_json
from tune.tracking.provenance import Provenance
from tune.tracking.uri import resolve_tracking_uri

EXPERIMENT = "embedllm-tune"
IDENTITY_FILE = "mlflow.json"


@dataclass(frozen=True)
class SweepIdentity:
    """What names one sweep in MLflow and describes it on its parent run.

    Args:
        sweep_id: random, made once per sweep folder; finds the parent run again.
        name: run name of the parent.
        experiment: MLflow experiment holding every sweep.
        params: parameters of the parent run, values of any printable type.
        tags: tags of the parent run.
        current: further tags of the parent run, of settings that each start may change: the last one's are shown.
        trial_tags: tags of the parent and of every child run.
        dataset: name and digest of the data; None = none is logged.
        resume: command that delivers what MLflow did not take; empty: `python -m tune resume` of the sweep.
    """

    sweep_id: str
    name: str
    experiment: str
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    current: Mapping[str, str] = field(default_factory=dict)
    trial_tags: Mapping[str, str] = field(default_factory=dict)
    dataset: tuple[str, str] | None = None
    resume: str = ""

    @classmethod
    def of(
        cls,
        sweep_id: str,
        name: str,
        provenance: Provenance,
        *,
        experiment: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        current: Mapping[str, str],
        description: str | None,
        resume: str,
    ) -> "SweepIdentity":
        """Describe a sweep by where it comes from: as tags, parameters and dataset of its parent run.

        Data digest and commit stand on every child, too. Arguments as of :meth:`MlflowTracker.start`.
        """
        commit = {"mlflow.source.git.commit": provenance.git_commit} if provenance.git_commit else {}
        return cls(
            sweep_id=sweep_id,
            name=name,
            experiment=experiment,
            params={"data": provenance.data_name, **params, **provenance.packages},
            tags={"machine": provenance.machine} | ({"mlflow.note.content": description} if description else {}),
            current=current,
            trial_tags={
                "sweep": name,
                "data_digest": provenance.data_digest,
                "mlflow.user": provenance.user,
                "mlflow.source.name": provenance.command,
                "mlflow.source.type": "LOCAL",
                **commit,
                **tags,
            },
            dataset=(provenance.data_name, provenance.data_digest),
            resume=resume,
        )


def claim(folder: Path, tracking_uri: str | None, experiment: str) -> tuple[str, str]:
    """Tracking URI and id of the sweep in a folder, which remembers both from now on.

    Args:
        folder: of the sweep, existing.
        tracking_uri: as in :func:`resolve_tracking_uri`; None in a known folder: as before.
        experiment: MLflow experiment.

    Raises:
        ConfigError: for a tracking URI MLflow cannot write to, or a damaged `mlflow.json`.
    """
    file = folder / IDENTITY_FILE
    known = read_json(file, "delete it: the sweep then gets new runs") if file.exists() else {}
    uri = resolve_tracking_uri(tracking_uri or known.get("tracking_uri"), folder)
    sweep_id = uuid.uuid4().hex if is_copy(folder) else known.get("sweep_id") or uuid.uuid4().hex
    identity = {"tracking_uri": uri, "experiment": experiment, "sweep_id": sweep_id, "folder": str(folder)}
    if identity != known:
        write_json(file, identity)
    return uri, sweep_id


def is_copy(folder: Path) -> bool:
    """Whether a sweep's folder was copied from another that is still there, whose runs in MLflow are not its own."""
    file = folder / IDENTITY_FILE
    home = read_json(file, "").get("folder") if file.is_file() else None
    return home is not None and home != str(folder) and (Path(home) / IDENTITY_FILE).is_file()


def tracked_at(folder: Path) -> str | None:
    """Tracking URI of the sweep in a folder; None where it was not tracked, or where that is not known any more."""
    file = folder / IDENTITY_FILE
    try:
        return read_json(file, "").get("tracking_uri") if file.is_file() else None
    except ConfigError:
        return None  # a leaderboard can do without; `resume` says what is wrong
