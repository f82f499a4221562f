"""How a leaderboard and a test table look: aligned text for people, Markdown for reports, CSV and JSON for programs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from embedllm.cli.tables import render as render_rows
from tune.config import OBJECTIVES
from tune.labels import encoder_label

Format = Literal["table", "csv", "json", "markdown"]
PLAIN_WIDTH = 100
"""Columns of a text table that goes to no terminal."""


@dataclass(frozen=True)
class _Column:
    """One column of the table for people.

    Args:
        title: its heading.
        cell: row -> text.
        keep: the columns of the lowest number are left out first where the table is too wide; None is never left out.
        name: the leaderboard's column it shows, named where it is left out.
        numeric: aligned to the right.
    """

    title: str
    cell: Callable[[dict[str, Any]], str]
    keep: int | None
    name: str
    numeric: bool = True


def render(
    frame: pd.DataFrame,
    objective: str,
    *,
    format: Format = "table",
    footnotes: Sequence[str] = (),
    console: Console | None = None,
) -> str:
    """The leaderboard as text without a final newline.

    Args:
        frame: made by :func:`tune.leaderboard.leaderboard`.
        objective: the metric that ranked it.
        format: `table` shows what varies, as many columns as fit; `markdown` the same without limit of width; `csv` and
            `json` (a list of flat rows, missing values null) hold every column and no footnotes.
        footnotes: lines below the table.
        console: whose width and colours to use; default the terminal's, or 100 columns without colours.
    """
    if format in ("csv", "json"):
        return render_rows(_plain_rows(frame), format)
    rows = _plain_rows(frame)
    columns = _columns(rows, objective)
    if format == "markdown":
        cells = [[column.cell(row) for column in columns] for row in rows]
        return _markdown([column.title for column in columns], cells, [column.numeric for column in columns], footnotes)
    console = console or _default_console()
    constants = _constants(rows)
    left_out: list[str] = []
    table = _table(rows, columns, objective)
    while _width(console, table) > console.width and any(column.keep is not None for column in columns):
        least = min((column for column in columns if column.keep is not None), key=lambda column: column.keep or 0)
        columns.remove(least)
        left_out.append(least.name)
        table = _table(rows, columns, objective)
    notes = list(footnotes)
    if constants:
        notes.append("All rows: " + ", ".join(constants) + ".")
    if left_out:
        notes.append(f"Not shown for lack of width: {', '.join(left_out)}; --format csv has every column.")
    return _printed(console, table, notes)


def _columns(rows: list[dict[str, Any]], objective: str) -> list[_Column]:
    """What to show: identity, the configuration's columns that vary, the objective, and as much of the rest as fits."""

    def number(name: str, form: str) -> Callable[[dict[str, Any]], str]:
        return lambda row: "-" if row[name] is None else format(row[name], form)

    configuration = [
        _Column("encoder", lambda row: encoder_label(row["encoder"]), 10, "encoder", numeric=False),
        _Column("dim", number("embedding_dim", "d"), 10, "embedding_dim"),
        _Column("α", number("noise", ".3f"), 9, "noise"),
        _Column("train", lambda row: f"{row['training_questions'] or 'all'}", 9, "training_questions"),
        _Column("lr", number("learning_rate", ".1e"), 6, "learning_rate"),
        _Column("decay", number("weight_decay", ".0e"), 3, "weight_decay"),
        _Column("batch", lambda row: f"{row['batch_questions'] or 'recipe'}", 2, "batch_questions"),
    ]
    second = "val_accuracy" if objective != "val_accuracy" else "val_log_loss"
    columns = [
        _Column("rank", _rank_cell, None, "rank"),
        _Column("trial", _trial_cell, None, "trial"),
        *(column for column in configuration if _varies(rows, column.name)),
        _Column(_metric_title(objective), lambda row: _with_sd(row, objective), None, objective),
    ]
    if any(row["delta"] is not None for row in rows):
        columns.append(_Column("Δ", _delta_cell, 8, "delta"))
    if any(row.get(second) is not None for row in rows):
        columns.append(_Column(_metric_title(second), number(second, ".4f"), 5, second))
    columns.append(_Column("epochs", _budget_cell, 7, "budget"))
    columns.append(_Column("s", number("seconds", ".1f"), 4, "seconds"))
    return columns


