"""One process runs a sweep: a lock in its folder, which ends with the process that holds it."""

import fcntl
import socket
from pathlib import Path
from typing import IO

from embedllm.errors import ConfigError

LOCK_FILE = ".lock"


def is_locked(folder: Path) -> bool:
    """Whether another process is running the sweep of this folder."""
    if not (folder / LOCK_FILE).exists():
        return False
    with (folder / LOCK_FILE).open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def refuse_locked(folder: Path) -> None:
    """Refuse to touch a sweep that another process is running.

    Raises:
        ConfigError: if one is.
    """
    if is_locked(folder):
        raise _taken(folder)


def _taken(folder: Path) -> ConfigError:
    return ConfigError(
        f"{folder} is being run by another process; wait for it or stop it, then use `python -m tune resume {folder}`"
    )


def ran_here(folder: Path) -> bool:
    """Whether the sweep of this folder was last run on this host: of another's, a lock may not be visible."""
    file = folder / LOCK_FILE
    return file.is_file() and file.read_text() == socket.gethostname()


def take_lock(folder: Path) -> IO[str]:
    """Make the sweep of this folder ours until the file returned is closed, or this process ends.

    Raises:
        ConfigError: if another process is running it.
    """
    handle = (folder / LOCK_FILE).open("a")  # not "w": who has the lock wrote its host there
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise _taken(folder) from None
    handle.truncate(0)
    handle.write(socket.gethostname())
    handle.flush()
    return handle
