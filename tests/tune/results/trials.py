"""Trial records to rank."""

import dataclasses

from embedllm.config import FitConfig
from tune.records import TrialRecord, TrialState

CONFIG = FitConfig(encoder="lsa", epochs=10, batch_questions=512)


def trial(number: int, loss: float | None = 0.5, state: TrialState = "COMPLETE", **changes: object) -> TrialRecord:
    metrics = {} if loss is None else {"val_log_loss": loss, "val_log_loss_sd": 0.001, "val_accuracy": 1 - loss}
    record = TrialRecord(trial=number, state=state, config=CONFIG, seeds=3, metrics=metrics, budget=10, seconds=1.0)
    return dataclasses.replace(record, **changes)  # type: ignore[arg-type]


BASELINE = trial(0, 0.53, role="baseline", config=FitConfig(encoder="lsa"), budget=50)
