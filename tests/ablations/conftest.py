"""A small design that exercises everything, and small data for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from ablations.cell import Cell
from ablations.config import AblationConfig
from ablations.design import Drawing, Plan
from embedllm.data import CorrectnessMatrix
from embedllm.data.simulate import simulate
from embedllm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from ablations.results import Results


@dataclass(frozen=True)
class Toy:
    """Every method on two sizes and two splits; one configuration diverges if asked to."""

    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "A toy"

    size: int = 40
    """Number of training questions of the smaller size."""
    explode: bool = False
    """Add a configuration that diverges."""

    def plan(self, data: CorrectnessMatrix, config: AblationConfig) -> Plan:
        from embedllm.data.splits import leave_out

        base = config.base_split(data)
        benchmark = str(data.benchmarks[base.test[0]])
        splits = {"base": base, "without": leave_out(data, [benchmark], base=base)}
        outputs = ("question_scores",)
        cells = [
            Cell(
                method,  # type: ignore[arg-type]
                config.recipe(training_questions=size, seed=seed, epochs=3, embedding_dim=8, batch_questions=16),
                split,
                {"part": "all" if size is None else "some"},
                (*outputs, "embedding") if method == "embedllm" else outputs,
            )
            for method in config.methods
            for split in splits
            for size in (self.size, None)
            for seed in config.seed_values
        ]
        if self.explode:
            wild = config.recipe(learning_rate=1e30, epochs=3, embedding_dim=8)
            cells.append(Cell("embedllm", wild, "base", {"part": "wild"}))
        if data.num_models < 3:
            raise DataError("the toy", ["a toy needs three models; there are fewer"])
        return Plan(splits, cells, notes=["This is a toy."])

    def tables(self, results: "Results", data: CorrectnessMatrix, config: AblationConfig) -> "dict[str, pd.DataFrame]":
        rows = results.complete.query("side == 'test' and scope == 'overall'")
        return {"means": rows.groupby(["method", "part"])["log_loss"].agg(["mean", "count"]).reset_index()}

    def draw(self, tables: "Mapping[str, pd.DataFrame]") -> list[Drawing]:
        from embedllm.figures import new_figure

        figure, axes = new_figure("single")
        axes.bar(range(len(tables["means"])), tables["means"]["mean"])
        return [Drawing("means", figure, tables["means"], "Mean test log-loss.")]

    def findings(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        return [f"{len(tables['means'])} means were found."]

    def caveats(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        return ["It is a toy."]


@pytest.fixture(scope="session")
def toy() -> type[Toy]:
    return Toy


@pytest.fixture(scope="session")
def data() -> CorrectnessMatrix:
    return simulate(models=8, questions=240, seed=1)


@pytest.fixture(scope="session")
def data_folder(data: CorrectnessMatrix, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.save(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture
def config(data_folder: Path, tmp_path: Path) -> AblationConfig:
    methods = ["embedllm", "knn", "lookup", "lookup_predicted", "model_mean", "logistic"]
    return AblationConfig(
        data=str(data_folder), out=str(tmp_path / "out"), encoder="lsa:8", seeds=2, methods=methods, slots=1
    )
