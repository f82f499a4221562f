"""Ctrl-C during a sweep: once to finish what runs, twice to abort. SIGTERM, after which SIGKILL follows, aborts.

Neither cuts what is done within :func:`uninterrupted`.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = "interrupted"
"""Why a sweep stopped that was interrupted once."""

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def graceful_interrupt(stop: Callable[[str], None]) -> Iterator[None]:
    """Within the block, the first Ctrl-C calls `stop(reason)`; the second, or SIGTERM, raises KeyboardInterrupt.

    Does nothing outside the main thread, where Python cannot handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in STOPPING}

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


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back until the block has ended; then they act, in their order.

    For what must be done whole, such as a file that is locked, written and released. Does nothing outside the main
    thread: signals are handled in the main thread alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    previous = {number: signal.getsignal(number) for number in STOPPING}
    ours = {number: handler for number, handler in previous.items() if handler is not None}  # None: not Python's
    for number in ours:
        signal.signal(number, lambda signum, _: held.append(signum))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        for caught in held:
            signal.raise_signal(caught)
