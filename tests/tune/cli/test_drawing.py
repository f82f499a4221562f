"""Figures drawn beside the driver: all of them, in the sweep's folder; what goes wrong comes back."""

from pathlib import Path
from unittest.mock import MagicMock

import pytest

from tune.cli.drawing import FigureDrawing
from tune.figures import NotDrawn
from tune.folder import FIGURES_FOLDER, SweepFolder
from tune.search.study import read_records


def test_figures_lie_in_the_folder_when_they_are_asked_for(finished_sweep: Path) -> None:
    drawing = FigureDrawing(finished_sweep, SweepFolder.open(finished_sweep).config)
    drawing.start(read_records(finished_sweep))
    figures = drawing.result()
    assert figures
    drawn = [figure for figure in figures if not isinstance(figure, NotDrawn)]
    assert {"history", "curves"} <= {figure.name for figure in drawn}
    assert all(figure.png.parent == finished_sweep / FIGURES_FOLDER and figure.svg.is_file() for figure in drawn)


def test_without_a_start_there_are_none(tmp_path: Path, finished_sweep: Path) -> None:
    assert FigureDrawing(tmp_path, SweepFolder.open(finished_sweep).config).result() is None


def test_an_error_comes_back(finished_sweep: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    drawing = FigureDrawing(tmp_path / "file", SweepFolder.open(finished_sweep).config)
    drawing.start(read_records(finished_sweep))
    with pytest.raises(OSError, match="file"):
        drawing.result()


def test_the_process_is_made_once_the_last_trial_has_started(
    finished_sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr("tune.cli.drawing.ProcessPoolExecutor", lambda **options: made.append(options) or MagicMock())
    trials = [record for record in read_records(finished_sweep) if record.role == "trial"]
    baseline = next(record for record in read_records(finished_sweep) if record.role == "baseline")
    drawing = FigureDrawing(finished_sweep, SweepFolder.open(finished_sweep).config.replace(trials=len(trials)))
    drawing.trial_finished(trials[0])  # by an earlier run
    for record in (baseline, *trials[1:-1]):
        drawing.trial_started(record)
    assert not made
    drawing.trial_started(trials[-1])
    drawing.trial_started(trials[-1])  # again, after its worker died
    assert len(made) == 1
