"""Names of benchmarks as figures and sentences show them."""

from collections.abc import Sequence
from itertools import takewhile

from embedllm.visible import one_line

LONGEST = 24
"""Characters of a name that figures have room for."""


def short_names(names: Sequence[str], longest: int = LONGEST) -> list[str]:
    """Names without the words that all of them begin with, and cut where they are longer than `longest`.

    mmlu_pro_law and mmlu_pro_math become law and math. Different names stay different: where cutting makes two equal,
    the later one ends in a running number. What would act on the text beside it, such as a mark of direction, is
    spelled out.
    """
    letters = zip(min(names), max(names), strict=False)  # what these two share, all between them share
    shared = "".join(first for first, _ in takewhile(lambda pair: pair[0] == pair[1], letters))
    cut = shared.rfind("_") + 1 if len(set(names)) > 1 else 0
    lines = {name: one_line(name[cut:]) or name for name in names}
    if len(set(lines.values())) < len(lines):  # names that differ in nothing that is seen
        lines = {name: f"{line} ({number})" for number, (name, line) in enumerate(lines.items(), start=1)}
    shown = _cut_to(set(lines.values()), longest)
    return [shown[lines[name]] for name in names]


def _cut_to(names: set[str], longest: int) -> dict[str, str]:
    """Name -> its beginning and an ellipsis, or the name itself where it is short enough."""
    shown = {name: name for name in names if len(name) <= longest}
    taken = set(shown)
    for name in sorted(names - taken):
        ending, number = "…", 1
        while (short := name[: longest - len(ending)].rstrip() + ending) in taken:
            number += 1
            ending = f"… {number}"
        shown[name] = short
        taken.add(short)
    return shown
