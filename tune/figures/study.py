"""All figures of a sweep, drawn into a folder at once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from embedllm.figures import SavedFigure, read_figures, save_figure
from embedllm.storage import replaced_folder
from tune.config import SweepConfig
from tune.figures.curves import curves_info, draw_curves
from tune.figures.history import draw_history, history_info
from tune.figures.importance import draw_importance, importance_info
from tune.figures.parallel import draw_parallel, parallel_info
from tune.figures.pareto import draw_pareto, pareto_info
from tune.figures.selection import NotDrawn
from tune.figures.slice import draw_slice, slice_info
from tune.records import TrialRecord

NOT_DRAWN_FILE = "not-drawn.txt"

FIGURES: Sequence[tuple[Callable[[Sequence[TrialRecord], SweepConfig], Any], Callable[[Any], Any]]] = (
    (history_info, draw_history),
    (pareto_info, draw_pareto),
    (curves_info, draw_curves),
    (importance_info, draw_importance),
    (slice_info, draw_slice),
    (parallel_info, draw_parallel),
)
"""What is shown, and how it is drawn, in the order of the report."""


def study_figures(records: Sequence[TrialRecord], config: SweepConfig, folder: Path) -> list[SavedFigure | NotDrawn]:
    """Draw every figure that says something about these trials, and say why the others do not.

    Args:
        records: of one sweep, in any order, the baseline among them.
        config: the sweep's configuration.
        folder: replaced as a whole by the figures, their tables, and `not-drawn.txt` where there are refusals.

    Returns:
        In the order of the report: a saved figure, or the reason why there is none.
    """
    outcomes: list[str | NotDrawn] = []
    with replaced_folder(folder) as staging:
        for make_info, draw in FIGURES:
            info = make_info(records, config)
            if isinstance(info, NotDrawn):
                outcomes.append(info)
            else:
                name = make_info.__module__.rpartition(".")[2]
                save_figure(draw(info), staging, name, info.table(), caption=info.caption())
                outcomes.append(name)
        refused = [f"{outcome}\n" for outcome in outcomes if isinstance(outcome, NotDrawn)]
        if refused:
            (staging / NOT_DRAWN_FILE).write_text("".join(refused), encoding="utf-8")
    saved = {figure.name: figure for figure in read_figures(folder)}
    return [outcome if isinstance(outcome, NotDrawn) else saved[outcome] for outcome in outcomes]
