"""`python -m tune cluster check`: a cluster file before money is spent on it."""

from pathlib import Path
from typing import Literal

from jsonargparse import Namespace

from embedllm.cli.parser import Parser
from embedllm.cli.program import EXIT_ERROR

EXAMPLE = """
python -m tune cluster check cluster.yaml
python -m tune cluster check deploy/cluster.local.yaml
python -m tune cluster check cluster.yaml --format json
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="cluster file for `ray up`")
    parser.general.add_argument(
        "--format",
        type=Literal["table", "json"],
        default="table",
        metavar="{table,json}",
        help="output format; json is one object with the findings, node types and commands as rows",
    )


def run(args: Namespace) -> int:
    """Print every problem, the nodes and what would run on them; fails if the cluster would not work."""
    from tune.cluster.check import check_cluster
    from tune.cluster.text import check_as_json, render_check

    check = check_cluster(args.file)
    print(check_as_json(check) if args.format == "json" else render_check(check))
    return EXIT_ERROR if check.errors else 0
