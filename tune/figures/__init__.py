"""Figures of a sweep, drawn from its trial records alone.

    for figure in study_figures(read_records(folder), config, folder / FIGURES_FOLDER):
        ...                              # a SavedFigure, or NotDrawn with the reason

Each figure is a module in two halves: `…_info(records, config)` says what is shown, as numbers, or why nothing is;
`draw_…(info)` draws it. Names are imported on first use: matplotlib is slow to load.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tune.figures.selection import NotDrawn
    from tune.figures.study import study_figures

_HOME = {"selection": ("NotDrawn",), "study": ("study_figures",)}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["NotDrawn", "study_figures"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE[name]}"), name)
