"""The winner in MLflow's model registry: a version per winner, the best of one data set under the alias `champion`.

Like :mod:`tune.tracking.runs` it uses `MlflowClient` only and runs in the tracker's thread.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from tune.config import OBJECTIVES
from tune.tracking.serving import CHAMPION, Candidate, Registered, save_mlflow_model

LOGGED_NAME = "router"
"""Name of the model below its run."""

MODEL_DESCRIPTION = (
    "Which LLM of a pool answers a question right: questions in, every LLM's probability and the chosen LLM out. "
    f"The alias `{CHAMPION}` is on the best version for the newest data, by the validation questions."
)


def register(client: MlflowClient, experiment_id: str, run_id: str, candidate: Candidate, logged_ms: int) -> Registered:
    """Log the candidate as a model of its sweep's run and make it a version of the registered model.

    A winner registered before, by an earlier run of the same sweep, is left alone. The alias goes to the new version
    unless the champion has the better objective on the same data and split.

    Args:
        client: connected.
        experiment_id: experiment of the sweep.
        run_id: parent run of the sweep.
        candidate: what to register.
        logged_ms: when its metrics were logged on the run; at another time they would be a second point of each.

    Raises:
        MlflowException: whatever the server refuses.
    """
    from embedllm.artifact import CONFIG_FILE  # brings PyTorch, for which a sweep's start should not wait

    config = json.loads((candidate.artifact / CONFIG_FILE).read_text())
    tags = _version_tags(candidate, config)
    _create_registered_model(client, candidate.name)
    version = _known_version(client, candidate, run_id, tags)
    if version is None:
        version = _create_version(client, experiment_id, run_id, candidate, config, tags, logged_ms)
    return _crown(client, candidate, version)


def _version_tags(candidate: Candidate, config: Mapping[str, Any]) -> dict[str, str]:
    """What makes two versions comparable, and the value to compare."""
    split = config["split"]
    return {
        "trial": str(candidate.trial),
        "created": config["created"],
        "data_digest": config["data_digest"],
        "split": split["name"] if split["seed"] is None else f"{split['name']} seed {split['seed']}",
        "objective": candidate.objective,
        candidate.objective: str(config["metrics"][candidate.objective]),
    }


def _create_registered_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name, description=MODEL_DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _known_version(
    client: MlflowClient, candidate: Candidate, run_id: str, tags: Mapping[str, str]
) -> ModelVersion | None:
    found = client.search_model_versions(f"name = '{candidate.name}' and run_id = '{run_id}'")
    return next((version for version in found if version.tags.get("created") == tags["created"]), None)


def _create_version(
    client: MlflowClient,
    experiment_id: str,
    run_id: str,
    candidate: Candidate,
    config: Mapping[str, Any],
    tags: Mapping[str, str],
    logged_ms: int,
) -> ModelVersion:
    params = {name: str(value) for name, value in config["fit"].items()}
    logged = client.create_logged_model(
        experiment_id, LOGGED_NAME, source_run_id=run_id, tags=dict(tags), params=params, model_type="router"
    )
    with tempfile.TemporaryDirectory(prefix="embedllm-") as scratch:
        folder = Path(scratch) / LOGGED_NAME
        model = Model(artifact_path=logged.artifact_location, run_id=run_id, model_id=logged.model_id)
        save_mlflow_model(candidate.artifact, folder, model)
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    known = {name: value for name, value in config["metrics"].items() if value is not None}  # else not defined there
    metrics = [Metric(name, value, logged_ms, 0, model_id=logged.model_id) for name, value in known.items()]
    client.log_batch(run_id, metrics)
    return client.create_model_version(
        candidate.name,
        # Not `models:/ID`, which a database store resolves by MLflow's global tracking URI instead of the client's.
        source=logged.artifact_location,
        run_id=run_id,
        tags=dict(tags),
        description=candidate.description,
        model_id=logged.model_id,
    )


def _crown(client: MlflowClient, candidate: Candidate, version: ModelVersion) -> Registered:
    try:
        champion = client.get_model_version_by_alias(candidate.name, CHAMPION)
    except MlflowException:  # there is none yet
        champion = None
    number, objective = int(version.version), candidate.objective
    if champion is not None and int(champion.version) != number and _better(champion, version, objective):
        values = [f"{float(item.tags[objective]):.5f}" for item in (champion, version)]
        return Registered(candidate.name, number, int(champion.version), f"{objective} {values[0]} against {values[1]}")
    client.set_registered_model_alias(candidate.name, CHAMPION, str(number))
    return Registered(candidate.name, number, number)


def _better(champion: ModelVersion, version: ModelVersion, objective: str) -> bool:
    """Whether the two can be compared and the champion is strictly better."""
    same = all(champion.tags.get(key) == version.tags[key] for key in ("data_digest", "split", "objective"))
    if not same:
        return False
    sign = 1 if OBJECTIVES[objective] == "minimize" else -1
    return sign * float(champion.tags[objective]) < sign * float(version.tags[objective])
