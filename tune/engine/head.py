"""A word when Ray's head is gone: a minute later Ray ends this process from within, where Python is not asked."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
"""How often the head is looked for."""

ANSWER_SECONDS = 5.0
"""What it has to answer in."""

MISSES = 3
"""Times in a row it has to be missing before it is told: within the minute that Ray waits, and not for a hiccup."""


@contextmanager
def watched_head(address: str, go_on: str, pause: float = PAUSE_SECONDS) -> Iterator[None]:
    """Within the block, warn when the head of the cluster no longer answers, and when it does again.

    Args:
        address: HOST:PORT of the head.
        go_on: what the user is to do if it stays away, `run … to continue`.
        pause: seconds between two looks.
    """
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(address, go_on, pause, ended), name="head-watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()


def _watch(address: str, go_on: str, pause: float, ended: threading.Event) -> None:
    missed = 0
    while not ended.wait(pause):
        if _answers(address):
            if missed >= MISSES:
                logger.warning("Ray's head at %s answers again", address)
            missed = 0
            continue
        missed += 1
        if missed == MISSES and not ended.is_set():
            logger.warning(
                "Ray's head at %s no longer answers. If it is not back within a minute, Ray ends this program; what is "
                "finished is kept: %s",
                address,
                go_on,
            )


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except OSError:
        return False
    return True
