"""The command lines that do a sweep, or fit its winner, again."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embedllm.cli.parser import option_of
from embedllm.config import FitConfig, preset
from embedllm.visible import shell_word
from tune.cli.run import show_axis, show_objectives
from tune.config import SweepConfig
from tune.folder import WINNER_FOLDER
from tune.tracking.identity import tracked_at
from tune.tracking.serving import CHAMPION, registered_name, serve_command

QUESTION = "How many primes are there below 100?"
"""Asked in examples."""
MACHINE = ("address", "tracking_uri", "register")
"""Settings of the place a sweep ran at, which say nothing about its result."""


def sweep_command(config: SweepConfig, out: str) -> str:
    """`python -m tune run …` with every option that differs from its default, but those of the place it ran at.

    Args:
        config: the sweep's.
        out: folder of the new sweep.
    """
    words = ["python", "-m", "tune", "run", *([] if config.data is None else [config.data])]
    default = SweepConfig()
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if item.name in ("data", "out", "space", *MACHINE) or value == getattr(default, item.name):
            continue
        if item.name == "objective" and config.objectives is not None:
            continue  # the first of them
        shown = show_objectives(value) if item.name == "objectives" else value
        words += _option(item.name, shown)
    axes, known = config.space.axes(), default.space.axes()
    for name, axis in axes.items():
        if axis != known.get(name):
            words += [option_of(f"space.{name}"), show_axis(axis)]
    return _joined([*words, "--out", out])


def fit_command(config: SweepConfig, fit: FitConfig, seeds: int, out: str) -> str:
    """`embedllm fit …` that trains one configuration by itself, on the sweep's split.

    Args:
        config: the sweep's; has data.
        fit: the configuration.
        seeds: number of seeds.
        out: folder of the new artifact.
    """
    words = ["embedllm", "fit", str(config.data), "--preset", config.preset]
    base = preset(config.preset)
    for item in dataclasses.fields(fit):
        value = getattr(fit, item.name)
        if value != getattr(base, item.name):
            words += _option(item.name, value)
    words += ["--seeds", str(seeds), "--split", config.split]
    if config.split_seed:
        words += ["--split-seed", str(config.split_seed)]
    return _joined([*words, "--out", out])


def winner_command(folder: Path) -> str:
    """What asks the winner for the best model, relative to the folder that holds the sweep."""
    return f"{_joined(['embedllm', 'route', f'{folder.name}/{WINNER_FOLDER}'])} {shell_word(QUESTION)}"


def champion_command(folder: Path, config: SweepConfig) -> str | None:
    """What serves the registered winner, None where it is not registered or the sweep was not tracked."""
    uri, name = tracked_at(folder), registered_name(config.register, config.data_name)
    return None if name is None or uri is None else serve_command(uri, f"models:/{name}@{CHAMPION}")


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option_of(name), str(value).lower()]
    return [option_of(name), "null" if value is None else str(value)]


def _joined(words: Sequence[str]) -> str:
    """A command in lines of one option each, ready to be pasted."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--") and len(" ".join(lines[-1])) > 60:
            lines.append([])
        lines[-1].append(shell_word(word))
    return " \\\n    ".join(" ".join(line) for line in lines)
