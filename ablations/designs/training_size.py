"""`training-size`: how many training questions are needed? Nested subsets, several seeds, against the baselines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from ablations.cell import Cell, Method
from ablations.config import AblationConfig
from ablations.design import Drawing, Plan
from embedllm.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from ablations.results import Results
    from embedllm.data.matrix import CorrectnessMatrix

SPLIT = "base"
SMALL_TEST = 100


@dataclass(frozen=True)
class TrainingSize:
    """Accuracy, log-loss, calibration and routing against the number of training questions.

    Raises:
        ConfigError: for a number of candidates below 2.
    """

    name: ClassVar[str] = "training-size"
    title: ClassVar[str] = "How many questions are needed: every method on nested subsets of the training questions"
    position: ClassVar[int] = 1

    sizes: list[int] | None = None
    """Numbers of training questions; the full set always comes last. null = the paper's sizes, scaled to the data."""
    tuned: bool = False
    """Choose EmbedLLM's dimension, learning rate, weight decay and noise per size, by validation log-loss."""
    candidates: int = 12
    """Configurations tried per size with `--tuned`, the base configuration among them."""

    def __post_init__(self) -> None:
        if self.candidates < 2:
            raise ConfigError(f"candidates must be at least 2, or there is nothing to choose, but is {self.candidates}")

    def plan(self, data: "CorrectnessMatrix", config: AblationConfig) -> Plan:
        from ablations.training_size.sizes import candidates, training_sizes

        split = config.base_split(data)
        if not len(split.val) or not len(split.test):
            raise DataError(
                "the training-size design",
                ["the split has no validation or no test question; use --split random, or import more questions"],
            )
        sizes, notes = training_sizes(len(split.train), self.sizes)
        methods = [cast(Method, method) for method in config.methods]
        if len(set(data.benchmarks[split.train])) < 2:
            lookups = [method for method in methods if method.startswith("lookup")]
            methods = [method for method in methods if method not in lookups]
            if lookups:
                notes.append(
                    "The data has one benchmark, on which a benchmark lookup is the per-model mean: "
                    f"{', '.join(lookups)} left out, model_mean compared instead."
                )
                if "model_mean" not in methods:
                    methods.append("model_mean")
        if len(split.test) < SMALL_TEST:
            notes.append(
                f"There are only {len(split.test)} test questions: differences of a few points are within noise."
            )
        if config.seeds < 2:
            notes.append("With one seed there are no bands and no intervals; use --seeds 5 or more.")
        recipes = candidates(config.recipe(), self.candidates) if self.tuned else [config.recipe()]
        cells = []
        for size in sizes:
            full = size == len(split.train)
            for seed in config.seed_values:
                changes = {"training_questions": None if full else size, "seed": seed}
                for method in methods:
                    tried = enumerate(recipes) if method == "embedllm" else [(0, config.recipe())]
                    for number, recipe in tried:
                        cells.append(
                            Cell(
                                method,
                                recipe.replace(**changes),
                                SPLIT,
                                factors={"candidate": number},
                                outputs=("question_scores",) if full else (),
                            )
                        )
        return Plan({SPLIT: split}, cells, notes)

    def tables(
        self, results: "Results", data: "CorrectnessMatrix", config: AblationConfig
    ) -> "dict[str, pd.DataFrame]":
        from ablations.training_size.tables import make_tables

        return make_tables(results, data, config, tuned=self.tuned)

    def draw(self, tables: "Mapping[str, pd.DataFrame]") -> list[Drawing]:
        from ablations.plots.training_size import draw

        return draw(tables)

    def findings(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        from ablations.training_size.wording import findings

        return findings(tables)

    def caveats(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        from ablations.training_size.wording import caveats

        return caveats(tables)
