"""The command `python -m tune`, installed as `embedllm-tune`: a search for the best embeddings, and its leaderboard."""

import sys
from collections.abc import Sequence
from pathlib import Path

from embedllm.cli.program import Command, Program

INSTALLED_NAME = "embedllm-tune"

COMMANDS = {
    "run": Command(
        "tune.cli.run", "Search for the best configuration, log every trial to MLflow, print a leaderboard."
    ),
    "resume": Command("tune.cli.resume", "Finish a sweep that was stopped early, or extend it with more trials."),
    "rerun": Command("tune.cli.rerun", "Train one trial of a sweep again and compare the results."),
    "leaderboard": Command("tune.cli.leaderboard", "Print the leaderboard of a sweep, running or finished."),
    "report": Command("tune.cli.report", "Write a report on a sweep, running or finished: one self-contained page."),
    "cluster check": Command(
        "tune.cli.cluster_check", "Check a cluster file for `ray up`: every problem, and what it would start."
    ),
    "cluster wait": Command(
        "tune.cli.cluster_wait", "Ask an autoscaled cluster for workers and wait until they have joined."
    ),
}

DESCRIPTION = """\
Searches embedding dimension, noise, training size, question encoder and learning rate: Optuna proposes, Ray Tune
trains several trials at a time, MLflow records them. The paper's recipe always runs beside them as the baseline."""


def program(name: str = INSTALLED_NAME) -> Program:
    """The commands under the name the user typed."""
    example = f"{name} run\n{name} run data --trials 64 --out sweep\n{name} leaderboard sweep"
    return Program(name, DESCRIPTION, example, COMMANDS)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `embedllm-tune` and `python -m tune`; returns the exit code."""
    as_module = Path(sys.argv[0]).parts[-2:] == ("tune", "__main__.py")
    return program("python -m tune" if as_module else INSTALLED_NAME).main(argv)
