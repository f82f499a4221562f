"""The progress line: its text at known times, and what reaches a terminal and a log file."""

import io

import pytest
from rich.console import Console

from embedllm.config import FitConfig
from tune.progress import ProgressLine
from tune.records import TrialRecord, TrialState
from tune.search.objectives import read_objectives

CONFIG = FitConfig(encoder="lsa", embedding_dim=64, noise=0.08)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def trial(number: int, value: float | None = 0.55, state: TrialState = "COMPLETE") -> TrialRecord:
    metrics = {} if value is None else {"val_log_loss": value, "val_accuracy": 1 - value}
    return TrialRecord(trial=number, state=state, config=CONFIG, metrics=metrics, budget=10)


def plain_console(width: int = 100) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=False)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_line_says_how_far_how_good_how_fast_and_how_long() -> None:
    clock = Clock()
    progress = ProgressLine(64, "val_log_loss", console=plain_console(), clock=clock)
    clock.now += 7.0
    for number in range(20):
        progress.trial_finished(trial(number, 0.524 if number == 17 else 0.56))
    progress.trial_finished(trial(20, 0.9, "PRUNED"))
    progress.trial_finished(trial(21, None, "FAIL"))
    progress.trial_finished(trial(22, None, "FAIL"))
    assert progress.line().plain == (
        "21/64 trials · 1 pruned · 2 failed · best val_log_loss 0.5240 (trial 17: lsa d=64 α=0.08)"
        " · 3.0 trials/s · 0:14 left"
    )


def test_before_the_first_trial_only_time_is_known() -> None:
    clock = Clock()
    progress = ProgressLine(64, "val_log_loss", console=plain_console(), clock=clock)
    clock.now += 65
    assert progress.line().plain == "0/64 trials · 1:05 elapsed"


def test_speed_leaves_out_start_up_and_what_follows_the_last_trial() -> None:
    clock = Clock()
    progress = ProgressLine(2, "val_log_loss", console=plain_console(), clock=clock)
    clock.now += 60
    for number in (0, 1):
        progress.trial_started(trial(number, None, "RUNNING"))
    clock.now += 1
    for number in (0, 1):
        progress.trial_finished(trial(number))
    clock.now += 60
    assert progress.line().plain.endswith("2.0 trials/s · took 0:01")


def test_a_baseline_that_outlasts_the_trials_is_told() -> None:
    clock, console = Clock(), plain_console()
    baseline = TrialRecord(0, "COMPLETE", CONFIG, role="baseline", metrics={"val_log_loss": 0.6})
    with ProgressLine(1, "val_log_loss", console=console, clock=clock) as progress:
        progress.trial_started(baseline)
        clock.now += 2
        progress.trial_finished(trial(0))
        clock.now += 58
        assert progress.line().plain.endswith("2.0 s/trial · the paper's recipe still trains · 1:00 elapsed")
        clock.now += 30
        progress.trial_finished(baseline)
        clock.now += 5
    first, last = text_of(console).splitlines()
    assert first.endswith("the paper's recipe still trains · 0:02 elapsed")
    assert last.endswith("2.0 s/trial · took 1:30")


def test_a_resumed_sweep_may_have_only_the_baseline_left() -> None:
    clock = Clock()
    with ProgressLine(4, "val_log_loss", console=plain_console(), done=4, clock=clock) as progress:
        progress.trial_started(TrialRecord(0, "RUNNING", CONFIG, role="baseline"))
        clock.now += 7
        assert progress.line().plain == "4/4 trials · the paper's recipe still trains · 0:07 elapsed"
    assert progress.line().plain == "4/4 trials"


@pytest.mark.parametrize(
    ("finished", "seconds", "expected"),
    [
        (10, 2.0, "5.0 trials/s · 0:18 left"),
        (10, 50.0, "5.0 s/trial · 7:30 left"),
        (2, 240.0, "120 s/trial · 3:16:00 left"),
    ],
)
def test_rates_and_estimates_are_readable_at_any_speed(finished: int, seconds: float, expected: str) -> None:
    clock = Clock()
    progress = ProgressLine(100, "val_log_loss", console=plain_console(), clock=clock)
    clock.now += seconds
    for number in range(finished):
        progress.trial_finished(trial(number))
    assert progress.line().plain.endswith(expected)


def test_best_follows_the_direction_of_the_objective() -> None:
    progress = ProgressLine(9, "val_accuracy", console=plain_console())
    for number, loss in enumerate((0.5, 0.4, 0.6)):
        progress.trial_finished(trial(number, loss))
    assert progress.best is not None
    assert progress.best.trial == 1


