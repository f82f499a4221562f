"""A sweep as one self-contained HTML page, to be read without anything else, also while the sweep runs.

standings = Standings.read("sweep")
write_report(standings)                          # sweep/report.html
write_report(standings, Path("results.html"))
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from embedllm.data.describe import Description, describe
from embedllm.errors import EmbedLLMError
from embedllm.figures import Page, SavedFigure
from embedllm.visible import shell_word
from tune.data import load_data
from tune.figures import NotDrawn
from tune.folder import FIGURES_FOLDER
from tune.labels import error_line, seeds_text
from tune.report.blocks import (
    add_data,
    add_environment,
    add_figures,
    add_finalists,
    add_leaderboard,
    add_outcomes,
    add_reproduction,
    add_winner,
)
from tune.report.runs import read_runs
from tune.report.text import headline, search_sentence
from tune.results.standings import Standings

REPORT_FILE = "report.html"
SHOWN_TRIALS = 25
"""Ranked trials in a report, of every budget; `leaderboard` shows all."""


def write_report(
    standings: Standings, out: Path | None = None, *, figures: Sequence[SavedFigure | NotDrawn] | None = None
) -> Path:
    """Write a sweep's report.

    Args:
        standings: of the sweep.
        out: the page; None = `report.html` in the sweep's folder, where the figures are kept, too.
        figures: those already drawn into the sweep's folder; None = draw them.

    Returns:
        The page's file.
    """
    description = describe_data(standings)
    with tempfile.TemporaryDirectory() as elsewhere:
        if figures is None:
            from tune.figures import study_figures  # imported here, for it is slow to load and may have been drawn

            folder = standings.path if out is None else Path(elsewhere)
            figures = study_figures(standings.records, standings.config, folder / FIGURES_FOLDER)
        out = out or standings.path / REPORT_FILE
        report_page(standings, description, figures).write(out)
    return out


def report_page(
    standings: Standings, description: Description | str, figures: Sequence[SavedFigure | NotDrawn]
) -> Page:
    """The page.

    Args:
        standings: of the sweep.
        description: of its data, or why there is none.
        figures: of the search, or why one is missing.
    """
    page = leaderboard_page(standings, "Sweep")
    if _simulated(description):
        page.text("The data is simulated: these numbers show how the search works and say nothing about real models.")
    page.text(search_sentence(standings))
    for paragraph in headline(standings):
        page.text(paragraph)
    long = standings.count("COMPLETE") > SHOWN_TRIALS
    page.section("Leaderboard")
    add_leaderboard(page, standings, top=SHOWN_TRIALS if long else None)
    if long:
        all_of_them = f"python -m tune leaderboard {shell_word(standings.path.name)}"
        page.text(f"The best {SHOWN_TRIALS}; `{all_of_them}` shows every trial.")
    add_finalists(page.section("On the test questions", "test"), standings)
    add_winner(page.section("The winner" if standings.winner is not None else "The best so far", "winner"), standings)
    add_figures(page.section("The search", "search"), figures)
    add_outcomes(page.section("Trials", "trials"), standings)
    add_data(page.section("The data", "data"), standings, description)
    add_reproduction(page.section("Reproducing this sweep", "again"), standings)
    return add_environment(page.section("Environment", "environment"), standings, read_runs(standings.path))


def leaderboard_page(standings: Standings, title: str = "Leaderboard of the sweep") -> Page:
    """An empty page with the sweep's name."""
    config = standings.config
    done = standings.count("COMPLETE") + standings.count("PRUNED")
    return Page(
        f"{title} {standings.path.name}",
        f"{config.data_name}: {done} of {config.trials} trials, {seeds_text(config.seeds)} each",
    )


def describe_data(standings: Standings) -> Description | str:
    """The data's description, or why there is none."""
    try:
        data, _ = load_data(standings.config)
    except (EmbedLLMError, OSError) as error:
        return f"it cannot be read ({error_line(error)})"
    if data.digest != standings.folder.digest:
        return f"it has changed since the sweep: its digest is {data.digest}, it was {standings.folder.digest}"
    return describe(data)


def _simulated(description: Description | str) -> bool:
    return not isinstance(description, str) and bool(description.summary["simulated"].iloc[0])
