"""Signals during training: Ctrl-C once finishes, twice aborts; SIGTERM aborts; afterwards all is as before."""

import signal

import pytest

from tune.interrupt import graceful_interrupt, uninterrupted


def test_the_first_ctrl_c_stops_and_the_second_aborts(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    reasons: list[str] = []
    with graceful_interrupt(reasons.append):
        signal.raise_signal(signal.SIGINT)
        assert reasons == ["interrupted"]
        assert "press Ctrl-C again to abort" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_aborts() -> None:
    before = signal.getsignal(signal.SIGTERM)
    reasons: list[str] = []
    with pytest.raises(KeyboardInterrupt), graceful_interrupt(reasons.append):
        signal.raise_signal(signal.SIGTERM)
    assert reasons == []
    assert signal.getsignal(signal.SIGTERM) is before


def interrupted_within(done: list[str]) -> None:
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        done.append("whole")
    done.append("more")


def test_what_must_be_done_whole_is_ended_first() -> None:
    done: list[str] = []
    stops: list[str] = []
    with graceful_interrupt(lambda reason: stops.extend([reason, *done])), pytest.raises(KeyboardInterrupt):
        interrupted_within(done)
    assert (stops, done) == (["interrupted", "whole"], ["whole"])


@uninterrupted()
def failed_and_interrupted() -> None:
    signal.raise_signal(signal.SIGINT)
    raise OSError("no space")


def test_a_failure_within_stays_known() -> None:
    with pytest.raises(KeyboardInterrupt) as interrupt:
        failed_and_interrupted()
    assert isinstance(interrupt.value.__context__, OSError)
