"""Figures saved as pictures with their tables; see :mod:`embedllm.figures.saved`."""

import json
import re
from pathlib import Path

import pandas as pd
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.text import Text

from embedllm.figures.saved import INDEX_FILE, SavedFigure, read_captions
from embedllm.figures.style import house_style
from embedllm.storage import replaced_file

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


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
    """Two `$` in a name from the data would be read as mathematics between them, and mostly be an error in it."""
    for text in figure.findobj(Text):
        if isinstance(text, Text) and "$" in text.get_text() and "\\math" not in text.get_text():
            text.set_parse_math(False)
