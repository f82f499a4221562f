"""Self-contained HTML pages: one file that needs no network, no scripts and nothing beside it.

page = Page("Sweep first", subtitle="HELM Lite, 64 trials")
page.section("Leaderboard").table(frame, caption="The ten best.").text("Chosen by `val_log_loss`.")
page.write(Path("report.html"))
"""

import math
import numbers
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from embedllm.figures.saved import SavedFigure
from embedllm.figures.svg import inline_svg
from embedllm.storage import replaced_file
from embedllm.version import __version__
from embedllm.visible import visible

TEMPLATE_FILE = "page.html.j2"
MISSING = "–"
WIDE = 110
"""Characters across a table from which on it is set in smaller letters."""
CELL_MARGIN = 3
"""Characters that fit into a cell's margins."""
LONG_CELL = 60
"""Characters of a cell from which on it is broken into lines."""
FIGURE_TABLE_ROWS = 200
"""Rows of a figure's table that a page shows; the CSV beside the figure has all."""
NUMBER = re.compile(r"[+\-−]?[\d.,]+(e[+\-−]?\d+)?(?![\w-])")
"""What a cell of a numeric column begins with, as `0.5354 ± 0.0004` does, and neither `7B` nor `2026-01-31`."""
PIECE = re.compile(r"± [^ ]+|\[[^\]]*\]")
"""Parts of a cell that stay on one line."""
ANCHOR = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class _Block:
    """One piece of a page: `kind` chooses how the template shows `content`."""

    kind: str
    content: Any
    caption: str = ""


@dataclass(frozen=True)
class _Cells:
    """A table ready to be shown.

    Args:
        titles: column headings.
        numeric: per column, whether it is aligned to the right.
        rows: texts of the cells.
        highlighted: positions of rows to stand out.
        total: rows there would be, had none been left out.
    """

    titles: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[str]]
    highlighted: Collection[int]
    total: int

    @property
    def wide(self) -> bool:
        """Whether it needs smaller letters to fit a page."""
        texts = [[title, *column] for title, *column in zip(self.titles, *self.rows, strict=True)]
        return sum(max(map(len, column)) + CELL_MARGIN for column in texts) > WIDE


@dataclass(frozen=True)
class _Section:
    title: str
    anchor: str
    blocks: list[_Block] = field(default_factory=list)


