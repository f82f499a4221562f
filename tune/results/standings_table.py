"""The leaderboard of a sweep as text: ranked by its objective or, with several, the Pareto front."""

from collections.abc import Collection
from typing import Literal

from rich.console import Console

from embedllm.errors import ConfigError
from tune.records import TrialState
from tune.results.footnotes import unranked_footnotes
from tune.results.leaderboard_table import render
from tune.results.pareto import front_frame, front_sentences, pareto_front
from tune.results.pareto_table import render_front
from tune.results.standings import Standings


def standings_text(
    standings: Standings,
    *,
    format: Literal["table", "csv", "json", "markdown"] = "table",
    top: int | None = None,
    sort: str | None = None,
    states: Collection[TrialState] | None = None,
    console: Console | None = None,
) -> str:
    """What `python -m tune leaderboard` prints, without the finalists.

    Args:
        standings: of the sweep.
        format: as of :func:`tune.results.leaderboard_table.render`.
        top: only the best so many trials, and the baseline; of a front, never fewer than it has.
        sort: column to order by, inside the front and below it where there is one.
        states: only trials in these states.
        console: as of :func:`tune.results.leaderboard_table.render`.

    Raises:
        ConfigError: for an unknown column or state, or `top` below 1.
    """
    if standings.config.objectives is None:
        frame = standings.frame(top=top, sort=sort, states=states)
        return render(frame, standings.objective, format=format, footnotes=standings.footnotes(), console=console)
    goals, records = standings.config.goals, standings.records
    if top is not None:
        if top < 1:
            raise ConfigError(f"invalid leaderboard: top must be at least 1 but is {top}")
        top = max(top, len(pareto_front(records, goals)))
    frame = front_frame(records, goals, frame=standings.frame(states=states), top=top, sort=sort)
    notes = [*front_sentences(records, goals), *unranked_footnotes(records, goals[0].name, standings.intervals)]
    return render_front(frame, goals, format=format, footnotes=notes, console=console)
