"""A sweep's figures, drawn in a process beside this one while the winner is judged."""

from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from tune.config import SweepConfig
from tune.records import TrialRecord

if TYPE_CHECKING:
    from embedllm.figures import SavedFigure
    from tune.figures import NotDrawn


class FigureDrawing:
    """The figures of one sweep.

    Args:
        folder: the sweep's folder.
        config: its configuration.
    """

    def __init__(self, folder: Path, config: SweepConfig) -> None:
        self._folder = folder
        self._config = config
        self._figures: Future[list[SavedFigure | NotDrawn]] | None = None

    def start(self, records: Sequence[TrialRecord]) -> None:
        """Begin to draw."""
        # Spawned, not forked: this process has threads, Ray's and MLflow's among them.
        process = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))
        self._figures = process.submit(_draw, list(records), self._config, self._folder)
        process.shutdown(wait=False)

    def result(self) -> "list[SavedFigure | NotDrawn] | None":
        """The figures when they are drawn; None if drawing was never begun. Raises what drawing raised."""
        return None if self._figures is None else self._figures.result()


def _draw(records: list[TrialRecord], config: SweepConfig, folder: Path) -> "list[SavedFigure | NotDrawn]":
    from tune.figures import FIGURES_FOLDER, study_figures

    return study_figures(records, config, folder / FIGURES_FOLDER)
