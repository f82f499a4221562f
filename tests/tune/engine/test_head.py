"""Ray's head gone: told before Ray ends the driver, and not for a hiccup."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tune.engine.head import MISSES, watched_head

GO_ON = "run `python -m tune resume s` to continue"


@contextlib.contextmanager
def listening(port: int = 0) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", port), backlog=100) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


def test_a_head_that_is_gone_and_comes_back_is_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    with listening() as address:
        watched = contextlib.ExitStack()
        watched.enter_context(watched_head(address, GO_ON, pause=0.01))
        time.sleep(0.2)
        assert caplog.messages == []
    with watched:
        wait_until(lambda: len(caplog.messages) == 1)
        assert caplog.messages == [
            f"Ray's head at {address} no longer answers. If it is not back within a minute, Ray ends this program; "
            f"what is finished is kept: {GO_ON}"
        ]
        time.sleep(0.2)
        with listening(int(address.rpartition(":")[2])):
            wait_until(lambda: len(caplog.messages) == 2)
    assert caplog.messages[1:] == [f"Ray's head at {address} answers again"]


def test_a_hiccup_and_the_end_are_not_told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True, *[False] * (MISSES - 1), True, False, True])
    monkeypatch.setattr("tune.engine.head._answers", lambda address: next(answers, True))
    with watched_head("127.0.0.1:1", GO_ON, pause=0.01):
        wait_until(lambda: next(answers, None) is None)
    monkeypatch.setattr("tune.engine.head._answers", lambda address: False)
    time.sleep(0.2)
    assert caplog.messages == []
