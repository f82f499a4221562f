"""What the figures of a sweep have in common: which trials may be compared, and how metrics and trials are called."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from embedllm.titles import METRIC_NAMES
from tune.config import SweepConfig
from tune.records import TrialRecord
from tune.results.leaderboard import is_comparable

NONE_COMPLETE = "no trial has reached its full budget yet"

_SIDES = {"train": "training", "val": "validation", "test": "test"}
_COSTS = {
    "training_questions": "training questions",
    "embedding_dim": "embedding dimension",
    "seconds": "training seconds",
    "epochs": "epochs",
    "parameters": "parameters",
}


@dataclass(frozen=True)
class NotDrawn:
    """A figure that would mislead or show nothing, and why: to be told where the figure would stand.

    Args:
        name: stem of the figure's files, had it been drawn.
        title: what the figure would have shown.
        reason: why it is not there.
    """

    name: str
    title: str
    reason: str

    def __str__(self) -> str:
        return f"{self.title}: not drawn, {self.reason}."


def comparable_trials(records: Sequence[TrialRecord], objective: str) -> list[TrialRecord]:
    """The search's trials that reached the full budget of their configuration, by number."""
    found = [record for record in records if record.role == "trial" and is_comparable(record, objective)]
    return sorted(found, key=lambda record: record.trial)


def equal_budget(records: Sequence[TrialRecord], objective: str) -> tuple[int, list[TrialRecord]]:
    """The largest group of comparable trials that ran equally many epochs, and how many those are (0: no trial)."""
    groups: dict[int, list[TrialRecord]] = defaultdict(list)
    for record in comparable_trials(records, objective):
        groups[record.config.epochs].append(record)
    return max(groups.items(), key=lambda item: (len(item[1]), item[0]), default=(0, []))


def best_first(trials: Sequence[TrialRecord], config: SweepConfig) -> list[TrialRecord]:
    """Comparable trials from the best objective to the worst."""
    sign = 1 if config.direction == "minimize" else -1
    return sorted(trials, key=lambda record: (sign * record.metrics[config.objective], record.trial))


def quantity_title(name: str) -> str:
    """A metric or cost as an axis is labelled: `val_log_loss` -> `validation log-loss`."""
    if name.endswith("_sd"):
        return f"{quantity_title(name.removesuffix('_sd'))}, sd over seeds"
    side, _, metric = name.partition("_")
    if side in _SIDES and metric in METRIC_NAMES:
        return f"{_SIDES[side]} {METRIC_NAMES[metric].title}"
    return _COSTS.get(name, name.replace("_", " "))


def sentence(text: str) -> str:
    """The text with a capital letter first; `str.capitalize` would make the others small, as in `ROC AUC`."""
    return text[:1].upper() + text[1:]


def better_word(direction: str) -> str:
    """`lower` or `higher`, whichever is better."""
    return "lower" if direction == "minimize" else "higher"


def visible_limit(values: Sequence[float], direction: str) -> float | None:
    """The worst value an axis should reach to, or None where it can show all.

    A few diverged trials would otherwise squeeze every difference that matters into a line: the axis reaches as far
    beyond the worst quartile as that is from the best.
    """
    if not values:
        return None
    ordered = sorted(values, reverse=direction == "maximize")
    best, quartile, worst = ordered[0], ordered[(3 * (len(ordered) - 1)) // 4], ordered[-1]
    limit = quartile + (quartile - best)
    return limit if abs(worst - best) > abs(limit - best) > 0 else None
