"""A sweep's figures, drawn in a process beside this one while the winner is judged."""

import gc
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from embedllm.cli.program import COLLECT_AFTER
from tune.config import SweepConfig
from tune.folder import FIGURES_FOLDER
from tune.records import TrialRecord

if TYPE_CHECKING:
    from embedllm.figures import SavedFigure
    from tune.figures import NotDrawn


class FigureDrawing:
    """The figures of one sweep; told of its trials, it starts its process in time.

    Args:
        folder: the sweep's folder.
        config: its configuration.
    """

    def __init__(self, folder: Path, config: SweepConfig) -> None:
        self._folder = folder
        self._config = config
        self._trials: set[int] = set()
        self._process: ProcessPoolExecutor | None = None
        self._figures: Future[list[SavedFigure | NotDrawn]] | None = None

    def trial_started(self, record: TrialRecord) -> None:
        """Once the last trial is being trained, have the process import what it needs: a processor will idle soon."""
        if record.role == "trial":
            self._trials.add(record.trial)
        if len(self._trials) >= self._config.trials and self._process is None:
            self._ready_process().submit(_prepare)

    def trial_finished(self, record: TrialRecord) -> None:
        """Count a trial of an earlier run."""
        if record.role == "trial":
            self._trials.add(record.trial)

    def start(self, records: Sequence[TrialRecord]) -> None:
        """Begin to draw."""
        process = self._ready_process()
        self._figures = process.submit(_draw, list(records), self._config, self._folder)
        process.shutdown(wait=False)

    def result(self) -> "list[SavedFigure | NotDrawn] | None":
        """The figures when they are drawn; None if drawing was never begun. Raises what drawing raised."""
        return None if self._figures is None else self._figures.result()

    def _ready_process(self) -> ProcessPoolExecutor:
        if self._process is None:
            self._process = ProcessPoolExecutor(
                max_workers=1,
                mp_context=get_context("spawn"),  # not forked: this process has threads, Ray's and MLflow's among them
                initializer=_settle_in,
            )
        return self._process


def _settle_in() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's
    gc.set_threshold(COLLECT_AFTER)


def _prepare() -> None:
    import tune.figures.study  # noqa: F401


def _draw(records: list[TrialRecord], config: SweepConfig, folder: Path) -> "list[SavedFigure | NotDrawn]":
    from tune.figures import study_figures

    return study_figures(records, config, folder / FIGURES_FOLDER)
