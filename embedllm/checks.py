"""Checks that configurations share. Each returns the problems it found, one sentence part a value: none if all is well.

problems = too_small(config, trials=1, seed=0) + not_among(config, sampler=("tpe", "random"))
"""

from collections.abc import Sequence


def too_small(config: object, **lowest: int) -> list[str]:
    """Whole numbers that must be at least so much."""
    return [
        f"{name} must be at least {low} but is {value}"
        for name, low in lowest.items()
        if (value := getattr(config, name)) is None or value < low
    ]


def not_counts(config: object, *names: str) -> list[str]:
    """Numbers from 1 on that may also be left open (None)."""
    return [
        f"{name} must be at least 1, or null, but is {value}"
        for name in names
        if (value := getattr(config, name)) is not None and value < 1
    ]


def not_among(config: object, **choices: Sequence[str]) -> list[str]:
    """Values that must be one of a few."""
    return [
        f"{name} must be one of {', '.join(allowed)} but is {getattr(config, name)!r}"
        for name, allowed in choices.items()
        if getattr(config, name) not in allowed
    ]


def not_gpus(config: object, name: str) -> list[str]:
    """A share of one GPU or a number of whole ones, or None."""
    gpus = getattr(config, name)
    if gpus is None or (gpus >= 0 and (gpus <= 1 or gpus == int(gpus))):
        return []
    return [f"{name} must be a fraction up to 1 or a whole number, or null, but is {gpus}"]
