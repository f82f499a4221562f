"""Batches without Ray: fused and shared work gives what each cell alone gives."""

import dataclasses

import numpy as np
import pytest

from ablations.batches import Batch, Encoding, Encodings
from ablations.cell import Cell
from ablations.config import AblationConfig
from ablations.design import Plan
from ablations.worker import CellWorker, DesignPayload
from embedllm.data import CorrectnessMatrix, Split
from embedllm.data.splits import nested_subset
from embedllm.encoders import encode_data
from embedllm.evaluation import evaluate, standard_errors
from embedllm.evaluation.baselines import BASELINES
from embedllm.titles import METHOD_NAMES
from embedllm.training import FitData, fit

METHODS = ("embedllm", "knn", "lookup", "lookup_predicted", "model_mean", "logistic")
RECIPE = AblationConfig(encoder="lsa:8").recipe(epochs=3, embedding_dim=8, batch_questions=16)


def make_worker(data: CorrectnessMatrix, plan: Plan) -> tuple[CellWorker, Encodings]:
    encodings = Encodings.of(plan)
    return CellWorker(DesignPayload(data, plan, encodings.questions, {}), 1), encodings


def make_plan(data: CorrectnessMatrix, method: str, **changes: object) -> Plan:
    base = AblationConfig(split="random").base_split(data)
    splits = {"base": base, "less": dataclasses.replace(base, name="less", train=base.train[20:])}
    cells = [
        Cell(method, RECIPE.replace(training_questions=size, seed=seed), split, outputs=("question_scores",), **changes)  # type: ignore[arg-type]
        for split in splits
        for size in (30, None)
        for seed in (0, 1)
    ]
    return Plan(splits, cells, fit_questions={"less": base.train})


def rows(outcome: object) -> dict[tuple[str, str], dict[str, object]]:
    return {(row["side"], row["scope"]): row for row in outcome.rows}  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_gives_what_each_cell_alone_gives(data: CorrectnessMatrix, method: str) -> None:
    plan = make_plan(data, method)
    worker, encodings = make_worker(data, plan)
    outcomes = worker(Batch(tuple(plan.cells), encodings.find(plan.cells[0]))).cells
    assert [outcome.key for outcome in outcomes] == [cell.key for cell in plan.cells]
    matrix = encode_data(data, "lsa:8", fit_on=plan.splits["base"].train).matrix
    for cell, outcome in zip(plan.cells, outcomes, strict=True):
        assert outcome.failure is None
        split = plan.splits[cell.split]
        if method == "embedllm":
            model = fit(cell.config, FitData.build(data, split, matrix)).model
            assert model is not None
            forecasts = {side: model.predict_proba(matrix[getattr(split, side)]) for side in ("val", "test")}
        else:
            if cell.config.training_questions:
                split = Split("", nested_subset(split.train, 30, seed=cell.config.seed), split.val, split.test)
            baseline = BASELINES[METHOD_NAMES[method].baseline]().fit(data, split, matrix)
            forecasts = {
                side: baseline.predict(matrix[getattr(split, side)], data.benchmarks[getattr(split, side)])
                for side in ("val", "test")
            }
        for side, probability in forecasts.items():
            questions = getattr(split, side)
            alone = evaluate(
                probability, data.correct[:, questions], data.attempts[:, questions], data.benchmarks[questions]
            )
            row = rows(outcome)[side, "overall"]
            assert {name: row[name] for name in alone} == pytest.approx(alone, abs=1e-6)
            assert row["questions"] == len(questions)
            assert row["training_questions"] == len(split.train) or method == "embedllm"


def test_rows_by_benchmark_and_scores_by_question_add_up(data: CorrectnessMatrix) -> None:
    plan = make_plan(data, "lookup")
    worker, _ = make_worker(data, plan)
    outcome = worker(Batch(tuple(plan.cells), None)).cells[0]
    by_scope = {scope: row for (side, scope), row in rows(outcome).items() if side == "test"}
    overall = by_scope.pop("overall")
    test = plan.splits["base"].test
    assert set(by_scope) == set(data.benchmarks[test])
    assert sum(row["questions"] for row in by_scope.values()) == overall["questions"]  # type: ignore[misc]
    assert [scope for side, scope in rows(outcome) if side == "val"] == ["overall"]
    for metric in standard_errors(np.full((8, 2), 0.5), data.correct[:, :2], data.attempts[:, :2]):
        total, weight = outcome.arrays[f"totals/{metric}"].sum(), outcome.arrays[f"weights/{metric}"].sum()
        assert total / weight == pytest.approx(overall[metric])
    np.testing.assert_array_equal(outcome.arrays["questions"], test)


def test_embeddings_come_on_request_and_only_the_sides_asked_for(data: CorrectnessMatrix) -> None:
    base = AblationConfig(split="random").base_split(data)
    plan = Plan({"base": base}, [Cell("embedllm", RECIPE, "base", outputs=("embedding",), sides=("val",))])
    worker, encodings = make_worker(data, plan)
    [outcome] = worker(Batch(tuple(plan.cells), encodings.find(plan.cells[0]))).cells
    assert list(outcome.arrays) == ["embedding"]
    assert outcome.arrays["embedding"].shape == (8, 8)
    assert outcome.arrays["embedding"].dtype == np.float32
    assert [row["side"] for row in outcome.rows] == ["val"]


def test_a_diverged_member_fails_alone(data: CorrectnessMatrix) -> None:
    base = AblationConfig(split="random").base_split(data)
    cells = [Cell("embedllm", RECIPE.replace(learning_rate=rate), "base") for rate in (0.01, 1e30)]
    plan = Plan({"base": base}, cells)
    worker, encodings = make_worker(data, plan)
    fine, wild = worker(Batch(tuple(cells), encodings.find(cells[0]))).cells
    assert fine.failure is None
    assert wild.failure is not None
    assert "diverged" in wild.failure
    assert [(row["side"], row["state"], row["accuracy"]) for row in wild.rows] == [
        ("val", "FAIL", None),
        ("test", "FAIL", None),
    ]


def test_an_encoder_out_of_reach_fails_the_batch_with_its_reason(data: CorrectnessMatrix) -> None:
    base = AblationConfig(split="random").base_split(data)
    plan = Plan({"base": base}, [Cell("knn", RECIPE.replace(encoder="lsa:none"), "base")])
    worker, _ = make_worker(data, plan)
    [outcome] = worker(Batch(tuple(plan.cells), Encoding("lsa:none", Encodings.of(plan).of_split["base"]))).cells
    assert outcome.failure is not None
    assert "must be a positive whole number" in outcome.failure
