"""Where MLflow's records go: one absolute address, decided before anything is written, and manners on the way."""

import os
import shlex
from pathlib import Path

from embedllm.errors import ConfigError

DATABASE = "mlflow.db"
SQLITE = "sqlite:///"

MLFLOW_ENVIRONMENT = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # else a line for every run
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # else a bar for every artifact
    "MLFLOW_DISABLE_TELEMETRY": "true",  # else usage is reported to MLflow's makers
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # else an unreachable server is retried for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""Settings for MLflow inside a sweep's driver; whoever has set one of them keeps their value."""


def set_mlflow_environment() -> None:
    """Apply `MLFLOW_ENVIRONMENT`. Call before the first `import mlflow`."""
    for name, value in MLFLOW_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def resolve_tracking_uri(tracking_uri: str | None, sweep_dir: Path) -> str:
    """The tracking URI to use: the given one, else `MLFLOW_TRACKING_URI`, else `mlflow.db` beside the sweep folder.

    Beside, not inside: sweeps written next to one another share one database, so one `mlflow ui` shows and compares
    them all. For `--out SWEEP` in the working directory this is also the file a bare `mlflow ui` opens.

    Returns:
        An `http(s)://` or database URI; SQLite paths are made absolute, because a relative one names another file in
        every working directory.

    Raises:
        ConfigError: for a folder or `file:` URI (MLflow no longer writes file stores), or an unknown scheme.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        return SQLITE + str(sweep_dir.resolve().parent / DATABASE)
    if uri.startswith(SQLITE):
        return SQLITE + str(Path(uri.removeprefix(SQLITE)).expanduser().resolve())
    allowed = ("http://", "https://", "databricks", "postgresql", "mysql", "mssql")
    if not uri.startswith(allowed):
        raise ConfigError(
            f"tracking URI {uri!r} is neither a server nor a database; "
            f"use https://SERVER:PORT, or {SQLITE}PATH/{DATABASE} for a local file"
        )
    return uri


def sqlite_file(tracking_uri: str) -> Path | None:
    """The database file behind a SQLite URI, None for any other store."""
    return Path(tracking_uri.removeprefix(SQLITE)) if tracking_uri.startswith(SQLITE) else None


def how_to_view(tracking_uri: str) -> str:
    """The command that opens the UI on a local database, or the server's address."""
    return f"mlflow ui --backend-store-uri {shlex.quote(tracking_uri)}" if sqlite_file(tracking_uri) else tracking_uri
