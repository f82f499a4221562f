"""Short names of configurations and trials, counts and reasons: the same in progress line, MLflow and messages."""

import math
from collections.abc import Iterable
from pathlib import PurePosixPath

from embedllm.config import FitConfig
from tune.records import TrialRecord


def encoder_label(encoder: str) -> str:
    """The encoder's name without the folder or organisation it comes from."""
    return PurePosixPath(encoder).name or encoder


def config_label(config: FitConfig) -> str:
    """The four searched values in a few characters: `lsa d=64 α=0.05 n=5000`; a full training set is left out."""
    label = f"{encoder_label(config.encoder)} d={config.embedding_dim} α={config.noise:.2g}"
    return label if config.training_questions is None else f"{label} n={config.training_questions}"


def counted(count: float, noun: str) -> str:
    """`1 CPU`, `2,400 questions`, `0.5 GPUs`."""
    number = f"{count:,}" if isinstance(count, int) else f"{count:g}"
    return f"{number} {noun}{'s' * (count != 1)}"


def decimals(values: Iterable[float | None], digits: int, *, least: int = 1) -> int:
    """Decimals, `least` at least, with which every one of some positive numbers keeps so many significant digits."""
    smallest = min((value for value in values if value), default=1.0)
    return max(least, digits - 1 - math.floor(math.log10(smallest)))


def first_line(text: str, instead: str) -> str:
    """The first line of a text that may have many or none; of an empty one, what stands instead."""
    return next(iter(text.strip().splitlines()), instead)


def error_line(error: BaseException) -> str:
    """What an error says, in one line; its type where it says nothing."""
    return first_line(str(error), type(error).__name__)


def seeds_text(seeds: float) -> str:
    """`one seed`, `3 seeds`."""
    return "one seed" if seeds == 1 else f"{seeds:.0f} seeds"


def exhausted_text(finished: int, target: int) -> str:
    """That a finite space ended before the target was reached."""
    return f"The search space has no more configurations: {finished} trials instead of {target}."


def trial_label(record: TrialRecord) -> str:
    """`trial-007 lsa d=64 α=0.05`, or `trial-008 pruned lsa …`; zeros keep numerical order where names sort as text."""
    state = {"PRUNED": " pruned", "FAIL": " failed"}.get(record.state, "")
    return f"{record.role}-{record.trial:03d}{state} {record.label or config_label(record.config)}"
