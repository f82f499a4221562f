"""Which trials to stop early, decided inside the worker that trains them.

A worker gets the learning curves of all trials finished when its pack was sent out, and sees those of its own pack as
they grow; no message is exchanged while training. The rules are Optuna's `MedianPruner`, `SuccessiveHalvingPruner` and
`HyperbandPruner` (a test compares them), restated over arrays because Optuna's need a study, hence a storage, at hand.
"""

import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tune.config import Pruner

REDUCTION_FACTOR = 3
"""Successive halving keeps one trial of three at every rung; rungs are at epochs 1, 3, 9, 27…"""

MEDIAN_STARTUP_TRIALS = 5
"""The median rule needs this many complete trials."""

STUDY_NAME = "sweep"
"""Enters Hyperband's assignment of trials to brackets, as in Optuna."""


@dataclass(frozen=True)
class History:
    """Curves of the objective, one value per epoch, of the finished trials with the epochs of the pack at hand."""

    complete: Mapping[int, Sequence[float]] = field(default_factory=dict)
    pruned: Mapping[int, Sequence[float]] = field(default_factory=dict)
    origins: Mapping[int, int] = field(default_factory=dict)
    """Number -> the number under which a trial that was lost was asked for at first; others are left out."""


class PackPruner:
    """Decides for the trials of one pack, epoch by epoch.

    Args:
        rule: the pruner's name.
        maximize: whether larger values are better.
        epochs: full budget of every trial of the pack.
        history: finished trials.
        alone: judge each trial against the history only, not against the others of its pack, whose company is an
            accident of pack size and timing: the deterministic mode.
    """

    def __init__(self, rule: Pruner, *, maximize: bool, epochs: int, history: History, alone: bool) -> None:
        self._rule = rule
        self._sign = -1.0 if maximize else 1.0
        self._epochs = epochs
        self._alone = alone
        self._origins = history.origins
        self._complete = {number: np.asarray(curve) * self._sign for number, curve in history.complete.items()}
        finished = {**history.complete, **history.pruned}
        self._rungs: dict[tuple[int, int], list[float]] = {}
        if rule in ("hyperband", "successive-halving"):
            for number, curve in finished.items():
                self._enter_rungs(number, np.asarray(curve) * self._sign)
        self._best: dict[int, float] = {}

    def report(self, epoch: int, values: Mapping[int, float]) -> list[int]:
        """Take the objective of every training trial after `epoch` (1-based); returns the trials to drop.

        A NaN is left to the training itself, which fails the trial. Nothing is dropped after the last epoch.
        """
        sound = {number: self._sign * value for number, value in values.items() if not math.isnan(value)}
        for number, value in sound.items():
            self._best[number] = min(value, self._best.get(number, math.inf))
        if epoch >= self._epochs or self._rule == "none":
            return []
        if self._rule == "median":
            return [number for number in sound if self._below_median(number, epoch)]
        return self._halve(epoch, sound)

    def _below_median(self, number: int, epoch: int) -> bool:
        if len(self._complete) < MEDIAN_STARTUP_TRIALS:
            return False
        others = [curve[epoch - 1] for curve in self._complete.values() if len(curve) >= epoch]
        return bool(others) and self._best[number] > float(np.nanmedian(others))

    def _halve(self, epoch: int, values: Mapping[int, float]) -> list[int]:
        entries: dict[tuple[int, int], dict[int, float]] = {}
        for number, value in values.items():
            bracket = self._bracket(number)
            rung = _rung_at(epoch, bracket)
            if rung is not None:
                entries.setdefault((bracket, rung), {})[number] = value
        dropped = []
        for key, entered in entries.items():
            known = self._rungs.setdefault(key, [])
            if not self._alone:
                known.extend(entered.values())
            for number, value in entered.items():
                competing = sorted([*known, value] if self._alone else known)
                promoted = max(len(competing) // REDUCTION_FACTOR - 1, 0)
                if value > competing[promoted]:
                    dropped.append(number)
        return dropped

    def _enter_rungs(self, number: int, curve: np.ndarray) -> None:
        bracket = self._bracket(number)
        for epoch in range(1, len(curve) + 1):
            rung = _rung_at(epoch, bracket)
            if rung is not None:
                self._rungs.setdefault((bracket, rung), []).append(float(curve[epoch - 1]))

    def _bracket(self, number: int) -> int:
        """Hyperband: bracket b has its first rung at epoch 3^b; which one a trial is in depends on its number alone."""
        if self._rule != "hyperband":
            return 0
        count = math.floor(math.log(self._epochs, REDUCTION_FACTOR)) + 1
        shares = [math.ceil(count * REDUCTION_FACTOR ** (count - 1 - b) / (count - b)) for b in range(count)]
        place = binascii.crc32(f"{STUDY_NAME}_{self._origins.get(number, number)}".encode()) % sum(shares)
        return int(np.searchsorted(np.cumsum(shares), place, side="right"))


def _rung_at(epoch: int, bracket: int) -> int | None:
    """The rung of `bracket` that stands at `epoch`, if one does: rung r of bracket b is at epoch 3^(b+r)."""
    power = round(math.log(epoch, REDUCTION_FACTOR))
    return power - bracket if REDUCTION_FACTOR**power == epoch and power >= bracket else None