def test_a_pruned_trial_or_the_baseline_is_never_the_best() -> None:
    progress = ProgressLine(9, "val_log_loss", console=plain_console())
    progress.trial_finished(trial(0, 0.1, "PRUNED"))
    progress.trial_finished(TrialRecord(0, "COMPLETE", CONFIG, role="baseline", metrics={"val_log_loss": 0.1}))
    assert progress.best is None
    assert progress.done == 1


def test_a_resumed_sweep_counts_what_was_there_but_measures_speed_from_here() -> None:
    clock = Clock()
    progress = ProgressLine(64, "val_log_loss", console=plain_console(), done=60, best=trial(5, 0.5), clock=clock)
    clock.now += 1
    progress.trial_finished(trial(60, 0.6))
    assert progress.line().plain == (
        "61/64 trials · best val_log_loss 0.5000 (trial 5: lsa d=64 α=0.08) · 1.0 trials/s · 0:03 left"
    )


def test_a_log_file_gets_a_line_per_tenth_and_the_last_one() -> None:
    clock, console = Clock(), plain_console(width=40)
    with ProgressLine(100, "val_log_loss", console=console, clock=clock) as progress:
        for number in range(100):
            clock.now += 0.2
            progress.trial_finished(trial(number))
    lines = text_of(console).splitlines()
    assert len(lines) == 10, "the last state is not printed twice"
    assert lines[0].startswith("10/100 trials")
    assert lines[-1].endswith("5.0 trials/s · took 0:20"), "neither cut nor wrapped to the console's width"


def test_a_log_file_gets_a_line_every_half_minute_of_a_slow_sweep_and_none_per_trial_of_a_fast_one() -> None:
    clock, console = Clock(), plain_console()
    with ProgressLine(1000, "val_log_loss", console=console, clock=clock) as progress:
        for number in range(4):
            clock.now += 16
            progress.trial_finished(trial(number))
        assert len(text_of(console).splitlines()) == 2
        for number in range(4, 1000):
            progress.trial_finished(trial(number))
    assert len(text_of(console).splitlines()) == 3


def test_a_terminal_gets_one_line_that_fits_its_width() -> None:
    clock = Clock()
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with ProgressLine(64, "val_log_loss", console=console, clock=clock) as progress:
        clock.now += 10
        for number in range(40):
            progress.trial_finished(trial(number))
        progress._live.refresh()
        assert "40/64 trials · best val_log_loss 0.5500 (trial 0) · 4.0 trials/s · 0:06 left" in text_of(console)
        assert text_of(console).count("\n") == 0, "redrawing does not scroll"
    last_words = " ".join(text_of(console).split()[-11:])
    assert last_words == "(trial 0: lsa d=64 α=0.08) · 4.0 trials/s · 0:06 left", "the last state is shown in full"


def test_a_very_narrow_terminal_cuts_the_line_instead_of_wrapping_it() -> None:
    console = Console(file=io.StringIO(), width=30, force_terminal=True, color_system=None)
    with ProgressLine(64, "val_log_loss", console=console) as progress:
        progress.trial_finished(trial(0))
        progress._live.refresh()
        assert "…" in text_of(console)
        assert "\n" not in text_of(console)


def test_with_several_objectives_the_front_is_counted() -> None:
    objectives, _ = read_objectives(["val_log_loss", "embedding_dim"])

    def sized(number: int, loss: float, dim: int) -> TrialRecord:
        metrics = {"val_log_loss": loss}
        return TrialRecord(number, "COMPLETE", CONFIG.replace(embedding_dim=dim, epochs=10), metrics=metrics, budget=10)

    earlier = [sized(0, 0.6, 8), sized(1, 0.5, 64)]
    progress = ProgressLine(
        9, "val_log_loss", console=plain_console(), done=2, best=earlier[1], objectives=objectives, earlier=earlier
    )
    assert progress.line().plain.startswith("2/9 trials · 2 on the front · best val_log_loss 0.5000 (trial 1")
    progress.trial_finished(sized(2, 0.55, 32))
    assert "3 on the front" in progress.line().plain
    progress.trial_finished(sized(3, 0.45, 4))  # beats them all
    progress.trial_finished(trial(4, None, "FAIL"))
    assert "1 failed · 1 on the front · best val_log_loss 0.4500" in progress.line().plain
