"""Tables of texts for people: columns that say how a row is shown, and what becomes of them in a terminal, in Markdown
and on a page."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from embedllm.visible import markdown_cell, one_line, visible

GAP = 2
"""Spaces between two columns."""

PLAIN_WIDTH = 100
"""Columns of a text table that goes to no terminal."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column of a table for people.

    Args:
        title: its heading.
        cell: row -> text.
        keep: the columns of the lowest number are left out first where the table is too wide; None is never left out.
        name: the column of the data it shows, named where it is left out.
        numeric: aligned to the right.
        style: row -> rich style of the cell; empty = none.
    """

    title: str
    cell: Callable[[Row], str]
    keep: int | None
    name: str
    numeric: bool = True
    style: Callable[[Row], str] = lambda row: ""


@dataclass(frozen=True)
class Grid:
    """A table ready to be shown.

    Args:
        columns: what it shows of each row.
        rows: from top to bottom.
        heading: a line above it; empty = none.
        row_style: row -> rich style; empty = none.
        stands_out: row -> whether a page sets it off.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    heading: str = ""
    row_style: Callable[[Row], str] = field(default=lambda row: "")
    stands_out: Callable[[Row], bool] = field(default=lambda row: False)

    @property
    def highlighted(self) -> list[int]:
        """Positions of the rows that stand out."""
        return [position for position, row in enumerate(self.rows) if self.stands_out(row)]

    def by_importance(self) -> "Grid":
        """The same with the least important columns last, for a page in a narrow window."""
        columns = sorted(self.columns, key=lambda column: -math.inf if column.keep is None else -column.keep)
        return replace(self, columns=columns)

    @property
    def widths(self) -> list[int]:
        """Characters each column needs."""
        return [
            max(map(cell_len, (column.title, *(one_line(column.cell(row)) for row in self.rows))))
            for column in self.columns
        ]

    def printed(self, console: Console) -> str:
        """Aligned text, in the console's colours."""
        with console.capture() as capture:
            if self.heading:
                console.print(Text(self.heading, style="bold"))
            console.print(self._table())
        return _stripped(capture.get())

    def markdown(self) -> str:
        """A Markdown table below its heading."""
        titles = [column.title for column in self.columns]
        rule = ["---:" if column.numeric else "---" for column in self.columns]
        cells = [[markdown_cell(column.cell(row)) for column in self.columns] for row in self.rows]
        lines = ["| " + " | ".join(texts) + " |" for texts in (titles, rule, *cells)]
        return "\n".join([*([f"**{self.heading}**", ""] if self.heading else []), *lines])

    def frame(self) -> pd.DataFrame:
        """The texts for a page: numbers with typographic minus signs, None where there is nothing."""

        def texts(column: Column) -> list[str | None]:
            cells = [column.cell(row) for row in self.rows]
            return [None if cell == "-" else cell.replace("-", "−") if column.numeric else cell for cell in cells]

        return pd.DataFrame({column.title: texts(column) for column in self.columns}, dtype=object)

    def _table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for column, width in zip(self.columns, self.widths, strict=True):  # given, or rich measures every cell, slowly
            table.add_column(column.title, justify="right" if column.numeric else "left", no_wrap=True, width=width)
        for row in self.rows:
            cells = [Text(one_line(column.cell(row)), style=column.style(row)) for column in self.columns]
            table.add_row(*cells, style=self.row_style(row))
        return table


def narrowed(grids: Sequence[Grid], console: Console) -> tuple[list[Grid], list[str]]:
    """Grids of the same columns without those for which the console is too narrow, and the names of these.

    The least important columns are left out first, in all grids alike.
    """
    shown = list(grids[0].columns) if grids else []
    widths = [dict(zip((column.name for column in grid.columns), grid.widths, strict=True)) for grid in grids]
    left_out = []
    while max((sum(of[column.name] + GAP for column in shown) - GAP for of in widths), default=0) > console.width:
        candidates = [column for column in shown if column.keep is not None]
        if not candidates:
            break
        least = min(candidates, key=lambda column: column.keep or 0)
        shown.remove(least)
        left_out.append(least.name)
    return [replace(grid, columns=shown) for grid in grids], left_out


def printed_notes(notes: Sequence[str], console: Console) -> str:
    """Sentences below a table, wrapped to the console's width."""
    with console.capture() as capture:
        for note in notes:
            console.print(Text(visible(note), style="dim"))
    return _stripped(capture.get())


def default_console() -> Console:
    """The terminal, or 100 columns without colours."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def plain_value(value: Any) -> Any:
    """A Python value; missing, NaN and infinite ones are None, as JSON knows no other."""
    value = value.item() if hasattr(value, "item") else value
    if value is None or value is pd.NA or (isinstance(value, float) and value - value != 0):
        return None
    return value


def metric_title(metric: str) -> str:
    """`val_log_loss` -> `val log-loss`."""
    names = {"log_loss": "log-loss", "roc_auc": "AUC", "ece": "ECE", "brier": "Brier"}
    for name, title in names.items():
        metric = metric.replace(name, title)
    return metric.replace("_", " ")


def difference_text(delta: float | None, low: float | None, high: float | None) -> str:
    """`-0.0050 [-0.0071, -0.0029]`; without an interval the difference alone."""
    if delta is None:
        return "-"
    return f"{delta:+.4f}" if low is None or high is None else f"{delta:+.4f} [{low:+.4f}, {high:+.4f}]"


def with_spread(value: float | None, spread: float | None) -> str:
    """`0.5354 ± 0.0004`."""
    if value is None:
        return "-"
    return f"{value:.4f}" if spread is None else f"{value:.4f} ± {spread:.4f}"


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip()
