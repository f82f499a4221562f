"""What a check of a cluster file finds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from embedllm.cli.parser import nearest

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing found in a cluster file.

    Args:
        level: an `error` keeps the cluster or a sweep on it from working; a `warning` is allowed but likely not meant.
        key: path of the key, `available_node_types.gpu_worker.resources.GPU`; empty = the file as a whole.
        text: what was given, what is allowed and what to do.
        line: of the file, from 1; None where the key is not in it.
    """

    level: Level
    key: str
    text: str
    line: int | None = None


def error(key: str, text: str) -> Finding:
    """Something that will not work."""
    return Finding("error", key, text)


def warning(key: str, text: str) -> Finding:
    """Something that works, but is likely not meant."""
    return Finding("warning", key, text)


def path_of(*parts: object) -> str:
    """A key path in one notation for all: `a.b[0].c`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def nearest_of(name: object, allowed: Iterable[str]) -> str:
    """`; the nearest is 'max_workers'`, or nothing where there is nothing to choose from."""
    choices = list(allowed)
    return f"; the nearest is {nearest(str(name), choices)!r}" if choices else ""
