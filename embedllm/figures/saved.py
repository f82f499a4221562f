"""A figure on disk is four things that belong together: PNG, SVG, the table it was drawn from, and its caption.

Captions and order stand in `figures.json` of the folder, so that a report can be put together from the folder alone,
without matplotlib, which is slow to load.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from embedllm.errors import DataError

INDEX_FILE = "figures.json"


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

    @classmethod
    def at(cls, folder: Path, name: str, caption: str) -> "SavedFigure":
        """The figure of that name in a folder, whether its files are there or not."""
        png, svg, table = (folder / f"{name}.{ending}" for ending in ("png", "svg", "csv"))
        return cls(name, png, svg, table, caption)


def read_figures(folder: Path) -> list[SavedFigure]:
    """The figures of a folder in the order they were first saved; none where there is no `figures.json`.

    Raises:
        DataError: naming every file that `figures.json` promises and the folder lacks.
    """
    figures = [SavedFigure.at(folder, name, caption) for name, caption in read_captions(folder).items()]
    missing = [path.name for saved in figures for path in (saved.png, saved.svg, saved.table) if not path.is_file()]
    if missing:
        raise DataError(str(folder), [f"{name} is missing; draw the figures again" for name in missing])
    return figures


def read_captions(folder: Path) -> dict[str, str]:
    """Name -> caption of a folder's figures, in their order; empty where there is no `figures.json`.

    Raises:
        DataError: if it is damaged.
    """
    file = folder / INDEX_FILE
    if not file.is_file():
        return {}
    try:
        return {entry["name"]: entry["caption"] for entry in json.loads(file.read_text(encoding="utf-8"))}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            str(file), [f"not an index of figures ({error}); delete it and draw the figures again"]
        ) from None
