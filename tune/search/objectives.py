"""What a sweep optimises: a validation metric, or several metrics and costs traded against each other.

val_log_loss:min,training_questions:min     asks "how many evaluations do I need?"
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from embedllm.errors import ConfigError

if TYPE_CHECKING:
    from tune.records import TrialRecord

Direction = Literal["minimize", "maximize"]

OBJECTIVES: dict[str, Direction] = {
    "val_log_loss": "minimize",
    "val_brier": "minimize",
    "val_ece": "minimize",
    "val_accuracy": "maximize",
    "val_roc_auc": "maximize",
    "val_routing_micro": "maximize",
    "val_routing_macro": "maximize",
}
"""Metrics a sweep can optimise, and their better direction. Test metrics are absent: selection never sees them."""

TRAINING_METRICS = ("train_log_loss",)
"""Measured on training questions: an objective beside a validation metric, never alone. Minimised."""

COSTS = ("training_questions", "embedding_dim", "epochs", "seconds", "parameters")
"""What a configuration costs: an objective beside a validation metric, never alone. Minimised."""

PER_EPOCH_OBJECTIVES = ("val_log_loss", "val_accuracy")
"""Objectives known after every epoch, which a pruner needs."""

DIRECTIONS: dict[str, Direction] = {
    "min": "minimize",
    "max": "maximize",
    "minimize": "minimize",
    "maximize": "maximize",
}
"""How a direction may be written."""


@dataclass(frozen=True)
class Objective:
    """One of a sweep's objectives.

    Args:
        name: a metric of `OBJECTIVES` or `TRAINING_METRICS`, one with `_sd` (its deviation over seeds), or a cost.
        direction: what is better; every objective has one direction only.

    Raises:
        ConfigError: for an unknown name, or the wrong direction.
    """

    name: str
    direction: Direction

    def __post_init__(self) -> None:
        better = direction_of(self.name)
        if self.direction != better:
            raise ConfigError(
                f"{self.name} is {better}d, but {self.direction!r} was asked for; leave the direction out"
            )

    def __str__(self) -> str:
        """As typed: `val_log_loss:min`."""
        return f"{self.name}:{self.direction[:3]}"

    @property
    def sign(self) -> float:
        """1 where smaller is better, -1 where larger is: the value times this is to be minimised."""
        return 1.0 if self.direction == "minimize" else -1.0


def direction_of(name: str) -> Direction:
    """The better direction of an objective.

    Raises:
        ConfigError: for a name that is none, with the nearest that is.
    """
    if name in OBJECTIVES:
        return OBJECTIVES[name]
    metrics = (*OBJECTIVES, *TRAINING_METRICS)
    if name in COSTS or name.removesuffix("_sd") in metrics:
        return "minimize"
    # Only a wrong name needs what lies beside the command-line parser.
    from embedllm.cli.parser import nearest

    allowed = (*metrics, *COSTS)
    if name.startswith("test_"):
        raise ConfigError(
            f"{name!r} cannot be an objective: selection never sees test questions; "
            f"the nearest allowed is {nearest(name.replace('test_', 'val_', 1), allowed)!r}"
        )
    raise ConfigError(
        f"unknown objective {name!r}; the nearest allowed is {nearest(name, allowed)!r}, "
        f"all are {', '.join(allowed)}, and each metric's _sd"
    )


def read_objective(given: Any) -> Objective:
    """An objective as written: `val_log_loss`, `val_log_loss:min`, or a mapping of name and direction.

    Raises:
        ConfigError: if it cannot be one.
    """
    if isinstance(given, Objective):
        return given
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - {"name", "direction"})
        if unknown or "name" not in given:
            raise ConfigError(f"an objective is a mapping of name and direction, or NAME:min, but is {dict(given)}")
        name, direction = str(given["name"]), given.get("direction")
    else:
        name, _, direction = str(given).strip().partition(":")
    if not direction:
        return Objective(name, direction_of(name))
    if direction not in DIRECTIONS:
        raise ConfigError(f"the direction of {name} must be min or max but is {direction!r}")
    return Objective(name, DIRECTIONS[direction])


def read_objectives(given: Iterable[Any]) -> tuple[list[Objective], list[str]]:
    """Objectives as written, and what is wrong with them; with problems the objectives are not to be used."""
    found, problems = [], []
    for one in given:
        try:
            found.append(read_objective(one))
        except ConfigError as error:
            problems.append(str(error))
    names = [objective.name for objective in found]
    if not problems:
        problems += [f"objective {name} is given twice" for name in dict.fromkeys(names) if names.count(name) > 1]
        if not found:
            problems.append("objectives is empty; name at least one, or use null")
        elif names[0] not in OBJECTIVES:
            problems.append(
                f"the first objective decides which trial wins and must be one of {', '.join(OBJECTIVES)}, "
                f"but is {names[0]}; put a validation metric first"
            )
    return found, problems


def objective_value(record: "TrialRecord", name: str) -> float | None:
    """A record's value of an objective, None where it has none.

    The configuration tells `training_questions`, `embedding_dim` and `epochs` (the full budget); `seconds` and
    `parameters` are the record's, everything else is a metric. Where a configuration says "all training questions", as
    the baseline's does, their number is unknown here.
    """
    value: float | None
    if name in ("training_questions", "embedding_dim", "epochs"):
        value = getattr(record.config, name)
    elif name in COSTS:
        value = getattr(record, name)
    else:
        value = record.metrics.get(name)
    return None if value is None or value != value else float(value)
