"""What a sweep's worker does with an order: train its pack."""

from dataclasses import dataclass

from embedllm.errors import EmbedLLMError
from tune.config import SweepConfig
from tune.data import SweepData
from tune.dispatch import Order, Outcome
from tune.pruning import PackPruner


@dataclass(frozen=True)
class SweepPayload:
    """Everything a worker reads.

    Args:
        config: the sweep's configuration.
        source: the data.
    """

    config: SweepConfig
    source: SweepData


class PackWorker:
    """Trains one pack after the other, with the sweep's pruner."""

    def __init__(self, payload: SweepPayload, threads: int) -> None:
        # Imported here: the driver, which only names this class, starts seconds sooner without PyTorch.
        from tune.fitting import PackFitter

        self._sweep = payload.config
        self._fitter = PackFitter(
            payload.source, seeds=self._sweep.seeds, objective=self._sweep.objective, threads=threads
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
            return Outcome(self._fitter.fit(order.pack, pruner))
        except EmbedLLMError as error:
            return Outcome(failure=str(error))
