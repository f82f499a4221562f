"""`python -m tune leaderboard`: the ranked trials of a sweep, also while it runs."""

import json
from typing import Literal

from jsonargparse import Namespace

from embedllm.cli.parser import Parser
from embedllm.cli.tables import add_format

EXAMPLE = """
python -m tune leaderboard sweep
python -m tune leaderboard sweep --top 5 --sort val_accuracy --format markdown
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("sweep", metavar="SWEEP", help="folder of the sweep")
    parser.add_argument("--top", type=int | None, metavar="INT", help="only the best so many trials, and the baseline")
    parser.add_argument(
        "--sort", type=str | None, metavar="COLUMN", help="order by this column; ranks stay the objective's"
    )
    parser.add_argument(
        "--state",
        type=Literal["COMPLETE", "PRUNED", "FAIL", "RUNNING"] | None,
        metavar="{COMPLETE,PRUNED,FAIL,RUNNING}",
        help="only trials in this state",
    )
    add_format(parser)


def run(args: Namespace) -> None:
    """Read the study, which a running sweep may be writing to, and print."""
    from tune.folder import SweepFolder
    from tune.leaderboard import footnotes, leaderboard
    from tune.leaderboard_table import render
    from tune.study import is_lost, read_records
    from tune.tracking import IDENTITY_FILE
    from tune.tracking_uri import how_to_view

    folder = SweepFolder.open(args.sweep)
    records = [record for record in read_records(folder.path) if not is_lost(record)]
    objective = folder.config.objective
    frame = leaderboard(
        records, objective, top=args.top, sort=args.sort, states=None if args.state is None else [args.state]
    )
    tracked = folder.path / IDENTITY_FILE
    tracking = how_to_view(json.loads(tracked.read_text())["tracking_uri"]) if tracked.is_file() else None
    print(render(frame, objective, format=args.format, footnotes=footnotes(records, objective)))
    if tracking is not None and args.format in ("table", "markdown"):
        # A line of its own, not a footnote: a command broken in two cannot be pasted.
        print(f"\nMLflow: {tracking}")
