"""Ctrl-C during a sweep: once to finish what runs, twice to abort. SIGTERM, after which SIGKILL follows, aborts."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = "interrupted"
"""Why a sweep stopped that was interrupted once."""


@contextmanager
def graceful_interrupt(stop: Callable[[str], None]) -> Iterator[None]:
    """Within the block, the first Ctrl-C calls `stop(reason)`; the second, or SIGTERM, raises KeyboardInterrupt.

    Does nothing outside the main thread, where Python cannot handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def first(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("\nfinishing the running packs; press Ctrl-C again to abort", file=sys.stderr, flush=True)
        stop(INTERRUPTED)

    signal.signal(signal.SIGINT, first)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray's own would end the process as if it had crashed
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
