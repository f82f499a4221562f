"""`python -m tune resume`: finish a sweep, or extend it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from embedllm.cli.parser import Parser
from embedllm.errors import ConfigError
from tune.cli.run import add_dry_run

if TYPE_CHECKING:
    from tune.folder import SweepFolder

EXAMPLE = """
python -m tune resume sweep
python -m tune resume sweep --trials 200
python -m tune resume sweep --trials 200 --dry-run
python -m tune resume sweep --address local
"""

LOCAL = "local"
"""The address that means this machine, as in `ray.init`."""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("sweep", metavar="SWEEP", help="sweep folder")
    parser.add_argument(
        "--trials", type=int | None, metavar="INT", help="total number of finished trials (default: unchanged)"
    )
    parser.add_argument(
        "--address",
        type=str | None,
        metavar="HOST:PORT",
        help="Ray cluster to join from now on, `local` for this machine (default: unchanged)",
    )
    parser.add_argument(
        "--data",
        type=str | None,
        metavar="DATA",
        help="where the data is now, if it has moved (default: unchanged)",
    )
    add_dry_run(parser)


def run(args: Namespace) -> int:
    """Go on where the sweep ended, whatever ended it."""
    from tune.folder import SweepFolder

    known = SweepFolder.open(args.sweep)
    folder = _moved(known, args.address, args.data)
    if args.dry_run:
        from tune.cli.dry_run import plan_resumed

        return plan_resumed(folder, args.trials)

    from tune.cli.session import conduct
    from tune.planning.preflight import check_storage, refuse
    from tune.runner import Sweep
    from tune.search.lock import refuse_locked

    refuse(check_storage(folder.config, folder.path))
    if folder != known:
        refuse_locked(folder.path)  # whoever runs it now needs what it began with
        folder.save()
    return conduct(Sweep.open(args.sweep), trials=args.trials)


def _moved(folder: "SweepFolder", address: str | None, data: str | None) -> "SweepFolder":
    """The sweep with its new surroundings, not yet saved.

    Raises:
        ConfigError: if no cluster answers there, or the data is not the sweep's.
        DataError: if there is no such data.
    """
    changes: dict[str, str | None] = {}
    if address is not None:
        from tune.engine.cluster import check_address

        check_address(address)
        changes["address"] = None if address == LOCAL else address
    if data is not None:
        from embedllm.data.matrix import CorrectnessMatrix

        if CorrectnessMatrix.load(data).digest != folder.digest:
            raise ConfigError(f"{data} is not the data that {folder.path} began with; trials could not be compared")
        changes["data"] = str(Path(data).expanduser().resolve())
    return replace(folder, config=folder.config.replace(**changes)) if changes else folder
