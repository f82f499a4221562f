"""Configuration of a sweep. YAML files and command lines mirror these dataclasses one to one."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from embedllm.checks import not_among, not_counts, not_gpus, too_small
from embedllm.config import PRESETS, SplitChoice
from embedllm.errors import ConfigError
from tune.search.objectives import OBJECTIVES, PER_EPOCH_OBJECTIVES, Direction, Objective, read_objectives
from tune.search.ranges import Range, read_axes

Sampler = Literal["tpe", "random", "qmc", "grid", "cmaes"]
Pruner = Literal["none", "median", "hyperband", "successive-halving"]


@dataclass(frozen=True)
class SearchSpace:
    """What is searched: each axis is a list of choices or a range. A list of one value fixes the axis.

    Raises:
        ConfigError: naming every axis that does not fit.
    """

    encoder: list[str] = field(default_factory=lambda: ["lsa", "lsa:96"])
    """Question encoders: `lsa`, `lsa:WIDTH`, or sentence-transformers names or local paths."""
    embedding_dim: Range | list[int] = field(default_factory=lambda: Range(8, 256, log=True))
    """Size of a model's embedding vector."""
    noise: Range | list[float] = field(default_factory=lambda: Range(0.0, 0.2))
    """Standard deviation of the noise added to question encodings while training."""
    training_questions: Range | list[float] = field(default_factory=lambda: [0.25, 0.5, 1.0])
    """Number of training questions: values up to 1 are fractions of all, values above 1 are counts."""
    learning_rate: Range | list[float] = field(default_factory=lambda: Range(2e-3, 1e-1, log=True))
    """Adam's (peak) learning rate."""
    weight_decay: Range | list[float] = field(default_factory=lambda: Range(1e-7, 1e-3, log=True))
    """Adam's L2 penalty."""
    batch_questions: list[int] | None = None
    """Questions per batch; null = the preset's, or fewer on little data."""
    epochs: list[int] | None = None
    """Passes over the training questions; null = the preset's. A trial is complete once it has run all of its own."""

    def __post_init__(self) -> None:
        problems = []
        for name, axis in self.axes().items():
            low, high = (axis.low, axis.high) if isinstance(axis, Range) else (None, None)
            if not isinstance(axis, Range):
                if not axis:
                    problems.append(f"{name} has no choices; give at least one")
                    continue
                if len(set(axis)) < len(axis):
                    problems.append(f"{name} lists a choice twice: {axis}")
                if name != "encoder":
                    low, high = min(axis), max(axis)
            if name in ("embedding_dim", "batch_questions", "epochs"):
                ends = [low, high] if isinstance(axis, Range) else axis
                if any(value is None or value < 1 or value != int(value) for value in ends):
                    problems.append(f"{name} must hold whole numbers from 1 but is {_show(axis)}")
            elif name in ("noise", "weight_decay") and low is not None and low < 0:
                problems.append(f"{name} must not be negative but is {_show(axis)}")
            elif name in ("learning_rate", "training_questions") and low is not None and low <= 0:
                problems.append(f"{name} must be positive but is {_show(axis)}")
            if name == "training_questions" and isinstance(axis, Range) and axis.low <= 1 < axis.high:
                problems.append(
                    f"training_questions must range over fractions (up to 1) or over counts (above 1), not both: {axis}"
                )
            if name == "training_questions" and isinstance(axis, Range) and math.ceil(axis.low) > axis.high > 1:
                problems.append(f"{name} ranges over counts, but no whole number lies in {_show(axis)}")
        if problems:
            raise ConfigError("invalid search space: " + "; ".join(problems))

    def axes(self) -> dict[str, Range | list[Any]]:
        """Axis name -> range or choices, without the axes left to the preset."""
        values = {axis.name: getattr(self, axis.name) for axis in dataclasses.fields(self)}
        return {name: axis for name, axis in values.items() if axis is not None}


DEFAULT_OBJECTIVE = "val_log_loss"


