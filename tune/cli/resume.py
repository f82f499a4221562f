"""`python -m tune resume`: finish a sweep, or extend it."""

from jsonargparse import Namespace

from embedllm.cli.parser import Parser

EXAMPLE = """
python -m tune resume sweep
python -m tune resume sweep --trials 200
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("sweep", metavar="SWEEP", help="folder of the sweep")
    parser.add_argument(
        "--trials", type=int | None, metavar="INT", help="finished trials wanted in all (default: as many as before)"
    )


def run(args: Namespace) -> int:
    """Go on where the sweep ended, whatever ended it."""
    from tune.cli.session import conduct
    from tune.runner import Sweep

    return conduct(Sweep.open(args.sweep), trials=args.trials)
