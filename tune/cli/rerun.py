"""`python -m tune rerun`: one trial once more, to see whether its result can be trusted."""

import sys
from typing import Any, Literal

from jsonargparse import Namespace

from embedllm.cli.parser import Parser
from embedllm.cli.program import EXIT_ERROR
from embedllm.cli.tables import add_format, render

EXAMPLE = """
python -m tune rerun sweep 17
python -m tune rerun sweep paper
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("sweep", metavar="SWEEP", help="sweep folder")
    parser.add_argument(
        "trial",
        type=int | Literal["paper"],
        metavar="TRIAL",
        help="trial number, or `paper` for the baseline",
    )
    add_format(parser)


def run(args: Namespace) -> int:
    """Train the trial's configuration again on the same data and print both results; fails if the trial does."""
    from tune.labels import config_label, seeds_text
    from tune.rerun import rerun

    kept, again = rerun(args.sweep, args.trial)
    print(f"trial {args.trial}: {config_label(kept.config)}, {seeds_text(again.seeds)}", file=sys.stderr)
    names = [name for name in again.metrics if not name.endswith("_sd")]
    rows: list[dict[str, Any]] = [
        {
            "metric": name,
            "sweep": kept.metrics.get(name),
            "again": again.metrics[name],
            "difference": again.metrics[name] - kept.metrics[name] if name in kept.metrics else None,
            "sd": again.metrics.get(f"{name}_sd"),
        }
        for name in names
    ]
    if rows or args.format != "table":
        print(render(rows, args.format))
    if again.state == kept.state == "FAIL":
        print(f"failed again: {again.reason}", file=sys.stderr)
    if again.state != kept.state:
        print(f"{kept.state} in the sweep, {again.state} now; {again.reason or kept.reason}", file=sys.stderr)
    return EXIT_ERROR if again.state == "FAIL" else 0