@dataclass(frozen=True)
class SweepConfig:
    """One search: data, what to search, how, and where it runs.

    Raises:
        ConfigError: naming every value out of range.
    """

    data: str | None = None
    """Folder written by `embedllm data import`; null = simulated data."""
    out: str | None = None
    """Sweep folder; null = a new one in sweeps/, named by date and time."""
    trials: int = 32
    """Number of finished trials, completed or pruned; failed ones are replaced."""
    seeds: int = 3
    """Seeds per trial; a trial is judged by their mean."""
    space: SearchSpace = field(default_factory=SearchSpace)
    """What is searched."""
    preset: str = "fast"
    """Preset for everything that is not searched: `fast` or `paper`."""
    objective: str = DEFAULT_OBJECTIVE
    """Validation metric to optimise; the direction follows from the metric."""
    objectives: list[str | dict[str, str] | Objective] | None = None
    """Several objectives at once, for the Pareto front between them: a validation metric first, which decides the
    winner, then metrics or costs (training_questions, embedding_dim, parameters, epochs, seconds); null = `objective`
    alone."""
    sampler: Sampler = "tpe"
    """How configurations are proposed. `grid` needs lists on every axis, `cmaes` at least two ranges."""
    pruner: Pruner = "none"
    """How unpromising trials are stopped early."""
    seed: int = 0
    """Seed of the sampler and the first seed of every fit."""
    split: SplitChoice = "auto"
    """Validation and test questions: given by the data, random, or `auto` = given if the data names test questions,
    else random. A given split without validation questions draws them from train."""
    split_seed: int = 0
    """Seed of a random split, or of the validation questions drawn from train."""
    pack: int | None = None
    """Trials trained together as one fused pack; null = chosen from the number of trials and slots."""
    slots: int | None = None
    """Packs trained at the same time; null = as many as the CPUs or GPUs hold."""
    cpus_per_pack: int | None = None
    """CPU threads per pack; null = 1, or with GPUs the CPUs divided among the slots."""
    gpus_per_pack: float | None = None
    """GPUs per pack, a fraction to share one; null = 0.5 if there are GPUs, else 0."""
    address: str | None = None
    """Ray cluster to join: `auto` or HOST:PORT; null = start Ray on this machine."""
    tracking_uri: str | None = None
    """MLflow tracking URI; null = MLFLOW_TRACKING_URI, else an SQLite database beside the sweep folder."""
    register: str = "auto"
    """Registered MLflow model that gets the winner as a version; `auto` = embedllm-DATA, `none` = do not register."""
    time_budget: float | None = None
    """Seconds after which no further pack is started; null = no limit."""
    deterministic: bool = False
    """Same trials and metrics at any parallelism and pack size: trials are proposed in fixed generations."""
    finalists: int | None = None
    """Number of best trials evaluated on the test questions at the end; the winner is always the best on validation.
    null = 1, or with several objectives 5 along the Pareto front."""

    def __post_init__(self) -> None:
        problems = self._settle_objectives()
        problems += too_small(self, trials=1, seeds=1, seed=0, split_seed=0)
        problems += not_counts(self, "pack", "slots", "cpus_per_pack", "finalists")
        problems += not_gpus(self, "gpus_per_pack")
        if self.time_budget is not None and not self.time_budget > 0:
            problems.append(f"time_budget must be positive seconds, or null, but is {self.time_budget}")
        if not self.register.strip() or any(letter in self.register for letter in "/:'\""):
            problems.append(
                f"register must be a name without /, : and quotes, or auto or none, but is {self.register!r}"
            )
        problems += not_among(
            self,
            preset=tuple(PRESETS),
            objective=tuple(OBJECTIVES),
            sampler=get_args(Sampler),
            pruner=get_args(Pruner),
            split=get_args(SplitChoice),
        )
        ranges = [name for name, axis in self.space.axes().items() if isinstance(axis, Range)]
        if self.sampler == "grid" and ranges:
            problems.append(f"sampler grid needs a list of choices on every axis, but {', '.join(ranges)} have ranges")
        if self.sampler == "cmaes" and len(ranges) < 2:
            problems.append("sampler cmaes needs ranges on at least two axes; use tpe for lists of choices")
        if self.objectives is not None:
            problems += self._unfit_for_several()
        elif self.pruner != "none" and self.objective not in PER_EPOCH_OBJECTIVES:
            problems.append(
                f"pruner {self.pruner} needs an objective known after every epoch "
                f"({', '.join(PER_EPOCH_OBJECTIVES)}) but the objective is {self.objective!r}"
            )
        if problems:
            raise ConfigError("invalid sweep configuration: " + "; ".join(problems))

    def _settle_objectives(self) -> list[str]:
        """Read `objectives`, of which the first is the `objective` and a single one is it alone; returns problems."""
        if self.objectives is None:
            return []
        found, problems = read_objectives(self.objectives)
        if problems:
            return problems
        if self.objective not in (found[0].name, DEFAULT_OBJECTIVE):
            return [
                f"objective is {self.objective} but objectives begin with {found[0].name}; "
                "leave objective out, or put it first"
            ]
        object.__setattr__(self, "objective", found[0].name)
        object.__setattr__(self, "objectives", found if len(found) > 1 else None)
        return []

    def _unfit_for_several(self) -> list[str]:
        """What cannot be combined with several objectives."""
        problems = []
        if self.pruner != "none":
            problems.append(
                f"pruner {self.pruner} cannot be used with several objectives, by which two unfinished trials cannot "
                "be ranked; use pruner none, or one objective"
            )
        if self.sampler == "cmaes":
            problems.append("sampler cmaes follows one objective only; use tpe, random, qmc or grid for several")
        names = [goal.name for goal in self.goals]
        if self.deterministic and "seconds" in names:
            problems.append(
                "objective seconds differs from run to run; with deterministic use another one, such as parameters"
            )
        for name in names:
            if name in self._fixed_costs():
                problems.append(f"objective {name} is the same for every trial; give space.{name} several values")
        if self.seeds == 1 and any(name.endswith("_sd") for name in names):
            problems.append("a standard deviation as objective needs at least 2 seeds")
        return problems

    def _fixed_costs(self) -> list[str]:
        """Axes that cost something and have one value only."""
        axes = self.space.axes()
        values = {name: axes.get(name, [None]) for name in ("training_questions", "embedding_dim", "epochs")}
        return [name for name, axis in values.items() if not isinstance(axis, Range) and len(axis) == 1]

    @property
    def goals(self) -> list[Objective]:
        """The objectives, also where there is only one; the first decides the winner."""
        if self.objectives is None:
            return [Objective(self.objective, self.direction)]
        return [goal for goal in self.objectives if isinstance(goal, Objective)]

    @property
    def data_name(self) -> str:
        """What the data is called: its folder's name."""
        return "simulated data" if self.data is None else Path(self.data).name

    @property
    def learns(self) -> bool:
        """Whether the sampler learns from finished trials; others lose nothing by proposing far ahead."""
        return self.sampler in ("tpe", "cmaes")

    @property
    def direction(self) -> Direction:
        """Whether smaller or larger values of the objective are better."""
        return OBJECTIVES[self.objective]

    def replace(self, **changes: Any) -> "SweepConfig":
        """A copy with some values changed."""
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """JSON text, the inverse of :meth:`from_json`."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "SweepConfig":
        """Read what :meth:`to_json` wrote.

        Raises:
            ConfigError: for unknown keys or values out of range.
        """
        values = json.loads(text)
        space = values.pop("space", {})
        for source, owner in ((values, cls), (space, SearchSpace)):
            known = {item.name for item in dataclasses.fields(owner)}
            unknown = sorted(set(source) - known)
            if unknown:
                raise ConfigError(f"unknown keys {', '.join(unknown)}; allowed: {', '.join(sorted(known))}")
        return cls(**values, space=SearchSpace(**read_axes(space)))


def _show(axis: Range | list[Any]) -> str:
    return f"{axis.low:g} to {axis.high:g}" if isinstance(axis, Range) else str(axis)
