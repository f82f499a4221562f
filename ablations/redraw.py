"""Figures and findings of a design, from its tables alone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ablations.design import Design
from ablations.files import writing
from ablations.folder import DesignFolder, MissingTableError
from embedllm.errors import ConfigError

if TYPE_CHECKING:
    from embedllm.figures import SavedFigure


@contextmanager
def reading_tables(folder: DesignFolder) -> Iterator[None]:
    """Put into words that saved tables lack what the design needs of them.

    Raises:
        ConfigError: if the block looks for a table or column that is not there.
    """
    try:
        yield
    except MissingTableError as missing:
        raise ConfigError(
            f"{folder.path} has no table {missing.name!r} ({folder.path.name}/tables/{missing.name}.parquet): it was "
            "removed, or the design has changed since; run it again with the same --out: finished cells are kept, and "
            "the tables are made anew"
        ) from missing
    except KeyError as missing:
        raise ConfigError(
            f"the tables of {folder.path} have no {missing}: the design has changed since they were made; run it again "
            "with the same --out: finished cells are kept, and the tables are made anew"
        ) from missing


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
