"""Tables of the commands: aligned text for people; json, csv and markdown as flat rows for everything else.

A row maps column names to values. Beside a column `x` there may be `x_sd`, its standard deviation: json and csv keep
both, text and markdown put the deviations on a line of their own under the row.
"""

import csv
import io
import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from embedllm.cli.parser import Parser
from embedllm.figures import distinct_names
from embedllm.visible import columns_of, markdown_cell, one_line

Format = Literal["table", "csv", "json", "markdown"]
Row = Mapping[str, Any]


def add_format(parser: Parser) -> None:
    """Add `--format`."""
    parser.general.add_argument(
        "--format", type=Format, default="table", metavar="{table,csv,json,markdown}", help="how tables are printed"
    )


def render(rows: Sequence[Row], format: Format = "table", *, digits: int = 4) -> str:
    """The rows as text that ends without a newline.

    Args:
        rows: flat rows; columns are those of all rows, in order of first appearance. None and NaN show as `-`.
        format: `json` is a list of objects (NaN as null); `csv` has a header line. Both keep texts as they are; in the
            others a text is on one line, spells out what a terminal would obey, and is no markup.
        digits: decimals of floating-point numbers in `table` and `markdown`.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if format == "json":
        return json.dumps([{key: _plain(value) for key, value in row.items()} for row in rows], indent=2)
    if format == "csv":
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _plain(value) for key, value in row.items()} for row in rows)
        return buffer.getvalue().rstrip("\n")
    shown = [column for column in columns if not _is_deviation(column, columns)]
    cells = [line for row in rows for line in _lines(row, shown, digits)]
    numeric = {column for column in shown if all(isinstance(_plain(row.get(column)), _NUMERIC) for row in rows)}
    return _markdown(shown, cells, numeric) if format == "markdown" else _text(shown, cells, numeric)


NOTE_WIDTH = 100
LONGEST = 60
"""Characters of a text that an aligned table has room for; longer ones lose their middle."""
COMPARED = ("accuracy", "log_loss", "brier", "ece", "routing_micro", "routing_macro")
"""Metrics shown to people when methods are compared; json and csv hold all."""


def render_comparison(rows: Sequence[Row], format: Format = "table") -> str:
    """Methods against metrics, with what one must know about a method below.

    Args:
        rows: as of :class:`embedllm.experiment.Comparison`: title, note, metrics, `<metric>_sd`, `<metric>_se`.
        format: `table` and `markdown` show the metrics of :data:`COMPARED`, `csv` and `json` every column.
    """
    if format in ("json", "csv"):
        return render(rows, format)
    shown = [
        {"method": row["title"]} | {key: row[key] for name in COMPARED for key in (name, f"{name}_sd") if key in row}
        for row in rows
    ]
    notes = [f"{row['title']}: {row['note']}" for row in rows if row.get("note")]
    if any(key.endswith("_sd") for row in shown for key in row):
        notes.insert(0, "±: standard deviation over seeds")
    if errors := _standard_errors(rows):
        notes.insert(0, errors)
    table = render(shown, format)
    if format == "markdown":
        return "\n".join([table, "", *(f"- {note}" for note in notes)])
    return "\n".join([table, "", *(textwrap.fill(note, NOTE_WIDTH, subsequent_indent="  ") for note in notes)])


def _standard_errors(rows: Sequence[Row]) -> str | None:
    """One line on how far the questions asked may be from those not asked, for the first row that knows."""
    for row in rows:
        errors = {name: _plain(row.get(f"{name}_se")) for name in COMPARED}
        known = [f"{name} {error:.4f}" for name, error in errors.items() if error is not None]
        if known:
            return f"standard error over questions, {row['title']}: {', '.join(known)}"
    return None


_NUMERIC = (int, float, type(None))


def _is_deviation(column: str, columns: Sequence[str]) -> bool:
    return column.endswith("_sd") and column.removesuffix("_sd") in columns


def _lines(row: Row, columns: Sequence[str], digits: int) -> list[list[str]]:
    """The row's cells, and below them its standard deviations if it has any."""
    lines = [[_cell(row.get(column), digits) for column in columns]]
    deviations = [_plain(row.get(f"{column}_sd")) for column in columns]
    if any(value is not None for value in deviations):
        lines.append(["" if value is None else f"±{value:.{digits}f}" for value in deviations])
    return lines


def _cell(value: Any, digits: int) -> str:
    value = _plain(value)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.{digits}f}" if isinstance(value, float) else one_line(str(value))


def _plain(value: Any) -> Any:
    """NumPy scalars as Python's; NaN and infinity as None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(columns: Sequence[str], cells: Sequence[Sequence[str]], numeric: set[str]) -> str:
    long = [cell for line in cells for cell in line if len(cell) > LONGEST]
    short = dict(zip(long, distinct_names(long, LONGEST, whole=True), strict=True))
    cells = [[short.get(cell, cell) for cell in line] for line in cells]
    widths = [max(map(columns_of, column)) for column in zip(columns, *cells, strict=True)]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    lines = []
    for line in (columns, *cells):
        parts = (
            f"{room}{cell}" if column in numeric else f"{cell}{room}"
            for column, cell, width in zip(columns, line, widths, strict=True)
            for room in [" " * (width - columns_of(cell))]
        )
        lines.append("  ".join(parts).rstrip())
    return "\n".join([lines[0], rule, *lines[1:]])


def _markdown(columns: Sequence[str], cells: Sequence[Sequence[str]], numeric: set[str]) -> str:
    rule = ["---:" if column in numeric else "---" for column in columns]
    escaped = (map(markdown_cell, line) for line in (columns, *cells))
    lines = [next(escaped), rule, *escaped]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
