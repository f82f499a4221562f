"""One process runs a sweep: a lock in its folder, which ends with the process that holds it."""

import fcntl
import socket
import time
from pathlib import Path
from typing import IO

from embedllm.errors import ConfigError
from embedllm.visible import shell_word

LOCK_FILE = ".lock"

TRIES = 10
PAUSE = 0.05
"""Seconds between the tries to take a lock, which :func:`is_locked` holds for a moment, too."""


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
        f"{folder} is being run by another process; wait for it or stop it, then use "
        f"`python -m tune resume {shell_word(str(folder))}`"
    )


def ran_here(folder: Path) -> bool:
    """Whether the sweep of this folder was last run on this host: of another's, a lock may not be visible."""
    file = folder / LOCK_FILE
    return file.is_file() and file.read_text() == socket.gethostname()


def take_lock(folder: Path, taken: ConfigError | None = None) -> IO[str]:
    """Make this folder ours until the file returned is closed, or this process ends.

    Args:
        folder: of a sweep, or of anything else that one process runs at a time; exists.
        taken: the error to raise if it is not a sweep.

    Raises:
        ConfigError: if another process has it.
    """
    handle = (folder / LOCK_FILE).open("a")  # not "w": who has the lock wrote its host there
    for attempt in range(TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if attempt + 1 == TRIES:
                handle.close()
                raise (taken or _taken(folder)) from None
            time.sleep(PAUSE)
    handle.truncate(0)
    handle.write(socket.gethostname())
    handle.flush()
    return handle
