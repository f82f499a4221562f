"""`python -m tune resume`: finish a sweep, or extend it."""

from jsonargparse import Namespace

from embedllm.cli.parser import Parser
from tune.cli.run import add_dry_run

EXAMPLE = """
python -m tune resume sweep
python -m tune resume sweep --trials 200
python -m tune resume sweep --trials 200 --dry-run
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("sweep", metavar="SWEEP", help="folder of the sweep")
    parser.add_argument(
        "--trials", type=int | None, metavar="INT", help="finished trials wanted in all (default: as many as before)"
    )
    add_dry_run(parser)


def run(args: Namespace) -> int:
    """Go on where the sweep ended, whatever ended it."""
    if args.dry_run:
        from tune.cli.dry_run import plan_resumed

        return plan_resumed(args.sweep, args.trials)

    from tune.cli.session import conduct
    from tune.folder import SweepFolder
    from tune.planning.preflight import check_storage, refuse
    from tune.runner import Sweep

    folder = SweepFolder.open(args.sweep)
    refuse(check_storage(folder.config, folder.path))
    return conduct(Sweep.open(args.sweep), trials=args.trials)
