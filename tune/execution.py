"""The part of a sweep that runs under Ray Tune."""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ray import tune

from tune.cluster import Slots
from tune.data import SweepData
from tune.dispatch import Dispatcher
from tune.searcher import PackCallback, PackSearcher
from tune.trainable import PackTrainable

if TYPE_CHECKING:
    from tune.runner import Sweep


def run_packs(dispatcher: Dispatcher, sweep: "Sweep", slots: Slots, storage: Path) -> None:
    """Train packs until the dispatcher is done. Results go to the dispatcher; Ray Tune keeps none.

    Args:
        dispatcher: hands out packs and takes their outcomes.
        sweep: the data, put into Ray's object store once.
        slots: resources of a pack.
        storage: folder for Ray Tune's own files, removed at the end. Workers never write there, so a local path will do
            on a cluster, too.
    """
    source = SweepData(sweep.data, sweep.split, {name: encodings.matrix for name, encodings in sweep.encodings.items()})
    trainable = tune.with_resources(
        tune.with_parameters(PackTrainable, sweep=sweep.folder.config, source=source, threads=slots.cpus),
        slots.resources,
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=PackSearcher(dispatcher),
            num_samples=-1,
            max_concurrent_trials=slots.count,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"pack_{trial.trial_id}",
            trial_dirname_creator=lambda trial: f"pack_{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name="packs",
            storage_path=str(storage),
            callbacks=[PackCallback(dispatcher)],
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # what fails is told by the dispatcher
    try:
        tuner.fit()
    finally:
        shutil.rmtree(storage, ignore_errors=True)
