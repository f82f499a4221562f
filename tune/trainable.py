"""The Ray Tune trainable: an actor that trains one pack after another."""

from typing import Any

from ray.tune import Trainable

from embedllm.errors import EmbedLLMError
from tune.config import SweepConfig
from tune.data import SweepData
from tune.dispatch import Order, Outcome
from tune.pruning import PackPruner

TICKET = "ticket"
OUTCOME = "outcome"


class Ticket:
    """Carries an order through Ray Tune's configuration dictionaries.

    Ray Tune copies, prints and keeps every trial's configuration to the end. A ticket is shared instead of copied,
    prints short, and gives up its order when the pack is done, so that the driver's memory does not grow.
    """

    def __init__(self, order: Order) -> None:
        self.order: Order | None = order

    def __deepcopy__(self, memo: dict[int, Any]) -> "Ticket":
        return self

    def __repr__(self) -> str:
        return "pack"


class PackTrainable(Trainable):
    """One step trains one pack. The actor lives through the sweep: imports, device context and data are paid once.

    There are no checkpoints: a pack takes seconds and is trained again where its worker is lost.
    """

    def setup(  # type: ignore[override]  # `tune.with_parameters` adds the others
        self, config: dict[str, Any], sweep: SweepConfig, source: SweepData, threads: int
    ) -> None:
        """Called once per actor.

        Args:
            config: `{"ticket": Ticket}` of the first pack.
            sweep: the sweep's configuration.
            source: the data, read from Ray's object store without a copy.
            threads: CPU threads to train with.
        """
        # Imported here: the driver, which only names this class, starts seconds sooner without PyTorch.
        import torch

        from tune.fitting import PackFitter

        torch.set_num_threads(threads)  # for the evaluation, too
        self._sweep = sweep
        self._fitter = PackFitter(source, seeds=sweep.seeds, objective=sweep.objective, threads=threads)
        self._ticket: Ticket = config[TICKET]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next pack."""
        self._ticket = new_config[TICKET]
        return True

    def step(self) -> dict[str, Any]:
        """Train the pack; `{"done": True, "outcome": Outcome}`."""
        return {"done": True, OUTCOME: self._train()}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to save."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing to load."""

    def _train(self) -> Outcome:
        import torch

        order, sweep = self._ticket.order, self._sweep
        assert order is not None
        pruner = None
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
        except (MemoryError, torch.OutOfMemoryError) as error:
            torch.cuda.empty_cache()
            return Outcome(failure=f"out of memory: {str(error).splitlines()[0] if str(error) else 'host'}", retry=True)
        except EmbedLLMError as error:
            return Outcome(failure=str(error))
