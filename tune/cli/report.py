"""`python -m tune report`: a sweep as one self-contained page."""

from pathlib import Path

from jsonargparse import Namespace

from embedllm.cli.parser import Parser
from embedllm.errors import EmbedLLMError

EXAMPLE = """
python -m tune report sweep
python -m tune report sweep --out results.html
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "sweep",
        nargs="?",
        type=str | None,
        metavar="SWEEP",
        help="sweep folder, finished or not (default: the newest one in sweeps/)",
    )
    parser.add_argument(
        "--out", type=Path | None, metavar="FILE", help="file to write (default: report.html in the sweep folder)"
    )


def run(args: Namespace) -> None:
    """Write the page and say where it is."""
    from tune.cli.standings import read_standings
    from tune.report.page import write_report

    standings = read_standings(args.sweep)
    try:
        print(write_report(standings, args.out))
    except OSError as error:
        raise EmbedLLMError(f"the report cannot be written ({error}); choose another file with --out") from error
