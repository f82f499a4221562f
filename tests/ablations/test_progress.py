import io

from rich.console import Console

from ablations.cell import Cell
from ablations.outcome import CellOutcome
from ablations.progress import CellProgress
from embedllm.config import FitConfig


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_line_counts_cells_and_weighs_them_by_their_work() -> None:
    cells = [Cell("knn", FitConfig(seed=seed, training_questions=5), "a") for seed in range(4)]
    seconds = {cell.key: float(weight) for cell, weight in zip(cells, (1, 1, 2, 6), strict=True)}
    clock, console = Clock(), Console(file=io.StringIO(), width=200)
    progress = CellProgress(5, seconds, console=console, clock=clock)
    assert progress.line().plain == "1/5 cells · 0:00 elapsed"  # one was finished before
    clock.now = 50.0
    progress.cells_started(cells[:2])  # the clock begins here: starting workers is not work
    assert "running knn" in progress.line().plain
    clock.now = 54.0
    progress.cells_finished([CellOutcome(cells[0].key, ()), CellOutcome(cells[1].key, (), failure="x")])
    assert progress.line().plain == "2/5 cells · 1 failed · 2.0 s/cell · 0:16 left"
    progress.cells_started(cells[2:])
    clock.now = 60.0
    progress.cells_finished([CellOutcome(cell.key, ()) for cell in cells[2:]])
    assert progress.line().plain == "4/5 cells · 1 failed · 2.5 s/cell · took 0:10"


def test_cheap_first_cells_tell_nothing_about_the_rest() -> None:
    cells = [Cell("knn", FitConfig(seed=seed, training_questions=5), "a") for seed in range(3)]
    seconds = {cell.key: weight for cell, weight in zip(cells, (0.001, 1.0, 8.999), strict=True)}
    clock = Clock()
    progress = CellProgress(3, seconds, console=Console(file=io.StringIO(), width=200), clock=clock)
    progress.cells_started(cells)
    clock.now = 2.0
    progress.cells_finished([CellOutcome(cells[0].key, ())])
    assert progress.line().plain == "1/3 cells · running knn · 2.0 s/cell"
    progress.cells_finished([CellOutcome(cells[1].key, ())])
    assert progress.line().plain == "2/3 cells · running knn · 1.0 cells/s · 0:18 left"


def test_what_follows_the_last_cell_is_told_at_once_without_a_terminal() -> None:
    cells = [Cell("knn", FitConfig(seed=seed, training_questions=5), "a") for seed in range(2)]
    clock, out = Clock(), io.StringIO()
    progress = CellProgress(2, {cell.key: 1.0 for cell in cells}, console=Console(file=out, width=200), clock=clock)
    with progress:
        progress.cells_started(cells)
        for cell in cells:
            clock.now += 0.4
            progress.cells_finished([CellOutcome(cell.key, ())])
        assert out.getvalue() == "2/2 cells · 2.5 cells/s · took 0:01 · making tables and figures\n"
    assert progress.line().plain == "2/2 cells · 2.5 cells/s · took 0:01"
