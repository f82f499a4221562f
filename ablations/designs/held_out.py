"""Does an embedding say anything about a benchmark that was left out of training? (paper, sections 5.3 and 6.2)"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from embedllm.checks import too_small
from embedllm.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from ablations.config import AblationConfig
    from ablations.design import Drawing, Plan
    from ablations.results import Results
    from embedllm.data.matrix import CorrectnessMatrix


@dataclass(frozen=True)
class HeldOutBenchmark:
    """Each benchmark is left out of training; then its questions are predicted and its accuracies forecast.

    Predictions are compared with those of the per-model mean, of logistic regression and of the configured `methods`.

    Raises:
        ConfigError: naming every value out of range.
    """

    name: ClassVar[str] = "held-out-benchmark"
    title: ClassVar[str] = "Benchmarks that training never saw: predictions, forecasts, contributions"
    position: ClassVar[int] = 2

    benchmarks: list[str] | None = None
    """Benchmarks held out, one at a time; null = all."""
    contribution: bool = True
    """Also hold out every pair of them, to measure how much one benchmark helps to forecast another."""
    repeats: int = 100
    """Random splits of the models into those that forecasts are learned from and those they are tested on."""
    test_share: float = 0.2
    """Share of the models that forecasts are tested on; at least five models."""
    fold_seed: int = 0
    """Seed of these splits."""

    def __post_init__(self) -> None:
        problems = too_small(self, repeats=2, fold_seed=0)
        if self.benchmarks is not None and not self.benchmarks:
            problems.append("benchmarks is empty; name at least one, or null for all")
        if not 0 < self.test_share <= 0.5:
            problems.append(f"test_share must be above 0 and at most 0.5 but is {self.test_share}")
        if problems:
            raise ConfigError(f"invalid options of {self.name}: " + "; ".join(problems))

    def plan(self, data: "CorrectnessMatrix", config: "AblationConfig") -> "Plan":
        """The model trained on everything, one without each benchmark, and one without each pair."""
        from ablations.held_out.cells import held_out_cells

        return held_out_cells(data, config, self.benchmarks, self.contribution).plan()

    def tables(
        self, results: "Results", data: "CorrectnessMatrix", config: "AblationConfig"
    ) -> "dict[str, pd.DataFrame]":
        """Tables `held_out`, `questions`, `differences`, `forecast`, `forecast_models`, `forecast_comparisons` and
        `contributions`; what could not be done has no rows.
        """
        from ablations.held_out.cells import held_out_cells
        from ablations.held_out.forecasts import contribution_tables, forecast_tables
        from ablations.held_out.questions import leak_table, question_tables

        cells = held_out_cells(data, config, self.benchmarks, self.contribution)
        folds = {"repeats": self.repeats, "test_share": self.test_share, "seed": self.fold_seed}
        return {
            "held_out": leak_table(cells),
            **question_tables(results, cells),
            **forecast_tables(results, cells, data, **folds),  # type: ignore[arg-type]
            **contribution_tables(results, cells, data, **folds),  # type: ignore[arg-type]
        }

    def draw(self, tables: "Mapping[str, pd.DataFrame]") -> "list[Drawing]":
        """Bars per benchmark, forecasts against truth, how often forecasts are significant, the contribution matrix."""
        from ablations.plots.held_out import draw

        return draw(tables)

    def findings(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        """What leaving out costs, which benchmarks can be forecast, and who contributes."""
        from ablations.held_out.findings import findings

        return findings(tables)

    def caveats(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        """Small test sides, overlapping splits, chance in counts."""
        from ablations.held_out.caveats import caveats

        return caveats(tables)
