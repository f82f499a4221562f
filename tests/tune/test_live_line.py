import io

import pytest
from rich.console import Console
from rich.text import Text

from tune.live_line import LiveLine, clock_text, rate_text


class Counting(LiveLine):
    """Shows how far it is and nothing else."""

    def line(self, width: int | None = None) -> Text:
        return Text(f"{self.done}/{self.total}")

    def advance(self, done: int) -> None:
        self._advance(done=done)


def test_without_a_terminal_lines_come_now_and_then_and_the_last_state_at_the_end() -> None:
    now = [0.0]
    file = io.StringIO()
    with Counting(100, console=Console(file=file), clock=lambda: now[0]) as shown:
        shown.advance(5)  # too soon, too little
        now[0] = 2.0
        shown.advance(6)  # a tenth of the whole since the last line
        now[0] = 2.5
        shown.advance(20)  # much, but hardly any time has passed
        now[0] = 40.0
        shown.advance(1)  # little, but half a minute has passed
        now[0] = 41.0
        shown.advance(2)
    assert file.getvalue().split() == ["11/100", "32/100", "34/100"]


def test_nothing_is_said_twice_at_the_end() -> None:
    now = [0.0]
    file = io.StringIO()
    with Counting(2, console=Console(file=file), clock=lambda: now[0]) as shown:
        now[0] = 5.0
        shown.advance(2)
    assert file.getvalue().split() == ["2/2"]


@pytest.mark.parametrize(("rate", "text"), [(3.14, "3.1 trials/s"), (0.5, "2.0 s/trial"), (1 / 24, "24 s/trial")])
def test_rates_are_given_by_the_second_or_by_the_piece(rate: float, text: str) -> None:
    assert rate_text(rate, "trial") == text


@pytest.mark.parametrize(("seconds", "text"), [(12.4, "0:12"), (725, "12:05"), (3723, "1:02:03")])
def test_times_read_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text
