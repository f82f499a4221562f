"""What a sweep's worker does with an order: train its pack."""

import socket
from dataclasses import dataclass, replace

from embedllm.errors import EmbedLLMError
from tune.config import SweepConfig
from tune.data import SweepData
from tune.engine.dispatch import Order, Outcome
from tune.search.objectives import COSTS
from tune.search.pruning import PackPruner


@dataclass(frozen=True)
class SweepPayload:
    """Everything a worker reads.

    Args:
        config: the sweep's configuration.
        source: the data.
    """

    config: SweepConfig
    source: SweepData


def where() -> str:
    """Host, node and GPUs of this process under Ray: `gpu-box/1f3a9c02 GPU 0`. Nodes may share a host."""
    import ray

    host = socket.gethostname()
    if not ray.is_initialized():
        return host
    gpus = ",".join(map(str, ray.get_gpu_ids()))
    return f"{host}/{ray.get_runtime_context().get_node_id()[:8]}" + (f" GPU {gpus}" if gpus else "")


class PackWorker:
    """Trains one pack after the other, with the sweep's pruner."""

    def __init__(self, payload: SweepPayload, threads: int) -> None:
        # Imported here: the driver, which only names this class, starts seconds sooner without PyTorch.
        from tune.engine.fitting import PackFitter

        self._where = where()
        self._sweep = payload.config
        self._fitter = PackFitter(
            payload.source,
            seeds=self._sweep.seeds,
            objective=self._sweep.objective,
            threads=threads,
            needed=[goal.name for goal in self._sweep.goals if goal.name not in COSTS],
        )

    def __call__(self, order: Order) -> Outcome:
        pruner, sweep = None, self._sweep
        if sweep.pruner != "none" and order.pack.role == "trial":
            pruner = PackPruner(
                sweep.pruner,
                maximize=sweep.direction == "maximize",
                epochs=order.pack.trials[0][1].epochs,
                history=order.history,
                alone=sweep.deterministic,
            )
        try:
            self._fitter.warm_up(order.pack)
            records = self._fitter.fit(order.pack, pruner)
            return Outcome([replace(record, worker=self._where) for record in records])
        except EmbedLLMError as error:
            return Outcome(failure=str(error))
