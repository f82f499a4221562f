"""Figures of a sweep, drawn from its trial records alone.

    for figure in study_figures(read_records(folder), config, folder / FIGURES_FOLDER):
        ...                              # a SavedFigure, or NotDrawn with the reason

Each figure is a module in two halves: `…_info(records, config)` says what is shown, as numbers, or why nothing is;
`draw_…(info)` draws it. Names are imported on first use: matplotlib is slow to load.
"""

from typing import TYPE_CHECKING

from embedllm.lazy import imported_on_use

if TYPE_CHECKING:
    from tune.figures.selection import NotDrawn
    from tune.figures.study import study_figures

__getattr__ = imported_on_use(
    __name__,
    {"selection": ("NotDrawn",), "study": ("study_figures",)},
)

__all__ = ["NotDrawn", "study_figures"]
