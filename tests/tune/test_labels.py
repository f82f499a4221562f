"""Counts and reasons in messages."""

import pytest

from tune.labels import counted, error_line, first_line


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 GPUs"), (1, "1 GPU"), (1.0, "1 GPU"), (0.5, "0.5 GPUs"), (8.0, "8 GPUs"), (2400, "2,400 GPUs")],
)
def test_counts_agree_with_what_is_counted(count: float, text: str) -> None:
    assert counted(count, "GPU") == text


def test_a_reason_is_one_line_also_where_there_is_none() -> None:
    assert first_line("\n diverged\nmore", "unknown") == "diverged"
    assert first_line("  ", "unknown") == "unknown"
    assert error_line(ValueError("one\ntwo")) == "one"
    assert error_line(ValueError()) == "ValueError"
