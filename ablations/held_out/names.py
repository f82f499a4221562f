"""Names of benchmarks as figures and sentences show them."""

from collections.abc import Sequence
from itertools import takewhile


def short_names(names: Sequence[str]) -> list[str]:
    """Names without the words that all of them begin with: mmlu_pro_law and mmlu_pro_math become law and math."""
    letters = zip(min(names), max(names), strict=False)  # what these two share, all between them share
    shared = "".join(first for first, _ in takewhile(lambda pair: pair[0] == pair[1], letters))
    cut = shared.rfind("_") + 1 if len(set(names)) > 1 else 0
    return [name[cut:] for name in names]
