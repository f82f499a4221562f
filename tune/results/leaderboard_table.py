"""How a leaderboard looks: aligned text for people, Markdown and HTML for reports, CSV and JSON for programs."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import pandas as pd
from rich.console import Console

from embedllm.cli.tables import render as render_rows
from tune.config import OBJECTIVES
from tune.labels import counted, decimals, encoder_label
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

Format = Literal["table", "csv", "json", "markdown", "html"]
CONSTANTS = {
    "encoder": "encoder",
    "embedding_dim": "dim",
    "noise": "α",
    "training_questions": "training questions",
    "learning_rate": "lr",
    "weight_decay": "decay",
}
"""What is said in a line where all trials share it -> how it is called there."""


def render(
    frame: pd.DataFrame,
    objective: str,
    *,
    format: Literal["table", "csv", "json", "markdown"] = "table",
    footnotes: Sequence[str] = (),
    console: Console | None = None,
) -> str:
    """The leaderboard as text without a final newline.

    Args:
        frame: made by :func:`tune.results.leaderboard.leaderboard`.
        objective: the metric that ranked it.
        format: `table` shows what varies, as many columns as fit; `markdown` the same without limit of width; `csv` and
            `json` (a list of flat rows, missing values null) hold every column and no footnotes.
        footnotes: lines below the table.
        console: whose width and colours to use; default the terminal's, or 100 columns without colours.
    """
    if format == "csv" and frame.empty:
        return ",".join(frame.columns)
    if format in ("csv", "json"):
        return render_rows(plain_rows(frame), format)
    notes = [*footnotes, *constants(frame)]
    if format == "markdown":
        tables = [grid.markdown() for grid in grids(frame, objective)]
        return "\n\n".join([*tables, *(["\n".join(f"{note.strip()}  " for note in notes)] if notes else [])]).rstrip()
    console = console or default_console()
    shown, left_out = narrowed(grids(frame, objective), console)
    if left_out:
        notes.append(f"Not shown for lack of width: {', '.join(left_out)}; --format csv has every column.")
    return "\n\n".join([*(grid.printed(console) for grid in shown), printed_notes(notes, console)]).rstrip()


def grids(frame: pd.DataFrame, objective: str) -> list[Grid]:
    """The leaderboard as tables for people: one, or one per budget and one of what is not ranked."""
    shown, rows = columns(frame, objective), plain_rows(frame)
    budgets: list[Any] = list(dict.fromkeys(row["ranked_budget"] for row in rows))
    if len(set(budgets) - {None}) < 2:
        return [Grid(shown, rows, row_style=_row_style, stands_out=_stands_out)]
    found = []
    for budget in budgets:
        group = [row for row in rows if row["ranked_budget"] == budget]
        count = sum(row["role"] == "trial" for row in group)
        ranked = f"{counted(budget or 0, 'epoch')}: {counted(count, 'trial')}"
        found.append(Grid(shown, group, "Not ranked" if budget is None else ranked, _row_style, _stands_out))
    return found


def constants(frame: pd.DataFrame) -> list[str]:
    """A sentence on the configuration columns that are not shown because all trials share their value, if any."""
    rows = plain_rows(frame)
    trials = [row for row in rows if row["role"] == "trial"]
    shared = [name for name in CONSTANTS if not _varies(rows, name)] if len(trials) > 1 else []
    return (
        [f"All trials shown: {', '.join(f'{CONSTANTS[name]} {_value(trials[0][name])}' for name in shared)}."]
        if shared
        else []
    )


def plain_rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of Python values, missing ones None."""
    return [
        {str(name): plain_value(value) for name, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]


def columns(frame: pd.DataFrame, objective: str) -> list[Column]:
    """What to show: identity, the configuration's columns that vary, the objective, the difference, and the rest."""
    rows = plain_rows(frame)

    def number(name: str, form: str) -> Callable[[Row], str]:
        return lambda row: "-" if row[name] is None else format(row[name], form)

    configuration = [
        Column("encoder", lambda row: encoder_label(row["encoder"]), 10, "encoder", numeric=False),
        Column("dim", number("embedding_dim", "d"), 10, "embedding_dim"),
        Column("α", number("noise", ".3f"), 9, "noise"),
        Column("train", lambda row: f"{row['training_questions'] or 'all'}", 9, "training_questions"),
        Column("lr", number("learning_rate", ".1e"), 5, "learning_rate"),
        Column("decay", number("weight_decay", ".0e"), 3, "weight_decay"),
        Column("batch", lambda row: f"{row['batch_questions'] or 'recipe'}", 2, "batch_questions"),
    ]
    second = "val_accuracy" if objective != "val_accuracy" else "val_log_loss"
    best = _best_per_budget(rows, objective)
    found = [
        Column("rank", _rank_cell, None, "rank"),
        Column("trial", _trial_cell, None, "trial"),
        *(column for column in configuration if _varies(rows, column.name)),
        Column(
            metric_title(objective),
            lambda row: with_spread(row[objective], row[f"{objective}_sd"]),
            None,
            objective,
            style=lambda row: "bold green" if row["rank"] and row[objective] == best[row["ranked_budget"]] else "",
        ),
    ]
    if any(row["delta"] is not None for row in rows):
        title = "Δ [95 %]" if any(row["delta_low"] is not None for row in rows) else "Δ"
        found.append(Column(title, _delta_cell, 11, "delta", style=lambda row: _delta_style(row, objective)))
    if any(row.get(second) is not None for row in rows):
        found.append(Column(metric_title(second), number(second, ".4f"), 4, second))
    found.append(Column("epochs", _budget_cell, 7, "budget"))
    found.append(seconds_column(rows, digits=2))
    return found


def seconds_column(rows: Sequence[Row], digits: int) -> Column:
    """Training seconds, aligned: each with as many decimals as the shortest needs for so many significant digits."""
    form = f".{decimals((row['seconds'] for row in rows), digits)}f"
    return Column("s", lambda row: "-" if row["seconds"] is None else format(row["seconds"], form), 6, "seconds")


def _varies(rows: Sequence[Row], name: str) -> bool:
    """Whether the searched trials differ in a column; the baseline differs from them by design."""
    values = {row[name] for row in rows if row["role"] == "trial"} or {row[name] for row in rows}
    return len(values) > 1


def _value(value: object) -> str:
    """A constant as it is typed; None stands for all training questions."""
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _rank_cell(row: Row) -> str:
    if row["rank"] is not None:
        return f"{row['rank']}"
    return {"COMPLETE": "-", "FAIL": "failed"}.get(row["state"], row["state"].lower())


def _delta_cell(row: Row) -> str:
    return difference_text(None if row["role"] == "baseline" else row["delta"], row["delta_low"], row["delta_high"])


def _delta_style(row: Row, objective: str) -> str:
    """Colour for differences whose interval excludes zero: the others are noise, for all this table knows."""
    low, high = row["delta_low"], row["delta_high"]
    if low is None or high is None or low <= 0 <= high:
        return ""
    return "green" if (low > 0) == (OBJECTIVES[objective] == "maximize") else "red"


def _trial_cell(row: Row) -> str:
    return "paper" if row["role"] == "baseline" else f"{row['trial']}"


def _budget_cell(row: Row) -> str:
    return f"{row['budget']}" if row["budget"] == row["epochs"] else f"{row['budget']}/{row['epochs']}"


def _row_style(row: Row) -> str:
    if row["role"] == "baseline":
        return "cyan"
    return "" if row["state"] == "COMPLETE" else "dim"


def _stands_out(row: Row) -> bool:
    return row["role"] == "baseline"


def _best_per_budget(rows: Sequence[Row], metric: str) -> dict[int | None, float]:
    best = max if OBJECTIVES[metric] == "maximize" else min
    found: dict[int | None, list[float]] = {}
    for row in rows:
        if row["rank"] is not None:
            found.setdefault(row["ranked_budget"], []).append(row[metric])
    return {budget: best(values) for budget, values in found.items()}
