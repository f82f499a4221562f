"""What a finished sweep says, and to whom."""

import io
import sys

import pytest

from tune.cli.session import _say


class Closed(io.StringIO):
    """Standard output whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_has_gone_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Closed())
    _say("the leaderboard")
    _say("the report")


def test_results_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    _say("the leaderboard")
    assert capsys.readouterr().out == "the leaderboard\n"
