"""A figure on disk is four things that belong together: PNG, SVG, the table it was drawn from, and its caption.

Captions and order stand in `figures.json` of the folder, so that a report can be put together from the folder alone.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib import rcParams
from matplotlib.figure import Figure

from embedllm.errors import DataError
from embedllm.figures.style import house_style

INDEX_FILE = "figures.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class SavedFigure:
    """One figure on disk.

    Args:
        name: stem of its files.
        png: for slides and MLflow.
        svg: for print and pages.
        table: CSV of what is drawn.
        caption: what it shows, in sentences that stand without the surrounding text.
    """

    name: str
    png: Path
    svg: Path
    table: Path
    caption: str


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
    saved = _saved(folder, name, caption)
    with house_style():
        # The layout, which takes as long as the drawing, is found once for all formats: at the resolution of the PNG,
        # for letters are a little wider or narrower at another, and the outermost would be cut.
        figure.set_dpi(rcParams["savefig.dpi"])
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        _write(saved.png, lambda path: figure.savefig(path, format="png"))
        # Transparent, so that the page's colour shows through; without a date, so that equal figures are equal files.
        _write(saved.svg, lambda path: figure.savefig(path, format="svg", transparent=True, metadata={"Date": None}))
    _write(saved.table, lambda path: table.to_csv(path, index=False))
    captions = _captions(folder) | {name: caption}
    text = json.dumps(
        [{"name": key, "caption": value} for key, value in captions.items()], indent=2, ensure_ascii=False
    )
    _write(folder / INDEX_FILE, lambda path: path.write_text(text + "\n", encoding="utf-8"))
    return saved


def read_figures(folder: Path) -> list[SavedFigure]:
    """The figures of a folder in the order they were first saved; none where there is no `figures.json`.

    Raises:
        DataError: naming every file that `figures.json` promises and the folder lacks.
    """
    figures = [_saved(folder, name, caption) for name, caption in _captions(folder).items()]
    missing = [path.name for saved in figures for path in (saved.png, saved.svg, saved.table) if not path.is_file()]
    if missing:
        raise DataError(str(folder), [f"{name} is missing; draw the figures again" for name in missing])
    return figures


def _saved(folder: Path, name: str, caption: str) -> SavedFigure:
    png, svg, table = (folder / f"{name}.{ending}" for ending in ("png", "svg", "csv"))
    return SavedFigure(name, png, svg, table, caption)


def _captions(folder: Path) -> dict[str, str]:
    file = folder / INDEX_FILE
    if not file.is_file():
        return {}
    try:
        return {entry["name"]: entry["caption"] for entry in json.loads(file.read_text(encoding="utf-8"))}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            str(file), [f"not an index of figures ({error}); delete it and draw the figures again"]
        ) from None


def _write(target: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `target`, and put it in `target`'s place."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    os.close(handle)
    staged = Path(name)
    try:
        write(staged)
        staged.chmod(0o644)  # mkstemp's files are private
        staged.replace(target)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
