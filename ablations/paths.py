"""Where the results of a run go."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ablations.config import AblationConfig
from ablations.files import writing


def results_path(config: AblationConfig) -> Path:
    """The folder that holds a folder per design: `out`, or ablation-results/ with the date and time."""
    if config.out is None:
        return (Path("ablation-results") / time.strftime("%Y%m%d-%H%M%S")).resolve()
    return Path(config.out).expanduser().resolve()


@contextmanager
def own_results_path(config: AblationConfig) -> Iterator[Path]:
    """The same decided once, and not shared with an unnamed run that begins in the same second: the folder of an
    unnamed run is made at once, and removed at the end of the block where nothing was written to it.

    Raises:
        EmbedLLMError: if it cannot be made.
    """
    wanted = path = results_path(config)
    if config.out is not None:
        yield path
        return
    with writing(wanted):
        wanted.parent.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(2):
            try:
                path.mkdir()
                break
            except FileExistsError:
                path = wanted.with_name(f"{wanted.name}-{number}")
    try:
        yield path
    finally:
        with suppress(OSError):  # it is not empty: there are results
            path.rmdir()
