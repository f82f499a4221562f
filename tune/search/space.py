"""From a search space to configurations: define-by-run suggestions and their distributions."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from embedllm.config import FitConfig, preset
from embedllm.errors import ConfigError
from tune.config import Range, SearchSpace, SweepConfig

MIN_STEPS = 16
"""Batches an epoch over all training questions should have at least."""

INTEGER_AXES = ("embedding_dim", "batch_questions", "epochs")


class Suggester(Protocol):
    """The part of an Optuna trial that proposes values; a `FixedTrial` has it too."""

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = ...) -> int: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = ...) -> float: ...


def distributions(space: SearchSpace, num_train: int) -> dict[str, BaseDistribution]:
    """Optuna distribution of every axis, in the order they are suggested.

    Args:
        space: the search space.
        num_train: training questions there are; counts above it are refused.

    Raises:
        ConfigError: if more training questions are asked for than there are.
    """
    found: dict[str, BaseDistribution] = {}
    for name, axis in space.axes().items():
        if name == "training_questions":
            most = axis.high if isinstance(axis, Range) else max(axis)
            if most > max(num_train, 1):
                raise ConfigError(
                    f"training_questions goes up to {most:g} but there are {num_train} training questions; "
                    "use at most that many, or fractions up to 1"
                )
        if not isinstance(axis, Range):
            found[name] = CategoricalDistribution(axis)
        elif name in INTEGER_AXES or (name == "training_questions" and axis.low > 1):
            found[name] = IntDistribution(math.ceil(axis.low), math.floor(axis.high), log=axis.log)
        else:
            found[name] = FloatDistribution(axis.low, axis.high, log=axis.log)
    return found


def suggest(trial: Suggester, config: SweepConfig, num_train: int) -> FitConfig:
    """Ask `trial` for a value on every axis and return the configuration they make.

    The seed is the sweep's for every trial: trials differ by their configuration alone and can each be run again.
    """
    values: dict[str, Any] = {}
    for name, distribution in distributions(config.space, num_train).items():
        if isinstance(distribution, CategoricalDistribution):
            values[name] = trial.suggest_categorical(name, distribution.choices)
        elif isinstance(distribution, IntDistribution):
            values[name] = trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
        elif isinstance(distribution, FloatDistribution):
            values[name] = trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    return fit_config(values, config, num_train)


def fit_config(values: Mapping[str, Any], config: SweepConfig, num_train: int) -> FitConfig:
    """The configuration of one value per axis; what the space leaves out is the preset's."""
    base = preset(config.preset)
    if base.batch_questions is not None:
        base = base.replace(batch_questions=_batch_for(base.batch_questions, num_train))
    changes = dict(values)
    asked = changes.pop("training_questions")
    return base.replace(**changes, training_questions=_training_questions(asked, num_train), seed=config.seed)


def _training_questions(asked: float, num_train: int) -> int:
    """A number of training questions; up to 1 `asked` is a fraction of all."""
    count = round(asked * num_train) if asked <= 1 else int(asked)
    return min(max(count, 1), num_train)


def start_configurations(config: SweepConfig, num_train: int) -> list[dict[str, Any]]:
    """Where a search may begin: one value per axis, the preset's with the most training questions, on each encoder.

    What the preset holds and the space does not is replaced by the nearest that it does.
    """
    standard = fit_config({"training_questions": 1.0}, config, num_train)
    values: dict[str, Any] = {}
    for name, axis in distributions(config.space, num_train).items():
        if name == "training_questions":
            values[name] = _largest(axis, num_train)
        elif name != "encoder":
            values[name] = _nearest(getattr(standard, name), axis)
    return [{"encoder": encoder, **values} for encoder in config.space.encoder]


def _largest(axis: BaseDistribution, num_train: int) -> Any:
    if isinstance(axis, CategoricalDistribution):
        choices: Sequence[Any] = axis.choices
        return max(choices, key=lambda choice: _training_questions(choice, num_train))
    return axis.high  # type: ignore[attr-defined]


def _nearest(value: float | None, axis: BaseDistribution) -> Any:
    """Of what an axis holds, the nearest to `value`; the first choice, or the low end, where there is none."""
    if isinstance(axis, CategoricalDistribution):
        choices: Sequence[Any] = axis.choices
        return choices[0] if value is None else min(choices, key=lambda choice: abs(choice - value))
    low, high = axis.low, axis.high  # type: ignore[attr-defined]
    return low if value is None else min(max(value, low), high)


def _batch_for(largest: int, num_train: int) -> int:
    """The preset's batch or, on little data, the multiple of 32 that still leaves an epoch enough steps.

    The same for every training size, so that trials of different sizes can share a pack.
    """
    return min(largest, max(32, num_train // MIN_STEPS // 32 * 32))


def space_size(space: SearchSpace) -> int | None:
    """Number of distinct configurations, or None where an axis is a range."""
    size = 1
    for axis in space.axes().values():
        if isinstance(axis, Range):
            return None
        size *= len(axis)
    return size


def enumerate_space(space: SearchSpace) -> Iterator[dict[str, Any]]:
    """Every configuration of a space without ranges, the last axis fastest."""
    axes = space.axes()
    for values in itertools.product(*axes.values()):  # type: ignore[arg-type]
        yield dict(zip(axes, values, strict=True))


def baseline_config(config: SweepConfig) -> FitConfig:
    """The official recipe on this sweep's data: `paper` with all training questions.

    The paper's encoder where it is among the space's, else the space's first: the baseline runs where the sweep does.
    """
    official = preset("paper")
    encoders = config.space.encoder
    return official.replace(encoder=official.encoder if official.encoder in encoders else encoders[0], seed=config.seed)
