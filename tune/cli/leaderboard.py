"""`python -m tune leaderboard`: the ranked trials of a sweep, also while it runs."""

from typing import Literal

from jsonargparse import Namespace

from embedllm.cli.parser import Parser
from embedllm.visible import visible

EXAMPLE = """
python -m tune leaderboard sweep
python -m tune leaderboard sweep --top 5 --sort val_accuracy --format markdown
python -m tune leaderboard sweep --format html > leaderboard.html
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "sweep",
        nargs="?",
        type=str | None,
        metavar="SWEEP",
        help="sweep folder (default: the newest one in sweeps/)",
    )
    parser.add_argument(
        "--top", type=int | None, metavar="N", help="show only the N best trials (the baseline is always shown)"
    )
    parser.add_argument(
        "--sort", type=str | None, metavar="COLUMN", help="sort by this column; ranks still follow the objective"
    )
    parser.add_argument(
        "--state",
        type=Literal["COMPLETE", "PRUNED", "FAIL", "RUNNING"] | None,
        metavar="{COMPLETE,PRUNED,FAIL,RUNNING}",
        help="show only trials in this state",
    )
    parser.general.add_argument(
        "--format",
        type=Literal["table", "csv", "json", "markdown", "html"],
        default="table",
        metavar="{table,csv,json,markdown,html}",
        help="output format; html is a self-contained page, csv and json have every column",
    )


def run(args: Namespace) -> None:
    """Read the study, which a running sweep may be writing to, and print."""
    from tune.cli.standings import read_standings
    from tune.results.finalists_table import render_finalists
    from tune.results.standings_table import standings_text
    from tune.tracking.identity import tracked_at
    from tune.tracking.uri import how_to_view

    standings = read_standings(args.sweep)
    states = None if args.state is None else [args.state]
    if args.format == "html":
        from tune.report.blocks import add_finalists, add_leaderboard
        from tune.report.page import leaderboard_page

        page = add_leaderboard(leaderboard_page(standings), standings, top=args.top, sort=args.sort, states=states)
        print(add_finalists(page.section("On the test questions", "test"), standings).html())
        return
    print(standings_text(standings, format=args.format, top=args.top, sort=args.sort, states=states))
    if args.format not in ("table", "markdown"):
        return
    if standings.finalists:
        table = render_finalists(standings.finalists, standings.objective, markdown=args.format == "markdown")
        print(f"\nOn the test questions, evaluated for finalists only:\n\n{table}")
    uri = tracked_at(standings.path)
    if uri is not None:
        # A line of its own, not a footnote: a command broken in two cannot be pasted.
        print(f"\nMLflow: {visible(how_to_view(uri))}")
