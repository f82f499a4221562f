"""What a cluster file takes from this machine: folders and files to copy, and keys to log in with."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tune.cluster.authentication import TOKEN_FILE
from tune.cluster.findings import Finding, error, path_of, warning

HEAVY = (".venv", ".git", "sweeps", "mlruns")
"""Folders of a working copy that need not travel: `ray up` reads and copies all of a mount, node by node."""


def check_sources(config: Mapping[str, Any]) -> list[Finding]:
    """Whether it is there, and readable."""
    return [*_check_mounts(config), *_check_keys(config)]


def _check_mounts(config: Mapping[str, Any]) -> Iterator[Finding]:
    mounts = config.get("file_mounts")
    for target, source in mounts.items() if isinstance(mounts, dict) else ():
        key = path_of("file_mounts", target)
        if not isinstance(source, str):
            yield error(key, f"must be a path on this machine but is {source!r}")
            continue
        path = Path(source).expanduser()
        if not path.exists():
            advice = (
                "make it with `ray get-auth-token --generate`"
                if path.name == TOKEN_FILE
                else f"correct it; relative paths start where `ray up` is run, now {Path.cwd()}"
            )
            yield error(key, f"{source} is not there; {advice}")
        elif not os.access(path, os.R_OK):
            yield error(key, f"{source} cannot be read; change its mode or owner")
        elif heavy := [name for name in HEAVY if (path / name).exists()]:
            yield warning(
                key,
                f"{source} holds {', '.join(heavy)}, which `ray up` reads and copies too, and whose every change sets "
                "all nodes up anew; mount only the folders that are needed",
            )


def _check_keys(config: Mapping[str, Any]) -> Iterator[Finding]:
    auth = config.get("auth")
    auth = auth if isinstance(auth, dict) else {}
    if not auth.get("ssh_user") and config.get("auth") is not None:
        yield error("auth.ssh_user", "missing: name the user to log in to the nodes as, `ubuntu` on most images")
    for name in ("ssh_private_key", "ssh_public_key"):
        given = auth.get(name)
        if not isinstance(given, str):
            continue
        path = Path(given).expanduser()
        key = f"auth.{name}"
        if not path.is_file():
            yield error(key, f"{given} is not there; give the key you log in to the nodes with, or leave it to Ray")
        elif not os.access(path, os.R_OK):
            yield error(key, f"{given} cannot be read; change its owner or mode")
        elif name == "ssh_private_key" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield error(key, f"{given} can be read by others, and ssh refuses such a key; run `chmod 600 {given}`")
    provider = config.get("provider")
    own = isinstance(provider, dict) and provider.get("type") == "local" and provider.get("worker_ips")
    if own and not auth.get("ssh_private_key"):
        yield warning(
            "auth.ssh_private_key",
            "not given: the head logs in to the workers by ssh, and must have a key for that already; name one here "
            "and Ray copies it there",
        )
