"""Figures saved as pictures with their tables; see :mod:`embedllm.figures.saved`."""

import json
import re
from pathlib import Path

import pandas as pd
from matplotlib import rcParams
from matplotlib.cbook import strip_math
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatterMathtext, LogFormatterSciNotation

from embedllm.figures.saved import INDEX_FILE, SavedFigure, read_captions
from embedllm.figures.style import house_style
from embedllm.storage import replaced_file
from embedllm.visible import visible

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def save_figure(figure: Figure, folder: Path, name: str, table: pd.DataFrame, *, caption: str) -> SavedFigure:
    """Save a figure as NAME.png, NAME.svg and NAME.csv in `folder`, replacing an earlier one of that name.

    Each file appears whole or not at all. A new name goes to the end of the folder's order, a known one keeps its
    place.

    Args:
        figure: made by :func:`embedllm.figures.new_figure`.
        folder: made where it is missing.
        name: letters, digits, `-` and `_`.
        table: the tidy rows the figure was drawn from; its index is not kept.
        caption: see :class:`SavedFigure`.

    Raises:
        ValueError: if `name` is no such name.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"a figure's name must be letters, digits, - and _ but is {name!r}")
    folder.mkdir(parents=True, exist_ok=True)
    saved = SavedFigure.at(folder, name, caption)
    with house_style():
        # The layout, which takes as long as the drawing, is found once for all formats: at the resolution of the PNG,
        # for letters are a little wider or narrower at another, and the outermost would be cut.
        _take_dollars_literally(figure)
        figure.set_dpi(rcParams["savefig.dpi"])
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        with replaced_file(saved.png) as path:
            figure.savefig(path, format="png")
        # Transparent, so that the page's colour shows through; without a date, so that equal figures are equal files.
        with replaced_file(saved.svg) as path:
            figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
            # Matplotlib repeats the texts in comments; control characters are not allowed anywhere in XML.
            path.write_text(visible(path.read_text(encoding="utf-8")), encoding="utf-8")
    with replaced_file(saved.table) as path:
        table.to_csv(path, index=False)
    captions = read_captions(folder) | {name: caption}
    text = json.dumps(
        [{"name": key, "caption": value} for key, value in captions.items()], indent=2, ensure_ascii=False
    )
    with replaced_file(folder / INDEX_FILE) as path:
        path.write_text(text + "\n", encoding="utf-8")
    return saved


def _take_dollars_literally(figure: Figure) -> None:
    """Also in text made outside the house style; what matplotlib itself writes as mathematics needs other letters."""
    for text in figure.findobj(Text):
        if isinstance(text, Text):
            text.set_parse_math(False)
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
            axis.set_major_formatter(_PlainPowers())
        if isinstance(axis.get_minor_formatter(), LogFormatterMathtext):
            axis.set_minor_formatter(_PlainPowers())


class _PlainPowers(LogFormatterSciNotation):
    """Ticks of a logarithmic axis as matplotlib would write them, in letters: 10³."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        written = strip_math(super().__call__(x, pos)).replace("x", "×")
        return re.sub(r"\^(-?\d+)", lambda power: power[1].translate(RAISED), written)
