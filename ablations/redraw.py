"""Figures and findings of a design, from its tables alone."""

import shutil
from typing import TYPE_CHECKING

from ablations.design import Design
from ablations.files import writing
from ablations.folder import DesignFolder

if TYPE_CHECKING:
    from embedllm.figures import SavedFigure


def redraw(folder: DesignFolder, design: Design) -> "tuple[list[SavedFigure], list[str]]":
    """Draw a design's figures and save them, replacing all earlier ones; and its findings.

    Raises:
        ConfigError: if there are no tables.
        EmbedLLMError: if the figures cannot be written.
    """
    from embedllm.figures import house_style, save_figure

    tables = folder.tables()
    with house_style():
        drawings = design.draw(tables)
    shutil.rmtree(folder.figures, ignore_errors=True)
    with writing(folder.figures):
        saved = [
            save_figure(each.figure, folder.figures, each.name, each.table, caption=each.caption) for each in drawings
        ]
    return saved, design.findings(tables)
