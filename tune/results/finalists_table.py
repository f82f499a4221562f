"""The finalists as a table for people: test metrics with standard errors, and differences to the winner."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from rich.console import Console

from embedllm.evaluation.bootstrap import BOOTSTRAP_METRICS
from embedllm.titles import METRIC_NAMES
from tune.config import OBJECTIVES
from tune.results.grid import (
    Column,
    Grid,
    Row,
    default_console,
    difference_text,
    metric_title,
    narrowed,
    plain_value,
    printed_notes,
    with_spread,
)

ORDER = ("log_loss", "accuracy", "routing_micro", "brier", "ece", "routing_macro")
"""Metrics shown, the objective before them; columns at the end go first where there is little width."""


def render_finalists(
    rows: Sequence[Mapping[str, Any]], objective: str, *, markdown: bool = False, console: Console | None = None
) -> str:
    """The table with its notes as text without a final newline.

    Args:
        rows: made by :func:`tune.results.finalists.finalist_rows`.
        objective: the sweep's; its differences to the winner are shown.
        markdown: Markdown instead of aligned text.
        console: whose width and colours to use; default the terminal's, or 100 columns without colours.
    """
    grid, notes = finalists_grid(rows, objective), finalist_notes(rows)
    if markdown:
        return "\n\n".join([grid.markdown(), "\n".join(f"{note}  " for note in notes)]).rstrip()
    console = console or default_console()
    [shown], left_out = narrowed([grid], console)
    if left_out:
        notes.append(f"Not shown for lack of width: {', '.join(left_out)}.")
    return f"{shown.printed(console)}\n\n{printed_notes(notes, console)}"


def finalists_grid(rows: Sequence[Mapping[str, Any]], objective: str) -> Grid:
    """A row per method, a column per metric; of metrics that are means over questions with their standard errors."""
    first, compared = objective.removeprefix("val_"), compared_metric(objective)

    def metric(name: str) -> Callable[[Row], str]:
        return lambda row: with_spread(plain_value(row.get(name)), plain_value(row.get(f"{name}_se")))

    columns = [Column("method", lambda row: row["title"], None, "method", numeric=False)]
    for place, name in enumerate(dict.fromkeys((first, *ORDER))):
        if any(row.get(name) is not None for row in rows):
            keep = None if place == 0 else 20 - place
            columns.append(Column(METRIC_NAMES[name].short, metric(name), keep, name))
        if name == compared and any(f"{name}_delta" in row for row in rows):
            title = "Δ vs. winner [95 %]" if name == first else f"Δ {metric_title(name)} [95 %]"
            columns.append(Column(title, _difference(name), 30, f"{name}_delta"))
            columns.append(Column("verdict", _verdict(name), 10, "verdict", numeric=False))
    return Grid(columns, rows, row_style=_style, stands_out=lambda row: row["method"] == "winner")


def compared_metric(objective: str) -> str:
    """The metric of differences on the test questions: the objective where it is a mean over questions."""
    metric = objective.removeprefix("val_")
    return metric if metric in BOOTSTRAP_METRICS else "log_loss"


def finalist_notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What one must know to read the table."""
    lines = []
    if any(name.endswith("_se") for row in rows for name in row):
        lines.append(f"±: standard error over the {rows[0]['questions']:,} test questions.")
    if any(name.endswith("_delta") for row in rows for name in row):
        lines.append(
            "Δ: method − winner, with its paired 95 % percentile interval over questions, seeds averaged; where that "
            "includes zero the difference is within noise."
        )
    spread = [f"{name} {row[f'{name}_sd']:.4f}" for row in rows[:1] for name in ORDER if f"{name}_sd" in row]
    if spread:
        lines.append(f"Standard deviation over seeds, winner: {', '.join(map(_spelt, spread))}.")
    described = [_described(row) for row in rows if row.get("about") or row.get("note")]
    return [*lines, f"{'; '.join(described)}."] if described else lines


def _described(row: Row) -> str:
    """`trial 7: lsa d=16 α=0.05 (chosen on val)`; what a trial costs stands in the table."""
    name = f"trial {row['trial']}" if "trial" in row else str(row["title"])
    text = f"{name}: {row['about']}" if row.get("about") else name
    return f"{text} ({row['note']})" if row.get("note") else text


def _spelt(text: str) -> str:
    name, value = text.split()
    return f"{metric_title(name)} {value}"


def _difference(name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        values = (plain_value(row.get(f"{name}_{part}")) for part in ("delta", "delta_low", "delta_high"))
        return difference_text(*values)

    return cell


def gain_over(row: Mapping[str, Any], metric: str) -> Literal["better", "worse", "noise"] | None:
    """Whether the winner is better or worse than this row beyond the noise of the questions, or within it.

    None for the winner itself and where there is no interval.
    """
    low, high = (plain_value(row.get(f"{metric}_delta_{end}")) for end in ("low", "high"))
    if low is None or high is None:
        return None
    if low <= 0 <= high:
        return "noise"
    return "better" if (low > 0) == (OBJECTIVES[f"val_{metric}"] == "minimize") else "worse"


def _verdict(metric: str) -> Callable[[Row], str]:
    words = {"better": "worse", "worse": "better", "noise": "within noise", None: "-"}
    return lambda row: words[gain_over(row, metric)]


def _style(row: Row) -> str:
    return {"winner": "bold green", "paper": "cyan"}.get(row["method"], "")
