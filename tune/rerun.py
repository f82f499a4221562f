"""Train one row of a leaderboard again, by itself."""

import os
from typing import Literal

from embedllm.errors import ConfigError
from tune.data import SweepData
from tune.engine.packing import Pack
from tune.folder import SweepFolder
from tune.records import TrialRecord
from tune.runner import Sweep
from tune.search.study import read_records


def rerun(path: str | os.PathLike[str], trial: "int | Literal['paper']") -> tuple[TrialRecord, TrialRecord]:
    """Train one trial of a sweep once more, by itself and in this process.

    Args:
        path: the sweep's folder.
        trial: number of a trial that was complete, pruned or failed, or `paper` for the baseline. The full budget is
            trained in any case.

    Returns:
        The record in the study, and the new one.

    Raises:
        ConfigError: if the sweep has no such trial, or it is still running.
    """
    from tune.engine.fitting import PackFitter

    folder = SweepFolder.open(path)
    records = read_records(folder.path)
    # Of several baselines, all but the last were lost.
    known = {"paper" if record.role == "baseline" else record.trial: record for record in records}
    if trial not in known:
        last = max((record.trial for record in records if record.role == "trial"), default=0)
        raise ConfigError(f"{folder.path} has no trial {trial}; it has 0 to {last}, and `paper`")
    kept = known[trial]
    if kept.state == "RUNNING":
        raise ConfigError(f"trial {trial} of {folder.path} has not finished; wait for it, or resume the sweep first")
    config = kept.config
    sweep = Sweep.open(path, encoders=[config.encoder], here=True)
    source = SweepData(sweep.data, sweep.split, {config.encoder: sweep.encodings[config.encoder].matrix})
    fitter = PackFitter.here(source, folder.config, seeds=folder.config.seeds)
    [again] = fitter.fit(Pack(((kept.trial, config),), kept.role))
    return kept, again
