"""Collecting what is wrong with an input, so that one message can list all of it."""

from collections import Counter
from collections.abc import Iterable, Sequence

from embedllm.errors import DataError
from embedllm.visible import one_line

_SHOWN = 5
_LISTED = 12  # columns of an ordinary table, which one wants to see all of


def count_of(count: int, noun: str) -> str:
    """`1 question`, `2,500 questions`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def some_of(values: Iterable[str]) -> str:
    """The first few values, each on one line and shortened, and a sign where there are more."""
    texts = [one_line(value) for value in values]
    shown = ", ".join(text if len(text) <= 60 else text[:57] + "…" for text in texts[:_SHOWN])
    return shown + (", …" if len(texts) > _SHOWN else "")


def listed(names: Sequence[str]) -> str:
    """All names where they are few, else the first ones and how many there are."""
    if len(names) <= _LISTED:
        return ", ".join(map(one_line, names))
    return f"{some_of(names)} ({len(names):,} in all)"


class Problems:
    """Problems found so far. Repeated ones of a kind are counted, and the first few named."""

    def __init__(self) -> None:
        self._plain: list[str] = []
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._remedies: dict[str, tuple[str, list[str]]] = {}

    def add(self, problem: str) -> None:
        """A problem of its own."""
        self._plain.append(problem)

    def count(self, kind: str, count: int, examples: Iterable[str], *, remedy: str = "", name: str = "") -> None:
        """More problems of one kind.

        Args:
            kind: such as "train.csv: rows that name no model".
            count: how many.
            examples: some of them.
            remedy: what to do, the end of the message; `{}` in it stands for all names of the kind, with commas.
            name: of what is at fault, such as a column.
        """
        self._counts[kind] += count
        shown = self._examples.setdefault(kind, [])
        for example in examples:
            if len(shown) < _SHOWN and example not in shown:
                shown.append(example)
        if remedy:
            names = self._remedies.setdefault(kind, (remedy, []))[1]
            if name not in names:
                names.append(name)

    def __bool__(self) -> bool:
        return bool(self._plain or self._counts)

    def messages(self) -> list[str]:
        """All problems as sentences, single ones first."""
        counted = []
        for kind, count in self._counts.items():
            shown = self._examples[kind]
            more = count > len(shown)
            remedy, names = self._remedies.get(kind, ("", []))
            end = f"; {remedy.format(','.join(names) if len(names) <= _LISTED else 'NAME,…')}" if remedy else ""
            counted.append(
                f"{kind}{f', {count:,} in all' if more else ''}: {', '.join(shown)}{', …' if more else ''}{end}"
            )
        return self._plain + counted

    def raise_if_any(self, source: str) -> None:
        """Raise one DataError that lists every problem, if there is one."""
        if self:
            raise DataError(source, self.messages())
