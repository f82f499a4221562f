"""A dispatcher driven without Ray: who plays the workers, and a listener that remembers."""

import random

from embedllm.config import FitConfig
from tune.engine.dispatch import Dispatcher, Order, Outcome
from tune.engine.packing import Pack
from tune.records import TrialRecord
from tune.search.study import SweepStudy


class Log:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.started: list[tuple[str, int]] = []
        self.finished: list[TrialRecord] = []

    def trial_started(self, record: TrialRecord) -> None:
        self.started.append((record.role, record.trial))

    def trial_finished(self, record: TrialRecord) -> None:
        self.finished.append(record)


def loss(config: FitConfig) -> float:
    return config.noise + abs(config.learning_rate - 0.01)


def train(pack: Pack) -> Outcome:
    """A worker's answer: trials of learning rate above 0.045 diverge."""
    return Outcome(
        [
            TrialRecord(number, "FAIL", config, role=pack.role, reason="diverged")
            if config.learning_rate > 0.045
            else TrialRecord(
                number, "COMPLETE", config, role=pack.role, metrics={"val_log_loss": loss(config)},
                budget=config.epochs, curves={"val_log_loss": [1.0, loss(config)]},
            )
            for number, config in pack.trials
        ]
    )  # fmt: skip


def dispatcher(study: SweepStudy, log: Log | None = None, **changes: int) -> Dispatcher:
    values = {"target": study.config.trials, "pack_size": 4, "slots": 2, "num_models": 10, **changes}
    return Dispatcher(study, listeners=[log] if log else [], **values)  # type: ignore[arg-type]


def drive(subject: Dispatcher, rng: random.Random, slots: int = 2, deaths: float = 0.0, limit: int = 10**6) -> int:
    """Play Ray Tune: fill the slots, finish packs in random order; returns how many packs were finished."""
    running: dict[str, Order] = {}
    finished = 0
    while finished < limit:
        while (order := subject.next_order(f"pack{finished}-{len(running)}-{rng.random()}")) is not None:
            running[next(key for key in subject._running if key not in running)] = order
        assert len(running) <= slots
        if not running:
            assert subject.done
            return finished
        assert not subject.done
        key = rng.choice(list(running))
        order = running.pop(key)
        if rng.random() < deaths:
            subject.died(key, "killed")
        else:
            subject.finished(key, train(order.pack))
        finished += 1
    return finished