def _varies(rows: list[dict[str, Any]], name: str) -> bool:
    """Whether the searched trials differ in a column; the baseline differs from them by design."""
    values = {row[name] for row in rows if row["role"] == "trial"} or {row[name] for row in rows}
    return len(values) > 1


def _constants(rows: list[dict[str, Any]]) -> list[str]:
    trials = [row for row in rows if row["role"] == "trial"]
    if len(trials) < 2:
        return []
    names = {
        "encoder": "encoder",
        "embedding_dim": "dim",
        "noise": "α",
        "training_questions": "training questions",
        "learning_rate": "lr",
        "weight_decay": "decay",
    }
    return [f"{title} {_value(trials[0][name])}" for name, title in names.items() if not _varies(rows, name)]


def _value(value: Any) -> str:
    """A constant as it is typed; None stands for all training questions."""
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _rank_cell(row: dict[str, Any]) -> str:
    if row["rank"] is not None:
        return f"{row['rank']}"
    return {"COMPLETE": "-", "FAIL": "failed"}.get(row["state"], row["state"].lower())


def _delta_cell(row: dict[str, Any]) -> str:
    return "-" if row["delta"] is None or row["role"] == "baseline" else f"{row['delta']:+.4f}"


def _trial_cell(row: dict[str, Any]) -> str:
    return "paper" if row["role"] == "baseline" else f"{row['trial']}"


def _with_sd(row: dict[str, Any], metric: str) -> str:
    value, sd = row.get(metric), row.get(f"{metric}_sd")
    if value is None:
        return "-"
    return f"{value:.4f}" if sd is None else f"{value:.4f} ± {sd:.4f}"


def _budget_cell(row: dict[str, Any]) -> str:
    return f"{row['budget']}" if row["budget"] == row["epochs"] else f"{row['budget']}/{row['epochs']}"


def _table(rows: list[dict[str, Any]], columns: Sequence[_Column], objective: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column.title, justify="right" if column.numeric else "left", no_wrap=True)
    best = _best([row for row in rows if row["rank"] is not None], objective)
    for row in rows:
        cells = []
        for column in columns:
            cell = Text(column.cell(row))
            if column.name == objective and row["rank"] is not None and row[objective] == best:
                cell.stylize("bold green")
            elif column.name == "delta" and row["delta"]:
                cell.stylize("green" if (row["delta"] > 0) == _maximised(objective) else "red")
            cells.append(cell)
        table.add_row(*cells, style=_row_style(row))
    return table


def _row_style(row: dict[str, Any]) -> str:
    if row["role"] == "baseline":
        return "cyan"
    return "" if row["state"] == "COMPLETE" else "dim"


def _best(rows: list[dict[str, Any]], metric: str) -> float | None:
    values = [row[metric] for row in rows if row.get(metric) is not None]
    return (max if _maximised(metric) else min)(values) if values else None


def _maximised(metric: str) -> bool:
    name = metric.removeprefix("test_").removeprefix("val_")
    return OBJECTIVES.get(f"val_{name}") == "maximize"


def _metric_title(metric: str) -> str:
    """`val_log_loss` -> `val log-loss`."""
    names = {"log_loss": "log-loss", "roc_auc": "AUC", "ece": "ECE", "brier": "Brier"}
    for name, title in names.items():
        metric = metric.replace(name, title)
    return metric.replace("_", " ")


def _markdown(
    titles: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool], footnotes: Sequence[str]
) -> str:
    rule = ["---:" if right else "---" for right in numeric]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in cells]
    lines = ["| " + " | ".join(row) + " |" for row in (titles, rule, *escaped)]
    return "\n".join([*lines, *([""] if footnotes else []), *(f"{note.strip()}  " for note in footnotes)]).rstrip()


def _plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of Python values; missing, NaN and infinite ones are None, as JSON knows no other."""
    return [
        {str(name): _plain(value) for name, value in row.items()} for row in frame.astype(object).to_dict("records")
    ]


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def _width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=10_000)).maximum


def _default_console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def _printed(console: Console, table: Table, notes: Sequence[str]) -> str:
    with console.capture() as capture:
        console.print(table)
        console.print()
        for note in notes:
            console.print(Text(note, style="dim"))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).rstrip()
