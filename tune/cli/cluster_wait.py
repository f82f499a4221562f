"""`python -m tune cluster wait`: workers of an autoscaled cluster, before a sweep divides it."""

import sys

from jsonargparse import Namespace

from embedllm.cli.parser import Parser
from embedllm.errors import ConfigError

EXAMPLE = """
python -m tune cluster wait --gpus 4
python -m tune cluster wait --cpus 16 --minutes 30
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--gpus", type=int, default=0, metavar="INT", help="GPUs wanted in all")
    parser.add_argument("--cpus", type=int, default=0, metavar="INT", help="CPUs wanted in all")
    parser.add_argument("--minutes", type=float, default=20.0, metavar="NUMBER", help="how long to wait for them")
    parser.add_argument(
        "--address",
        type=str,
        default="auto",
        metavar="HOST:PORT",
        help="Ray cluster; auto = the one this machine belongs to",
    )


def run(args: Namespace) -> None:
    """Ask the autoscaler, wait, and say what there is; fails if they do not come in time."""
    if args.gpus < 0 or args.cpus < 0 or not args.gpus + args.cpus:
        given = f"gpus is {args.gpus} and cpus is {args.cpus}"
        raise ConfigError(f"{given}; ask for at least one of either, and for no negative number")
    if not args.minutes > 0:
        raise ConfigError(f"minutes must be positive but is {args.minutes:g}")

    from tune.cluster.workers import Wanted, wait_for_workers

    wanted = Wanted(args.cpus, args.gpus)
    found = wait_for_workers(
        wanted, args.address, 60 * args.minutes, on_news=lambda line: print(f"waiting: {line}", file=sys.stderr)
    )
    print(f"The cluster has {found}.")
