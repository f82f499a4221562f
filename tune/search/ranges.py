"""An axis of a search space that is a range, and axes as files and command lines give them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from embedllm.errors import ConfigError


@dataclass(frozen=True)
class Range:
    """A range of values, both ends included.

    Raises:
        ConfigError: if the ends do not fit.
    """

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    log: bool = False
    """Sample the logarithm uniformly, not the value."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ConfigError(f"a range needs finite ends but has low {self.low:g}, high {self.high:g}")
        if self.low > self.high:
            raise ConfigError(f"a range needs low <= high but has low {self.low:g}, high {self.high:g}; swap them")
        if self.log and self.low <= 0:
            raise ConfigError(
                f"a range with log: true needs low > 0 but has low {self.low:g}; raise it, or use log: false"
            )


def read_axes(given: Mapping[str, Any], prefix: str = "space.") -> dict[str, Any]:
    """Axes as given, ranges still mappings, as the fields of a `SearchSpace`.

    Args:
        given: axis name -> choices, or a mapping of low, high and log.
        prefix: before the name of an axis in messages.

    Raises:
        ConfigError: naming every axis whose range does not fit.
    """
    axes, problems = {}, []
    for name, axis in given.items():
        try:
            axes[name] = Range(**axis) if isinstance(axis, Mapping) else axis
        except ConfigError as error:
            problems.append(f"{prefix}{name}: {error}")
    if problems:
        raise ConfigError("invalid search space: " + "; ".join(problems))
    return axes
