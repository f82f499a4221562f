"""Words that the sentences and captions of several designs share."""

from collections.abc import Sequence

ONE_SEED = "one seed: training variance is not included"
"""Follows a claim that is tested over questions, or over models, alone."""


def percent(share: float, digits: int = 0) -> str:
    """`5 %` of 0.05."""
    return f"{100 * share:.{digits}f} %"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
