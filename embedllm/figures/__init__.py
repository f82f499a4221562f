"""Figures and pages in one house style, for the search's report and every ablation.

    with house_style():
        figure, axes = new_figure("single")
        axes.plot(sizes, accuracy, color=METHOD_COLOURS["embedllm"], marker=METHOD_MARKERS["embedllm"])
    saved = save_figure(figure, folder, "accuracy", table, caption="Accuracy against training questions.")
    Page("Training size").section("Accuracy").figure(saved).write(folder / "report.html")

Every figure is saved with the table it was drawn from. Names are imported on first use: matplotlib is slow to load.
"""

from typing import TYPE_CHECKING

from embedllm.lazy import imported_on_use

if TYPE_CHECKING:
    from embedllm.figures.names import distinct_names, shortening
    from embedllm.figures.page import Page
    from embedllm.figures.save import save_figure
    from embedllm.figures.saved import SavedFigure, read_figures
    from embedllm.figures.style import (
        COLOURS,
        METHOD_COLOURS,
        METHOD_LINES,
        METHOD_MARKERS,
        METHOD_TITLES,
        count_on_log_axis,
        diverging_cmap,
        house_style,
        new_figure,
        sequential_cmap,
        text_colour_on,
    )

__getattr__ = imported_on_use(
    __name__,
    {
        "names": ("distinct_names", "shortening"),
        "page": ("Page",),
        "save": ("save_figure",),
        "saved": ("SavedFigure", "read_figures"),
        "style": (
            "COLOURS",
            "METHOD_COLOURS",
            "METHOD_LINES",
            "METHOD_MARKERS",
            "METHOD_TITLES",
            "count_on_log_axis",
            "diverging_cmap",
            "house_style",
            "new_figure",
            "sequential_cmap",
            "text_colour_on",
        ),
    },
)

__all__ = [
    "COLOURS",
    "METHOD_COLOURS",
    "METHOD_LINES",
    "METHOD_MARKERS",
    "METHOD_TITLES",
    "Page",
    "SavedFigure",
    "count_on_log_axis",
    "distinct_names",
    "diverging_cmap",
    "house_style",
    "new_figure",
    "read_figures",
    "save_figure",
    "sequential_cmap",
    "shortening",
    "text_colour_on",
]
