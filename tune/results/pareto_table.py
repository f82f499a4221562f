"""How a Pareto front looks: the leaderboard's columns with every objective first, and no rank."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import pandas as pd
from rich.console import Console

from embedllm.cli.tables import render as render_rows
from tune.results.grid import Column, Grid, Row, default_console, metric_title, narrowed, printed_notes, with_spread
from tune.results.leaderboard_table import columns as leaderboard_columns
from tune.results.leaderboard_table import constants, plain_rows, seconds_column
from tune.search.objectives import COSTS, Objective

COLUMN_OF = {"epochs": "budget"}
"""Objectives that the leaderboard shows in a column of another name."""

SECONDS_DIGITS = (3, 4, 5)
"""Significant digits of the shortest training where seconds are an objective."""


def render_front(
    frame: pd.DataFrame,
    objectives: Sequence[Objective],
    *,
    format: Literal["table", "csv", "json", "markdown"] = "table",
    footnotes: Sequence[str] = (),
    console: Console | None = None,
) -> str:
    """The front and what lies behind it, as text without a final newline.

    Args:
        frame: made by :func:`tune.results.pareto.front_frame`.
        objectives: the sweep's.
        format: as of :func:`tune.results.leaderboard_table.render`.
        footnotes: lines below the table.
        console: whose width and colours to use; default the terminal's, or 100 columns without colours.
    """
    if format == "csv" and frame.empty:
        return ",".join(frame.columns)
    if format in ("csv", "json"):
        return render_rows(plain_rows(frame), format)
    grid = front_grid(frame, objectives)
    notes = [*footnotes, *constants(frame)]
    if format == "markdown":
        return "\n\n".join([grid.markdown(), *(["\n".join(f"{note}  " for note in notes)] if notes else [])]).rstrip()
    console = console or default_console()
    [shown], left_out = narrowed([grid], console)
    if left_out:
        notes.append(f"Not shown for lack of width: {', '.join(left_out)}; --format csv has every column.")
    return f"{shown.printed(console)}\n\n{printed_notes(notes, console)}".rstrip()


def front_grid(frame: pd.DataFrame, objectives: Sequence[Objective]) -> Grid:
    """The table for people: on the front or not, the trial, its objectives, and the leaderboard's other columns."""
    unranked = frame.assign(rank=None, ranked_budget=None)
    rows = plain_rows(unranked)
    known = {column.name: column for column in leaderboard_columns(unranked, objectives[0].name)}
    names = [COLUMN_OF.get(objective.name, objective.name) for objective in objectives]
    if "seconds" in names:
        known["seconds"] = _apart(rows)
    first = [
        Column("front", _front_cell, None, "front", numeric=False),
        known["trial"],
        *(_objective_column(objective, known.get(name)) for objective, name in zip(objectives, names, strict=True)),
    ]
    rest = [column for name, column in known.items() if name not in ("rank", "trial", *names)]
    return Grid([*first, *rest], rows, row_style=_row_style, stands_out=lambda row: bool(row["front"]))


def _apart(rows: Sequence[Row]) -> Column:
    """Seconds with digits enough that no two trials look equal that are not, within reason."""
    different = len({row["seconds"] for row in rows})
    for digits in SECONDS_DIGITS:
        column = seconds_column(rows, digits)
        if len({column.cell(row) for row in rows}) == different:
            break
    return column


def _objective_column(objective: Objective, known: Column | None) -> Column:
    name = objective.name
    if name not in COSTS:
        return Column(metric_title(name), lambda row: with_spread(row.get(name), row.get(f"{name}_sd")), None, name)
    if known is None or name == "training_questions":
        return Column(name.replace("_", " "), _count(name), None, name)
    return replace(known, keep=None)


def _count(name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        if row[name] is None:
            return "all" if name == "training_questions" else "-"
        return f"{row[name]:,}"

    return cell


def _front_cell(row: Row) -> str:
    if row["front"]:
        return "yes"
    return {"COMPLETE": "-", "FAIL": "failed"}.get(row["state"], row["state"].lower())


def _row_style(row: Row) -> str:
    if row["role"] == "baseline":
        return "cyan"
    return "bold" if row["front"] else "dim"
