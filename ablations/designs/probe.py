"""What has the embedding learned? Communities, neighbours and maps of models (paper, section 6.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from embedllm.checks import too_small
from embedllm.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ablations.config import AblationConfig
    from ablations.design import Drawing, Plan
    from ablations.results import Results
    from embedllm.data.matrix import CorrectnessMatrix
    from embedllm.probing import Communities

MINIMUM_MODELS = 6
"""Fewer models have too few pairs: six have fifteen, and 720 permutations."""


@dataclass(frozen=True)
class Probe:
    """Which models lie together after training on all benchmarks, and is it more than their ability?

    Raises:
        ConfigError: naming every value out of range.
    """

    name: ClassVar[str] = "probe"
    title: ClassVar[str] = "What the embedding has learned: communities, neighbours, maps"
    position: ClassVar[int] = 3

    communities: list[str] | None = None
    """Columns of the models' metadata whose values are communities; null = all text columns, and model names where no
    column gives size, specialty or family. An empty list = names only."""
    minimum: int = 3
    """Smallest number of models in a community."""
    most_models: int = 200
    """Most models that are compared: of a larger pool so many are drawn at random, because pairs of models, and the
    time of the permutation tests, grow with the square of their number."""
    permutations: int = 9999
    """Permutations per test: random communities, or random orders of the models."""
    neighbours: int = 3
    """Nearest neighbours listed per model."""
    perplexity: float | None = None
    """t-SNE perplexity; null = 30, or a third of the number of models if that is less."""
    chance_seed: int = 0
    """Seed of the permutations, of t-SNE, and of the draw of models."""

    def __post_init__(self) -> None:
        problems = too_small(self, minimum=2, most_models=MINIMUM_MODELS, permutations=99, neighbours=1, chance_seed=0)
        if self.perplexity is not None and not self.perplexity > 0:
            problems.append(f"perplexity must be positive, or null, but is {self.perplexity}")
        if problems:
            raise ConfigError(f"invalid options of {self.name}: " + "; ".join(problems))

    def plan(self, data: "CorrectnessMatrix", config: "AblationConfig") -> "Plan":
        """One configuration, trained on all benchmarks with every seed."""
        from ablations.cell import Cell
        from ablations.design import Plan
        from ablations.probe.tables import trained_models
        from embedllm.errors import DataError

        split = config.base_split(data)
        models = len(trained_models(data, split.train))
        if models < MINIMUM_MODELS:
            graded = "" if models == data.num_models else " with a graded answer to a training question"
            counted = f"1 model{graded} is" if models == 1 else f"{models} models{graded} are"
            raise DataError(
                "the probing design", [f"{counted} too few to compare distances; needed: {MINIMUM_MODELS} or more"]
            )
        found = self._communities(data, config)
        notes = list(found.notes)
        left_out = data.num_models - models
        if left_out:
            what = "is left out: its embedding is its" if left_out == 1 else "are left out: their embeddings are their"
            notes.append(
                f"{left_out} of {data.num_models} models {'has' if left_out == 1 else 'have'} no graded answer to a "
                f"training question and {what} initialisation."
            )
        if models > self.most_models:
            notes.append(
                f"All models are trained, but of {models:,} only {self.most_models:,}, drawn at random, are compared: "
                "pairs of models, and the time of their tests, grow with the square of their number. `--most-models` "
                "compares more."
            )
            models = self.most_models
        if not found.kinds:
            notes.append(
                "No community has enough models: distances inside and between communities are not compared. Metadata "
                "columns in the models' table make communities."
            )
        if self.perplexity is not None and self.perplexity >= models:
            notes.append(
                f"There will be no t-SNE map: {models} models with perplexity {self.perplexity:g}; needed: a "
                "perplexity below their number."
            )
        cells = [
            Cell("embedllm", config.recipe(seed=seed), split.name, outputs=("embedding", "function"))
            for seed in config.seed_values
        ]
        return Plan({split.name: split}, cells, notes)

    def tables(
        self, results: "Results", data: "CorrectnessMatrix", config: "AblationConfig"
    ) -> "dict[str, pd.DataFrame]":
        """See :func:`ablations.probe.tables.probe_tables`."""
        from ablations.probe.tables import probe_tables

        return probe_tables(
            results,
            data,
            config.base_split(data),
            self._compared(data, config),
            self._communities(data, config),
            permutations=self.permutations,
            neighbours=self.neighbours,
            perplexity=self.perplexity,
            seed=self.chance_seed,
        )

    def draw(self, tables: "Mapping[str, pd.DataFrame]") -> "list[Drawing]":
        """Communities, maps, trees with heat maps, and what distances have to do with ability and with answers."""
        from ablations.plots.probe import draw

        return draw(tables)

    def findings(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        """Which communities lie together, before and after ability; neighbours; agreement."""
        from ablations.probe.findings import findings

        return findings(tables)

    def caveats(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        """Ability, factorisation, names."""
        from ablations.probe.findings import caveats

        return caveats(tables)

    def _compared(self, data: "CorrectnessMatrix", config: "AblationConfig") -> "np.ndarray":
        """Indices of the models that are compared."""
        from ablations.probe.tables import compared_models

        return compared_models(data, config.base_split(data).train, self.most_models, self.chance_seed)

    def _communities(self, data: "CorrectnessMatrix", config: "AblationConfig") -> "Communities":
        """Those of the models that are compared."""
        from embedllm.probing import communities_of

        models = self._compared(data, config)
        return communities_of(data.models.take(models), self.communities, minimum=self.minimum)
