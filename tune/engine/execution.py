"""Orders executed under Ray Tune: the engine below sweeps and ablations."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune

from embedllm.errors import EmbedLLMError
from tune.engine.head import watched_head
from tune.engine.room import Room
from tune.engine.searcher import OrderQueue, OrderScheduler, OrderSearcher, OrderStopper
from tune.engine.slots import Slots
from tune.engine.trainable import OrderTrainable, Worker


def run_orders(
    queue: OrderQueue,
    worker: Callable[[Any, int], Worker],
    payload: Any,
    slots: Slots,
    storage: Path,
    *,
    most: int,
    go_on: str = "run the same command again to continue",
) -> None:
    """Have workers execute orders until the queue is done. Outcomes go to the queue; Ray Tune keeps none.

    Args:
        queue: hands out orders and takes their outcomes, in this process.
        worker: called once per actor as `worker(payload, threads)`; what it returns is called with every order.
        payload: the workers' data, put into Ray's object store once.
        slots: how many orders are executed at the same time at first, and the resources of each.
        storage: folder for Ray Tune's own files, removed at the end. Workers never write there, so a local path will do
            on a cluster, too.
        most: orders executed at the same time where nodes join later; fewer where nodes are lost.
        go_on: as of :func:`tune.engine.head.watched_head`.

    Raises:
        EmbedLLMError: what the queue raised, like
        OSError: of a full disk, for example.
        TuneError: if Ray Tune itself failed.
    """
    trainable = tune.with_resources(
        tune.with_parameters(OrderTrainable, worker=worker, payload=payload, threads=slots.cpus), slots.resources
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=OrderSearcher(queue, Room(slots, most).now),
            scheduler=OrderScheduler(queue),
            num_samples=-1,
            max_concurrent_trials=most,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"order_{trial.trial_id}",
            trial_dirname_creator=lambda trial: f"order_{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name="orders",
            storage_path=str(storage),
            stop=OrderStopper(queue),
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # what fails is told by the queue
    try:
        with watched_head(ray.get_runtime_context().gcs_address, go_on):
            tuner.fit()
    except tune.TuneError as error:
        # Ray Tune turns what the queue raises into a traceback's text; let the error itself, with its advice, out.
        if isinstance(error.__context__, (EmbedLLMError, OSError)):
            raise error.__context__ from None
        raise
    finally:
        shutil.rmtree(storage, ignore_errors=True)
