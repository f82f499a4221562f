"""What the trials of a sweep amount to: the best, how many are finished, whether any will follow."""

import math
from collections.abc import Sequence

from tune.config import SweepConfig
from tune.records import TrialRecord
from tune.search.objectives import objective_value
from tune.search.space import space_size


def best_record(records: Sequence[TrialRecord], config: SweepConfig) -> TrialRecord | None:
    """The complete trial with the best objective on the validation questions; see :func:`ranking`."""
    return next(iter(ranking(records, config)), None)


def ranking(records: Sequence[TrialRecord], config: SweepConfig) -> list[TrialRecord]:
    """The complete trials, the best objective on the validation questions first; the baseline does not compete.

    With several objectives the first decides, and between equals the next: the first trial is one of the Pareto front.
    """
    complete = [record for record in records if record.role == "trial" and record.state == "COMPLETE"]
    goals = config.goals

    def badness(record: TrialRecord) -> list[float]:
        values = [objective_value(record, goal.name) for goal in goals]
        return [math.inf if value is None else goal.sign * value for goal, value in zip(goals, values, strict=True)]

    return sorted(complete, key=badness)


def count_finished(records: Sequence[TrialRecord]) -> int:
    """Trials that count towards the target: complete or pruned."""
    return sum(record.role == "trial" and record.state in ("COMPLETE", "PRUNED") for record in records)


def has_baseline(records: Sequence[TrialRecord]) -> bool:
    """Whether the baseline is complete."""
    return any(record.role == "baseline" and record.state == "COMPLETE" for record in records)


def is_exhausted(records: Sequence[TrialRecord], config: SweepConfig) -> bool:
    """Whether every configuration of a finite space has been tried: no trial will follow, whatever the target."""
    size = space_size(config.space)
    tried = [record for record in records if record.role == "trial" and not record.lost]
    return size is not None and len(tried) >= size and all(record.state != "RUNNING" for record in tried)
