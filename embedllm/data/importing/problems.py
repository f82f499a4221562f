"""Collecting what is wrong with an input, so that one message can list all of it."""

from collections import Counter
from collections.abc import Iterable

from embedllm.errors import DataError

_SHOWN = 5


def count_of(count: int, noun: str) -> str:
    """`1 question`, `2,500 questions`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def some_of(values: Iterable[str]) -> str:
    """The first few values, shortened, and a sign where there are more."""
    texts = list(values)
    shown = ", ".join(text if len(text) <= 60 else text[:57] + "…" for text in texts[:_SHOWN])
    return shown + (", …" if len(texts) > _SHOWN else "")


class Problems:
    """Problems found so far. Repeated ones of a kind are counted, and the first few named."""

    def __init__(self) -> None:
        self._plain: list[str] = []
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def add(self, problem: str) -> None:
        """A problem of its own."""
        self._plain.append(problem)

    def count(self, kind: str, count: int, examples: Iterable[str]) -> None:
        """`count` more problems of one kind, such as "train.csv: rows that name no model", and some of them."""
        self._counts[kind] += count
        shown = self._examples.setdefault(kind, [])
        for example in examples:
            if len(shown) < _SHOWN and example not in shown:
                shown.append(example)

    def __bool__(self) -> bool:
        return bool(self._plain or self._counts)

    def messages(self) -> list[str]:
        """All problems as sentences, single ones first."""
        counted = []
        for kind, count in self._counts.items():
            shown = self._examples[kind]
            more = count > len(shown)
            counted.append(f"{kind}{f', {count:,} in all' if more else ''}: {', '.join(shown)}{', …' if more else ''}")
        return self._plain + counted

    def raise_if_any(self, source: str) -> None:
        """Raise one DataError that lists every problem, if there is one."""
        if self:
            raise DataError(source, self.messages())
