"""Where a result comes from: command, code version, packages, machine, data. Travels with every sweep."""

import getpass
import json
import os
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tune.labels import counted

PACKAGES = ("embedllm-tune", "torch", "numpy", "scikit-learn", "sentence-transformers", "ray", "optuna", "mlflow")
"""Distributions whose versions can change a result or its record."""


@dataclass(frozen=True)
class Provenance:
    """Everything needed to say "same code, same data, same machine?" about two results.

    Args:
        command: the command line, ready to paste into a shell.
        git_commit: 40 hex digits of the code's commit, `-dirty` appended where files differ; None where unknown.
        packages: distribution -> version of what is installed among `PACKAGES`, and `python`.
        machine: operating system, architecture and processor count in one line.
        user: login name, or `unknown`.
        data_name: folder name of the data, or how it was made.
        data_digest: `CorrectnessMatrix.digest`.
    """

    command: str
    git_commit: str | None
    packages: dict[str, str]
    machine: str
    user: str
    data_name: str
    data_digest: str

    @classmethod
    def collect(cls, *, data_name: str, data_digest: str) -> "Provenance":
        """Look at this process, its code and its machine."""
        cpus = counted(os.cpu_count() or 0, "CPU")
        return cls(
            command=command_line(),
            git_commit=git_commit(),
            packages=package_versions(),
            machine=f"{platform.system()} {platform.release()} {platform.machine()}, {cpus}",
            user=_user(),
            data_name=data_name,
            data_digest=data_digest,
        )


def command_line() -> str:
    """The running command as a user would type it: without the folders of interpreter and scripts."""
    program, *arguments = sys.orig_argv
    first = Path(arguments[0]) if arguments else None
    if first is not None and first.suffix == "" and first.parent == Path(program).parent != Path("."):
        return shlex.join([first.name, *arguments[1:]])  # an installed command: `embedllm-tune run …`
    return shlex.join([Path(program).name, *arguments])


def git_commit(folder: Path | None = None) -> str | None:
    """Commit of the code in `folder` (default: this package), or None if git does not track it.

    A package installed inside some unrelated repository, say into its `.venv`, must not report that repository's
    commit; an installation straight from version control reports the commit pip recorded.
    """
    folder = folder or Path(__file__).parent
    if _git(folder, "ls-files") and (
        commit := _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    ):
        return commit
    try:
        origin = metadata.distribution(PACKAGES[0]).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    return json.loads(origin).get("vcs_info", {}).get("commit_id") if origin else None


def package_versions() -> dict[str, str]:
    """Distribution name -> installed version, and `python`."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return "unknown"
