"""The cell: one method, trained once on one split with one seed. A design is a list of them."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

from embedllm.config import FitConfig
from embedllm.errors import ConfigError

Method = Literal["embedllm", "knn", "lookup", "lookup_predicted", "model_mean", "logistic"]
METHODS: tuple[Method, ...] = get_args(Method)

Side = Literal["val", "test"]
Output = Literal["embedding", "function", "question_scores"]
"""What a cell can leave behind besides its metrics: the model vectors, the models as points of the space of predictions
(:func:`embedllm.probing.function_coordinates`), or the test metrics taken apart by question."""

Factor = str | int | float

READS_ENCODINGS: tuple[Method, ...] = ("embedllm", "knn", "lookup_predicted", "logistic")
"""Methods whose result depends on the question encoder."""

METRIC_COLUMNS = ("accuracy", "log_loss", "brier", "ece", "roc_auc", "routing_micro", "routing_macro")
SETTING_COLUMNS = ("encoder", "embedding_dim", "noise", "learning_rate", "weight_decay", "training_questions")
"""Fields of the configuration that results name, missing where a method does not use them."""
CELL_COLUMNS = ("key", "method", *SETTING_COLUMNS, "split", "seed")
ROW_COLUMNS = ("side", "scope", "questions", *METRIC_COLUMNS, "seconds", "state", "reason", "note")
"""With the factors between them, the columns of a result; see :class:`ablations.results.Results`."""


@dataclass(frozen=True)
class Cell:
    """One method, trained once.

    Args:
        method: what is trained.
        config: how; of a baseline only `encoder` (where it reads encodings), `training_questions` and, for a subset of
            the questions, `seed` matter.
        split: name of a split of the plan.
        factors: what the design varies, name -> value; each becomes a column of the result.
        outputs: what is kept besides the metrics; `embedding` and `function` are for the method `embedllm` only.
        sides: which questions are judged. Selection, say of one of several learning rates, must look at val only.

    Raises:
        ConfigError: for an unknown method, output or side, or a factor named like a column of every result.
    """

    method: Method
    config: FitConfig
    split: str
    factors: Mapping[str, Factor] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    sides: tuple[Side, ...] = ("val", "test")

    def __post_init__(self) -> None:
        problems = []
        if self.method not in METHODS:
            problems.append(f"method must be one of {', '.join(METHODS)} but is {self.method!r}")
        for name, given, allowed in (
            ("outputs", self.outputs, get_args(Output)),
            ("sides", self.sides, get_args(Side)),
        ):
            unknown = [value for value in given if value not in allowed]
            if unknown or len(set(given)) < len(given):
                problems.append(f"{name} must be distinct and among {', '.join(allowed)} but are {', '.join(given)}")
        if not self.sides:
            problems.append("sides is empty; give val, test or both")
        if "embedding" in self.outputs and self.method != "embedllm":
            problems.append(f"only embedllm has an embedding, not {self.method}")
        if "function" in self.outputs and self.method != "embedllm":
            problems.append(f"only embedllm has a function, not {self.method}")
        if "question_scores" in self.outputs and "test" not in self.sides:
            problems.append("question_scores are those of the test questions, but sides leaves test out")
        taken = sorted(set(self.factors) & {*CELL_COLUMNS, *ROW_COLUMNS})
        if taken:
            problems.append(f"a factor cannot be called {', '.join(taken)}: every result has columns of that name")
        if problems:
            raise ConfigError("invalid cell: " + "; ".join(problems))

    @cached_property
    def key(self) -> str:
        """Digest (16 hex digits) of everything that decides the result besides the questions of its split.

        The folder of a design is bound to one data digest and one set of questions per split name.
        """
        content = {
            "method": self.method,
            "config": self.settings,
            "split": self.split,
            "factors": dict(self.factors),
            "outputs": sorted(self.outputs),
            "sides": sorted(self.sides),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of `config` that matter to the method."""
        if self.method == "embedllm":
            return dataclasses.asdict(self.config)
        settings: dict[str, Any] = {"training_questions": self.config.training_questions, "seed": self.config.seed}
        return settings | ({"encoder": self.config.encoder} if self.method in READS_ENCODINGS else {})

    @property
    def columns(self) -> dict[str, Any]:
        """What every row of the result says about the cell, `training_questions` None where all are used."""
        settings = self.settings
        own = {name: settings.get(name) for name in SETTING_COLUMNS}
        return {"key": self.key, "method": self.method, **own, "split": self.split, "seed": self.config.seed} | dict(
            self.factors
        )

    @property
    def without_seed(self) -> "Cell":
        """The configuration this cell is one seed of."""
        return dataclasses.replace(self, config=self.config.replace(seed=0))
