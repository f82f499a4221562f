"""The searched axes of a sweep as a figure sees them: what varied, on which scale, and where a value stands on it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from embedllm.figures.save import RAISED
from tune.config import Range, SweepConfig
from tune.labels import encoder_label
from tune.records import TrialRecord

TITLES = {
    "encoder": "encoder",
    "embedding_dim": "embedding dimension",
    "noise": "noise α",
    "training_questions": "training questions",
    "learning_rate": "learning rate",
    "weight_decay": "weight decay",
    "batch_questions": "questions per batch",
    "epochs": "epochs",
}

DIGIT_POINTS = 5.0
"""Width of a digit of a tick's label."""


@dataclass(frozen=True)
class SearchedAxis:
    """One axis of the search space that took more than one value.

    Args:
        name: of the axis, and of its field in `FitConfig`.
        scale: `categories` for choices from a list, else how its range was sampled.
        values: one per trial, as in the trial's configuration.
        low: smallest value on the axis; 0 of categories.
        high: largest value on the axis; of categories the position of the last.
        categories: the choices in order: numbers ascending, encoders as configured; empty of a range.
    """

    name: str
    scale: Literal["linear", "log", "categories"]
    values: tuple[Any, ...]
    low: float
    high: float
    categories: tuple[Any, ...] = ()

    @property
    def title(self) -> str:
        """The axis as a figure labels it."""
        return TITLES[self.name]

    @property
    def labels(self) -> tuple[str, ...]:
        """The categories as text."""
        return tuple(axis_label(self.name, value) for value in self.categories)

    def place(self, value: Any) -> float:
        """Where a value stands on a linear ruler: a category's position, or the number itself."""
        return float(self.categories.index(value)) if self.categories else float(value)

    def share(self, value: Any) -> float:
        """Where a value stands between the ends of the axis, 0 to 1, on the axis's scale."""
        low, high, at = self.low, self.high, self.place(value)
        if self.scale == "log":
            low, high, at = math.log(low), math.log(high), math.log(at)
        return 0.5 if high == low else (at - low) / (high - low)


def searched_axes(config: SweepConfig, trials: Sequence[TrialRecord]) -> list[SearchedAxis]:
    """The axes on which these trials differ, in the order of the search space.

    Args:
        config: whose space was searched.
        trials: as in the values of the axes.
    """
    axes = []
    for name, space in config.space.axes().items():
        values = tuple(getattr(trial.config, name) for trial in trials)
        distinct = set(values)
        if len(distinct) < 2:
            continue
        if not isinstance(space, Range):
            order = {choice: place for place, choice in enumerate(space)} if name == "encoder" else None
            categories = tuple(sorted(distinct, key=order.__getitem__ if order else None))
            axes.append(SearchedAxis(name, "categories", values, 0, len(categories) - 1, categories))
            continue
        low, high = space.low, space.high
        if name == "training_questions" and high <= 1:  # fractions; a configuration holds counts
            low, high = min(distinct), max(distinct)
        axes.append(SearchedAxis(name, "log" if space.log else "linear", values, low, high))
    return axes


def axis_label(name: str, value: Any) -> str:
    """A value of an axis as its tick is labelled."""
    return encoder_label(value) if name == "encoder" else f"{value:g}" if isinstance(value, float) else str(value)


def log_ticks(low: float, high: float, most: int = 6) -> list[tuple[float, str]]:
    """Value and label of two to `most` marks of a logarithmic axis: powers of ten, on a short one 1, 2 and 5 too.

    Where no two such marks lie between the ends, the ends are marked.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks: list[float] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        marks = [step * 10.0**decade for decade in decades for step in steps]
        marks = [mark for mark in marks if low * 0.999 <= mark <= high * 1.001]
        if len(marks) <= most:
            break
    if len(marks) < 2:
        marks = [low, high]
    return [(mark, number_label(mark)) for mark in marks[:: math.ceil(len(marks) / most)]]


def roomy_log_ticks(low: float, high: float, points: float) -> list[tuple[float, str]]:
    """As :func:`log_ticks`, as many as have room side by side on so many points between the ends."""
    found: list[tuple[float, str]] = []
    for most in range(6, 1, -1):
        found = log_ticks(low, high, most)
        gaps = [
            points * math.log(right / left) / math.log(high / low) - DIGIT_POINTS * (len(one) + len(other)) / 2
            for (left, one), (right, other) in pairwise(found)
        ]
        if min(gaps) >= DIGIT_POINTS:
            break
    return found


def number_label(value: float) -> str:
    """A tick's label: `20k` and `1.5M`, and powers of ten where plain digits would be long."""
    if 1e4 <= abs(value) < 1e9:
        return f"{value / 1e6:.4g}M" if abs(value) >= 1e6 else f"{value / 1e3:.4g}k"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}" if abs(value) < 1e3 else f"{value:.0f}"
    factor, exponent = f"{value:.0e}".split("e")
    power = f"10{str(int(exponent)).translate(RAISED)}"  # not mathematics: figures take `$` literally, for names' sake
    return power if factor == "1" else f"{factor} × {power}"


def shortened(label: str, most: int = 12) -> str:
    """A category's label in two lines where it is long, and never more than fits into a narrow panel."""
    if len(label) <= most:
        return label
    cut = label.rfind("-", 0, most) + 1 or most
    rest = label[cut:]
    return f"{label[:cut]}\n{rest if len(rest) <= most else rest[: most - 1] + '…'}"