class Page:
    """A page built from top to bottom; each method adds a piece and returns the page.

    All text is escaped; `code` in backticks is set in monospace, **claims** between two stars each in bold.

    Args:
        title: heading, and title of the browser's tab.
        subtitle: one line below it.
    """

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self.subtitle = subtitle
        self._lead = _Section("", "")
        self._sections: list[_Section] = []
        self._figures = 0
        self._tables = 0

    def section(self, title: str, anchor: str | None = None) -> "Page":
        """Begin a section, an entry in the table of contents.

        Args:
            title: its heading.
            anchor: end of its address, `report.html#anchor`; None = made from the title.

        Raises:
            ValueError: if another section has this anchor, or it holds more than letters, digits, `-` and `_`.
        """
        taken = {section.anchor for section in self._sections}
        if anchor is None:
            anchor = base = re.sub(r"\W+", "-", title.lower()).strip("-") or "section"
            number = 2
            while anchor in taken:
                anchor, number = f"{base}-{number}", number + 1
        elif anchor in taken:
            raise ValueError(f"two sections cannot share the anchor {anchor!r}")
        elif not ANCHOR.fullmatch(anchor):
            raise ValueError(f"an anchor must be letters, digits, - and _ but is {anchor!r}")
        self._sections.append(_Section(title, anchor))
        return self

    def text(self, paragraph: str) -> "Page":
        """Add a paragraph."""
        return self._add("text", _rich(paragraph))

    def heading(self, title: str) -> "Page":
        """Begin a part of the section, with a smaller heading that the table of contents leaves out."""
        return self._add("heading", _rich(title))

    def bullets(self, items: Iterable[str]) -> "Page":
        """Add a list."""
        return self._add("bullets", [_rich(item) for item in items])

    def facts(self, mapping: Mapping[str, object]) -> "Page":
        """Add names and what they stand for; None and NaN show as a dash."""
        return self._add("facts", [(name, _rich(_cell(value, None))) for name, value in mapping.items()])

    def code(self, text: str) -> "Page":
        """Add lines to be copied as they are: commands, configurations."""
        return self._add("code", text.strip("\n"))

    def table(
        self,
        frame: pd.DataFrame,
        caption: str = "",
        highlight_rows: Collection[int] = (),
        formats: Mapping[str, str] | None = None,
        *,
        folded: bool = False,
    ) -> "Page":
        """Add a table; its index is not shown. A wide one scrolls in a box of its own.

        Args:
            frame: one row per line. Columns of numbers, also those formatted as text, are aligned to the right.
            caption: numbered and set above; none where empty.
            highlight_rows: positions, from 0, of rows to stand out.
            formats: column -> format specification such as `.4f` or `,d`; other fractions show four significant digits.
            folded: show the caption only, until the reader asks for the table.

        Raises:
            ValueError: if `formats` names a column that is not there.
        """
        unknown = sorted(set(formats or ()) - set(map(str, frame.columns)))
        if unknown:
            raise ValueError(f"formats for columns {', '.join(unknown)}, but the table has {', '.join(frame.columns)}")
        if caption:
            self._tables += 1
            caption = f"Table {self._tables}. {caption}"
        return self._add("folded" if folded else "table", _cells(frame, highlight_rows, formats or {}), caption)

    def figure(self, saved: SavedFigure) -> "Page":
        """Add a saved figure with its caption and, folded away, the table it was drawn from."""
        self._figures += 1
        name = f"figure:{self._figures}"  # no section's anchor can have a colon
        svg = inline_svg(saved.svg, prefix=f"{name}:", label=saved.caption)
        frame = pd.read_csv(saved.table)
        shown = _cells(frame.head(FIGURE_TABLE_ROWS), (), {}, total=len(frame))
        content = {"svg": Markup(svg), "cells": shown, "file": saved.table.name, "anchor": name}
        return self._add("figure", content, f"Figure {self._figures}. {saved.caption}")

    def html(self) -> str:
        """The whole page."""
        page = _template().render(
            title=self.title,
            subtitle=_rich(self.subtitle),
            lead=self._lead,
            sections=self._sections,
            version=__version__,
        )
        return visible(page)  # marks of direction, for instance, would turn what stands around a name

    def write(self, path: Path) -> None:
        """Write the page, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_file(path) as staged:
            staged.write_text(self.html(), encoding="utf-8")

    def _add(self, kind: str, content: Any, caption: str = "") -> "Page":
        section = self._sections[-1] if self._sections else self._lead
        section.blocks.append(_Block(kind, content, caption))
        return self


@cache
def _template() -> jinja2.Template:
    source = resources.files("embedllm.figures").joinpath(TEMPLATE_FILE).read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.globals["LONG_CELL"] = LONG_CELL
    environment.filters |= {"rich": _rich, "in_pieces": _in_pieces}
    return environment.from_string(source)


def _rich(text: str) -> Markup:
    """Escaped text in which `…` between backticks is code and **…** is strong; marks without a partner stay."""
    tags = {"`": Markup("<code>{}</code>"), "*": Markup("<strong>{}</strong>")}
    parts = re.split(r"(`[^`]+`|\*\*(?=\S)[^*]+(?<=\S)\*\*)", text)
    return Markup("").join(
        tags[part[0]].format(part.strip(part[0])) if position % 2 else escape(part)
        for position, part in enumerate(parts)
    )


def _in_pieces(text: str) -> str:
    """A cell such as `0.5 ± 0.1 [0.4, 0.6]` that a narrow column breaks before `±` and before `[` only."""
    return PIECE.sub(lambda piece: piece[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def _cells(
    frame: pd.DataFrame, highlighted: Collection[int], formats: Mapping[str, str], total: int | None = None
) -> _Cells:
    titles = [str(name) for name in frame.columns]
    columns = [
        [_cell(value, formats.get(title)) for value in frame.iloc[:, position].tolist()]
        for position, title in enumerate(titles)
    ]
    numeric = [_is_numeric(texts) for texts in columns]
    rows = list(zip(*columns, strict=True)) if columns else []
    return _Cells(titles, numeric, rows, frozenset(highlighted), len(frame) if total is None else total)


def _is_numeric(texts: Sequence[str]) -> bool:
    """Whether most cells that are there begin with a number: `1,606` makes a column of numbers, also beside `all`."""
    present = [text for text in texts if text not in (MISSING, "-", "")]
    return 2 * sum(NUMBER.match(text) is not None for text in present) > len(present)


def _cell(value: object, spec: str | None) -> str:
    """A value as text: missing ones as a dash, numbers by `spec` or with four significant digits."""
    if value is None or value is pd.NA or value is pd.NaT:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, numbers.Real):
        number = float(value)
        if math.isnan(number):
            return MISSING
        if spec is not None:
            # A column with gaps holds whole numbers as floats, which integer formats refuse.
            return format(int(number) if spec.endswith("d") else value, spec)
        if number.is_integer() and abs(number) < 1e15:
            return str(int(number))
        return f"{number:.0f}" if 1e4 <= abs(number) < 1e7 else f"{number:.4g}"
    return str(value)
