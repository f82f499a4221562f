"""What one finished trial is, for every reader: the study, MLflow, the leaderboard, the progress line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from embedllm.config import FitConfig

if TYPE_CHECKING:
    import numpy as np

TrialState = Literal["RUNNING", "COMPLETE", "PRUNED", "FAIL"]


@dataclass(frozen=True)
class TrialRecord:
    """One leaderboard row: one configuration, averaged over its seeds.

    Args:
        trial: number of the Optuna trial; the baseline has its own numbering.
        role: `trial`, or `baseline` for the paper's configuration on the same data.
        state: COMPLETE reached its full budget, PRUNED was stopped early, FAIL has a `reason`.
        config: the configuration, with the first seed.
        seeds: number of seeds averaged.
        metrics: metric name -> mean over seeds, and `<name>_sd` -> standard deviation over seeds (ddof 1; absent for
            one seed).
        curves: `train_log_loss`, `val_log_loss`, `val_accuracy` -> mean over seeds, one value per epoch run.
        best_epoch: 1-based epoch whose parameters were kept (mean over seeds, rounded).
        budget: epochs reached. Rows of different budgets are never ranked together.
        seconds: training seconds this trial took: its share of its pack's, as `FitResult` tells them.
        parameters: number of trained parameters of one seed's model; None where no model came of it.
        reason: why it failed or was pruned.
        lost: its process ended before it did: it says nothing about its configuration, which is run again.
        worker: node and GPUs it was trained on; None in the driver itself.
        label: name of its MLflow run after its number; empty: made of the configuration.
        params: parameters of its MLflow run; empty: the fields of the configuration.
        scores: side -> scores per question (:mod:`tune.results.scores`). On their way from the worker to the sweep's
            folder only: records read back, and those told to listeners, have none.
    """

    trial: int
    state: TrialState
    config: FitConfig
    seeds: int = 1
    role: Literal["trial", "baseline"] = "trial"
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    best_epoch: int | None = None
    budget: int = 0
    seconds: float = 0.0
    parameters: int | None = None
    worker: str | None = None
    reason: str | None = None
    lost: bool = False
    label: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    scores: "Mapping[str, np.ndarray]" = field(default_factory=dict, compare=False, repr=False)


class SweepListener(Protocol):
    """Told by the driver, in its own thread, as a sweep goes on. A listener that raises is told nothing more."""

    def trial_started(self, record: TrialRecord) -> None: ...

    def trial_finished(self, record: TrialRecord) -> None: ...
