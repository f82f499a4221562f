"""Trial records made up for the figures: the objective depends on the learning rate and nothing else."""

import math
import random
from collections.abc import Mapping
from typing import Any

import pytest

from embedllm.config import FitConfig
from tune.config import Range, SearchSpace, SweepConfig
from tune.records import TrialRecord, TrialState

SPACE = SearchSpace(
    encoder=["lsa", "org/all-MiniLM-L6-v2"],
    embedding_dim=Range(8, 256, log=True),
    noise=Range(0.0, 0.2),
    training_questions=[0.25, 0.5, 1.0],
    learning_rate=Range(1e-3, 1e-1, log=True),
    weight_decay=[1e-5],
)
CONFIG = SweepConfig(space=SPACE, sampler="random")
BASELINE = TrialRecord(
    0,
    "COMPLETE",
    FitConfig(encoder="lsa"),
    role="baseline",
    metrics={"val_log_loss": 0.55, "val_accuracy": 0.70},
    curves={"val_log_loss": [0.69] + [0.55] * 49, "val_accuracy": [0.5] + [0.7] * 49},
    budget=50,
)


def trial(
    number: int,
    loss: float | None = 0.5,
    state: TrialState = "COMPLETE",
    *,
    config: Mapping[str, Any] | None = None,
    **changes: Any,
) -> TrialRecord:
    fit = FitConfig(encoder="lsa", epochs=4, batch_questions=64, training_questions=1000, weight_decay=1e-5)
    metrics = {} if loss is None else {"val_log_loss": loss, "val_accuracy": 1.2 - loss}
    curves = {} if loss is None else {"val_log_loss": [0.69, 0.6, loss, loss], "val_accuracy": [0.5, 0.6, 0.7, 0.7]}
    values: dict[str, Any] = {"metrics": metrics, "curves": curves, "budget": 4, "best_epoch": 3} | changes
    return TrialRecord(number, state, fit.replace(**(config or {})), seeds=2, **values)


def searched(count: int, seed: int = 0) -> list[TrialRecord]:
    """Random trials over `SPACE`; the best learning rate is 0.01, the other axes do nothing."""
    draw = random.Random(seed)
    records = []
    for number in range(count):
        rate = 10 ** draw.uniform(-3, -1)
        config = {
            "encoder": draw.choice(SPACE.encoder),
            "embedding_dim": round(math.exp(draw.uniform(math.log(8), math.log(256)))),
            "noise": draw.uniform(0, 0.2),
            "training_questions": draw.choice([250, 500, 1000]),
            "learning_rate": rate,
        }
        records.append(trial(number, 0.5 + 0.05 * abs(math.log10(rate) + 2), config=config))
    return records


@pytest.fixture
def records() -> list[TrialRecord]:
    """A whole sweep: baseline, 24 complete trials, two pruned, one failed, one lost, one running."""
    unfinished = [
        trial(24, 0.65, "PRUNED", budget=1, reason="pruned after epoch 1 of 4"),
        trial(25, 0.66, "PRUNED", budget=2, reason="pruned after epoch 2 of 4"),
        trial(26, None, "FAIL", budget=1, reason="loss is NaN"),
        trial(27, None, "FAIL", budget=0, reason="the driver ended before this trial did", lost=True),
        trial(28, None, "RUNNING", budget=0),
    ]
    return [BASELINE, *searched(24), *unfinished]
