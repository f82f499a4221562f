"""Errors meant for the user: each says what was given, what is allowed and what to do."""

from collections.abc import Sequence


class EmbedLLMError(Exception):
    """Base of every error this project raises on purpose. Commands print it without a traceback."""


class DataError(EmbedLLMError):
    """Bad input data. Lists *every* problem found, so that one round of repair is enough."""

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        noun = "problem" if len(self.problems) == 1 else "problems"
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} {noun} in {source}:\n{lines}")

    def __reduce__(self) -> tuple[type["DataError"], tuple[str, tuple[str, ...]]]:
        # Exception's default would pass the formatted message as `source` when a worker sends the error back.
        return type(self), (self.source, self.problems)


class ConfigError(EmbedLLMError):
    """A configuration value outside what is allowed."""
