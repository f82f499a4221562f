"""How a sweep stands, for the commands that show it; first its trials' states are made true."""

import sys

from embedllm.errors import EmbedLLMError
from embedllm.visible import shell_word
from tune.folder import SweepFolder, latest_sweep
from tune.results.standings import Standings
from tune.search.lock import is_locked, ran_here
from tune.search.study import SweepStudy, read_records


def read_standings(path: str | None) -> Standings:
    """Read a sweep, the newest of those without a name where `path` is None.

    Raises:
        ConfigError: if there is none.
    """
    folder = SweepFolder.open(path or latest_sweep())
    lost = settle_abandoned(folder)
    if lost:
        again = f"python -m tune resume {shell_word(path or str(folder.path))}"
        print(
            f"{'1 trial was' if lost == 1 else f'{lost} trials were'} running when the sweep's process was killed; "
            f"run `{again}` to train {'it' if lost == 1 else 'them'} again",
            file=sys.stderr,
        )
    return Standings.read(folder.path)


def settle_abandoned(folder: SweepFolder) -> int:
    """Fail the trials that a killed process left RUNNING, which it could not do itself, and queue them to be run again.

    Returns:
        How many there were. 0 also where the sweep is being run, was run on another host, or its folder cannot be
        written to.
    """
    if is_locked(folder.path) or not ran_here(folder.path):
        return 0
    running = sum(record.state == "RUNNING" for record in read_records(folder.path))
    if running:
        try:
            SweepStudy(folder.path, folder.config, folder.questions["train"]).close()  # opening it settles
        except (EmbedLLMError, OSError):  # just been resumed elsewhere, or not ours to write
            return 0
    return running
