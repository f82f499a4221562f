"""`axis`: what does each hyperparameter do? One changed at a time around a centre, paired over seeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ablations.cell import Cell
from ablations.config import AblationConfig
from ablations.design import Drawing, Plan
from embedllm.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from ablations.results import Results
    from embedllm.data.matrix import CorrectnessMatrix

SPLIT = "base"
CENTRE = "centre"
SMALL_TEST = 100


@dataclass(frozen=True)
class Axis:
    """One-factor sweeps of dimension, noise, question encoder and learning rate.

    Raises:
        ConfigError: for unknown axes, or an empty list of values.
    """

    name: ClassVar[str] = "axis"
    title: ClassVar[str] = "What each hyperparameter does: one changed at a time, paired over seeds"
    position: ClassVar[int] = 4

    axes: list[str] = field(default_factory=lambda: ["embedding_dim", "noise", "encoder", "learning_rate"])
    """Hyperparameters varied: embedding_dim, noise, encoder, learning_rate."""
    around: str | None = None
    """The centre: `paper`, `fast`, or the folder of a sweep to take its winner; null = the preset."""
    dimensions: list[int] | None = None
    """Embedding dimensions tried; null = 4, 16, 64, 256, omitting those close to the centre's."""
    noises: list[float] | None = None
    """Noise levels tried; null = 0, 0.025, 0.05, 0.1, 0.2, 0.4."""
    encoders: list[str] | None = None
    """Question encoders tried; null = `lsa:32`, `lsa:96`, `lsa`."""
    learning_rates: list[float] | None = None
    """Learning rates tried; null = a ninth, a third, three and nine times the centre's."""

    def __post_init__(self) -> None:
        from ablations.axis.values import AXES

        problems = []
        unknown = [axis for axis in self.axes if axis not in AXES]
        if unknown or not self.axes or len(set(self.axes)) < len(self.axes):
            problems.append(f"axes must be distinct and among {', '.join(AXES)} but are {self.axes}")
        for name in ("dimensions", "noises", "encoders", "learning_rates"):
            if getattr(self, name) == []:
                problems.append(f"{name} is empty; give a value, or null for the defaults")
        if problems:
            raise ConfigError("invalid axis design: " + "; ".join(problems))

    def plan(self, data: "CorrectnessMatrix", config: AblationConfig) -> Plan:
        from ablations.axis.values import axis_values, centre

        split = config.base_split(data)
        if not len(split.val) or not len(split.test):
            raise DataError(
                "the axis design",
                ["the split has no validation or no test question; use --split random, or import more questions"],
            )
        recipe, _, notes = centre(config, data, self.around)
        if config.seeds < 2:
            notes.append("With one seed no difference can be distinguished from chance; use --seeds 5 or more.")
        if len(split.test) < SMALL_TEST:
            notes.append(
                f"There are only {len(split.test)} test questions: differences of a few points are within noise."
            )
        asked = {
            "embedding_dim": self.dimensions,
            "noise": self.noises,
            "encoder": self.encoders,
            "learning_rate": self.learning_rates,
        }
        variants = [(CENTRE, recipe)]
        for axis in self.axes:
            variants += [(axis, recipe.replace(**{axis: value})) for value in axis_values(axis, recipe, asked[axis])]
        cells = [
            Cell("embedllm", one.replace(seed=seed), SPLIT, factors={"axis": axis}, outputs=("question_scores",))
            for axis, one in variants
            for seed in config.seed_values
        ]
        return Plan({SPLIT: split}, cells, notes)

    def tables(
        self, results: "Results", data: "CorrectnessMatrix", config: AblationConfig
    ) -> "dict[str, pd.DataFrame]":
        from ablations.axis.tables import make_tables
        from ablations.axis.values import centre

        recipe, title, _ = centre(config, data, self.around)
        return make_tables(results, data, config, recipe, title, self.axes)

    def draw(self, tables: "Mapping[str, pd.DataFrame]") -> list[Drawing]:
        from ablations.plots.axis import draw

        return draw(tables)

    def findings(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        from ablations.axis.wording import findings

        return findings(tables)

    def caveats(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        from ablations.axis.wording import caveats

        return caveats(tables)
