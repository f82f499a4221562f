"""The description agrees with counting by hand."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from embedllm.data import CorrectnessMatrix, describe, simulate


@pytest.fixture(scope="module")
def data():
    return simulate(models=7, questions=200, seed=2, missing=0.2, duplicates=True)


def test_summary_against_loops(data):
    row = describe(data).summary.iloc[0]
    cells = [
        (int(c), int(a), b)
        for cs, as_ in zip(data.correct, data.attempts, strict=True)
        for c, a, b in zip(cs, as_, data.benchmarks, strict=True)
    ]
    attempts, right = sum(a for _, a, _ in cells), sum(c for c, _, _ in cells)
    assert row["attempts"] == attempts
    assert row["cells"] == sum(a > 0 for _, a, _ in cells)
    assert row["missing_share"] == pytest.approx(sum(a == 0 for _, a, _ in cells) / len(cells))
    assert row["repeated_attempts"] == sum(a - 1 for _, a, _ in cells if a)
    assert row["conflicting_cells"] == sum(0 < c < a for c, a, _ in cells)
    assert row["accuracy"] == pytest.approx(right / attempts)
    assert row["always_majority"] == pytest.approx(max(right, attempts - right) / attempts)
    per_benchmark = {}
    for c, a, b in cells:
        hits, total = per_benchmark.get(b, (0, 0))
        per_benchmark[b] = (hits + c, total + a)
    expected = sum(max(hits, total - hits) for hits, total in per_benchmark.values()) / attempts
    assert row["majority_per_benchmark"] == pytest.approx(expected)
    assert row["majority_per_model_and_benchmark"] >= row["majority_per_model"] >= row["always_majority"]
    assert row["simulated"]


def test_benchmark_and_model_tables(data):
    description = describe(data)
    table = description.benchmarks
    assert table["questions"].sum() == 200
    assert (table[["train", "val", "test", "none"]].sum(axis=1) == table["questions"]).all()
    assert table.set_index("benchmark").loc["gsm8k", "conflicting_cells"] > 0
    models = description.models
    assert models["rank"].tolist() == list(range(1, 8))
    assert models["accuracy"].is_monotonic_decreasing
    best = data.model_names.index(models["model_name"][0])
    accuracy = data.correct[best].sum() / data.attempts[best].sum()
    answered = np.count_nonzero(data.attempts[best])
    assert models["accuracy"][0] == pytest.approx(accuracy)
    assert models["standard_error"][0] == pytest.approx(np.sqrt(accuracy * (1 - accuracy) / answered))
    assert "parameters" in models


def test_rows_are_json_and_gaps_are_null():
    questions = pa.table(
        {name: pa.array(["x", "y"]) for name in ("prompt_id", "prompt", "benchmark", "category")}
        | {"split": pa.nulls(2, pa.string())}
    )
    models = pa.table({"model_id": ["0", "1"], "model_name": ["a", "b"]})
    attempts = np.array([[1, 0], [0, 0]], dtype=np.uint8)
    rows = describe(CorrectnessMatrix(attempts, attempts, questions, models)).as_rows()
    text = json.dumps(rows, allow_nan=False)
    assert json.loads(text)["models"][1] == {
        "rank": 2,
        "model_name": "b",
        "accuracy": None,
        "standard_error": None,
        "answered": 0,
        "missing_share": 1.0,
        "attempts": 0,
    }
    assert [row["none"] for row in rows["benchmarks"]] == [1, 1]
    best = [(row["best_model"], row["best_accuracy"]) for row in rows["benchmarks"]]
    assert best == [("a", 1.0), (None, None)], "nobody is best where nothing is labelled"
    assert isinstance(describe(simulate(models=2, questions=10)).summary, pd.DataFrame)
