"""What would stop a sweep, found out before any trial starts: its folder, its disk, its tracking server, its cluster.

Every check returns findings instead of raising, so that all are told at once. What a sweep does *not* need on several
nodes: a shared disk. Workers get data and encodings through Ray and write nothing; only this process writes, to its own
disk and to the tracking server.
"""

import errno
import os
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from embedllm.errors import ConfigError
from embedllm.version import __version__
from tune.config import SweepConfig
from tune.engine.slots import Node, Slots
from tune.planning.memory import GIB, MIB, show_bytes
from tune.tracking.uri import resolve_tracking_uri, sqlite_file

DISK_NEEDED = 100 * MIB
"""Free disk below which a sweep is refused: its study, its winner and MLflow's database need some of it."""

DISK_SCARCE = GIB
"""Free disk below which one is warned."""

ANSWER_SECONDS = 3.0
"""Time a tracking server is given to answer."""

NODE_SECONDS = 60.0
"""Time the nodes of a cluster are given to start a worker and answer."""

DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


@dataclass(frozen=True)
class Finding:
    """One thing found: a `problem` stops the sweep, a `warning` does not."""

    kind: Literal["problem", "warning"]
    text: str


def refuse(findings: Sequence[Finding]) -> list[str]:
    """Raise if there is a problem; otherwise the warnings.

    Raises:
        ConfigError: naming every problem.
    """
    problems = [finding.text for finding in findings if finding.kind == "problem"]
    if len(problems) == 1:
        raise ConfigError(problems[0])
    if problems:
        raise ConfigError(f"{len(problems)} problems:\n" + "\n".join(f"  - {text}" for text in problems))
    return [finding.text for finding in findings]


def check_storage(config: SweepConfig, path: Path) -> list[Finding]:
    """The sweep's folder, its disk and MLflow's store: all that can be known before data are loaded.

    Raises:
        ConfigError: for a tracking URI that can be none.
    """
    uri = resolve_tracking_uri(config.tracking_uri, path)
    return [*check_folder(path), *check_tracking(uri)]


def check_folder(path: Path) -> list[Finding]:
    """Whether a sweep can be written at `path`, which need not exist yet."""
    there = existing_ancestor(path)
    if not there.is_dir():
        return [Finding("problem", f"{path} cannot be created: {there} is not a folder; choose another with --out")]
    if not os.access(there, os.W_OK | os.X_OK):
        return [Finding("problem", f"{there} is not writable; choose another folder with --out, or change its mode")]
    free = shutil.disk_usage(there).free
    if free < DISK_NEEDED:
        return [
            Finding(
                "problem",
                f"the disk of {there} is nearly full: {show_bytes(free)} free, at least {show_bytes(DISK_NEEDED)} "
                "needed; free some space, or choose another folder with --out",
            )
        ]
    if free < DISK_SCARCE:
        return [Finding("warning", f"the disk of {there} has only {show_bytes(free)} free")]
    return []


def existing_ancestor(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def check_tracking(uri: str, *, timeout: float = ANSWER_SECONDS) -> list[Finding]:
    """Whether MLflow's store answers. One that fails during the sweep is waited for: see `tune.tracking.outbox`.

    Args:
        uri: as :func:`tune.tracking.uri.resolve_tracking_uri` gives it.
        timeout: seconds to wait.
    """
    file = sqlite_file(uri)
    if file is not None:
        there = existing_ancestor(file)
        if os.access(there, os.W_OK):
            return []
        return [
            Finding("problem", f"MLflow's database {file}: {there} is not writable; choose another with --tracking-uri")
        ]
    trouble = _http_trouble(uri, timeout) if uri.startswith("http") else _database_trouble(uri, timeout)
    if trouble is None:
        return []
    return [
        Finding(
            "problem",
            f"the MLflow tracking server {_without_password(uri)} does not answer ({trouble}); start it, correct "
            "--tracking-uri or MLFLOW_TRACKING_URI, or use a local file: --tracking-uri sqlite:///mlflow.db",
        )
    ]


def _http_trouble(uri: str, timeout: float) -> str | None:
    try:
        with urllib.request.urlopen(uri.rstrip("/") + "/health", timeout=timeout):
            return None
    except urllib.error.HTTPError:
        return None  # it answers; what it demands is MLflow's business, which has the credentials
    except urllib.error.URLError as error:
        return _in_words(error.reason)
    except (OSError, ValueError) as error:
        return _in_words(error)


def _database_trouble(uri: str, timeout: float) -> str | None:
    parts = urlsplit(uri)
    port = DATABASE_PORTS.get(parts.scheme.partition("+")[0])
    if port is None or parts.hostname is None:  # databricks, or a database reached otherwise: MLflow will tell
        return None
    try:
        socket.create_connection((parts.hostname, parts.port or port), timeout).close()
    except OSError as error:
        return _in_words(error)
    return None


def _in_words(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return f"no answer in {ANSWER_SECONDS:g} s"
    if isinstance(reason, OSError) and reason.errno is not None:
        return os.strerror(reason.errno) if reason.errno in errno.errorcode else str(reason.strerror)
    return str(reason)


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return uri if parts.password is None else uri.replace(f":{parts.password}@", ":***@")


def check_nodes(nodes: Sequence[Node]) -> list[Finding]:
    """Whether the nodes of a cluster are there, and can run this program. Ray must be running.

    A single node is this machine, or like it; of several, each is asked for the version it has installed.
    """
    dead = [node.address for node in nodes if not node.alive]
    findings = []
    if dead:
        verb = "is" if len(dead) == 1 else "are"
        text = f"{len(dead)} of {len(nodes)} nodes {verb} dead and left out: {', '.join(dead)}"
        findings.append(Finding("warning", text))
    alive = [node for node in nodes if node.alive]
    if len(alive) < 2:
        return findings
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0, max_retries=0)(installed_version)
    answers = [
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote() for node in alive
    ]
    ray.wait(answers, num_returns=len(answers), timeout=NODE_SECONDS)
    for node, answer in zip(alive, answers, strict=True):
        try:
            version = ray.get(answer, timeout=0)
        except Exception as error:  # Ray wraps what the node raised, and what kept it from answering
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = lines[-1] if lines else type(error).__name__
            findings.append(
                Finding(
                    "problem",
                    f"node {node.address} cannot run this program ({reason}); install embedllm-tune {__version__} "
                    "on every node",
                )
            )
            continue
        if version != __version__:
            findings.append(
                Finding(
                    "problem",
                    f"node {node.address} has embedllm-tune {version}, this process {__version__}; "
                    "install the same version on every node",
                )
            )
    return findings


def installed_version() -> str:
    """The version of this program where it runs."""
    return __version__


def check_slots(slots: Slots, nodes: Sequence[Node]) -> list[Finding]:
    """Whether some node has resources for a pack, which a count over the whole cluster cannot tell."""
    if any(node.places(slots) for node in nodes if node.alive):
        return []
    return [
        Finding(
            "problem",
            f"no node has room for a pack of {slots.each}, though the cluster as a whole has; lower cpus_per_pack "
            "or gpus_per_pack",
        )
    ]
