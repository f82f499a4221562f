"""Names from data, short enough for a figure and still distinct."""

from collections import Counter
from collections.abc import Sequence

from embedllm.visible import one_line

LONGEST = 24
"""Characters of a name that figures have room for."""
ELLIPSIS = "…"
BLANK = "(blank)"
"""Stands for a name in which there is nothing to see."""


def distinct_names(names: Sequence[str], longest: int = LONGEST, *, whole: bool = False) -> list[str]:
    """Names for a figure, in the order given: on one line, at most `longest` characters, different where they differ.

    Of `organisation/model` only `model` is shown, unless two organisations have a model of that name. Longer names lose
    their middle, for versions and sizes stand at the end: `Mistral-7B-I…ruct-v0.2`. Where this makes two equal, another
    part is left out, and where nothing else helps a running number tells them apart.

    Args:
        names: as in the data; equal ones stay equal.
        longest: at least 8.
        whole: keep what stands before a `/`, as in names that are no paths.
    """
    known = list(dict.fromkeys(names))
    lines = [one_line(name) or BLANK for name in known]
    if not whole:
        ends = [line.rstrip("/").rsplit("/", 1)[-1] or line for line in lines]
        shared = Counter(ends)
        lines = [line if shared[end] > 1 else end for line, end in zip(lines, ends, strict=True)]
    shown = dict(zip(known, _distinct(lines, longest), strict=True))
    return [shown[name] for name in names]


def shortening(names: Sequence[str], shown: Sequence[str]) -> str:
    """A sentence on names that a figure shows otherwise than the data does; empty where it shows all in full.

    Args:
        names: as in the data; equal ones count once.
        shown: what :func:`distinct_names` made of them, in the same order.
    """
    pairs = dict(zip(names, shown, strict=True))
    changed = {name: text for name, text in pairs.items() if one_line(name) != text}
    stripped = sum("/" in name and "/" not in text for name, text in changed.items())
    cut = sum(ELLIPSIS in text and ELLIPSIS not in name for name, text in changed.items())
    if not changed:
        return ""
    ways = [
        f"{'' if count == len(changed) else f'{count} '}without {what}"
        for count, what in ((stripped, "the part before /"), (cut, "the middle (…)"))
        if count
    ]
    # Blank names, and those that only a number tells apart, are told as changed and no more.
    how = f": {' and '.join(ways)}" if ways else ""
    return f"{len(changed)} of {len(pairs)} names {'is' if len(changed) == 1 else 'are'} not shown in full{how}."


def _distinct(lines: Sequence[str], longest: int) -> list[str]:
    """Lines cut to `longest`, no two of them equal."""
    short = [_cut(line, longest, longest // 2) for line in lines]
    # First those that need no cut: nobody takes their place.
    taken = {text for line, text in zip(lines, short, strict=True) if line == text}
    groups: dict[str, list[int]] = {}
    for number, text in enumerate(short):
        groups.setdefault(text, []).append(number)
    for text, group in groups.items():
        if len(group) == 1 and (text not in taken or lines[group[0]] == text):
            taken.add(text)
            continue
        for number, other in zip(group, _apart([lines[number] for number in group], longest, taken), strict=True):
            short[number] = other
            taken.add(other)
    return short


def _apart(lines: Sequence[str], longest: int, taken: set[str]) -> list[str]:
    """Lines that are equal without their middle, cut elsewhere, or numbered."""
    middle = longest // 2
    for start in sorted(range(1, longest - 1), key=lambda start: abs(start - middle)):
        elsewhere = [_cut(line, longest, start) for line in lines]
        if len({*elsewhere}) == len(lines) and not taken & {*elsewhere}:
            return elsewhere
    found: list[str] = []
    for line in lines:
        text = _cut(line, longest, middle)
        own = text == line and text not in found
        count = 1
        while not own and (text in taken or text in found):
            count += 1
            ending = f" {count}"
            text = _cut(line, longest - len(ending), middle - 2) + ending
        found.append(text)
    return found


def _cut(line: str, longest: int, start: int) -> str:
    """The first `start` characters, and as many of the last ones as there is room for."""
    if len(line) <= longest:
        return line
    return f"{line[:start].rstrip()}{ELLIPSIS}{line[len(line) - (longest - start - 1) :].lstrip()}"
