import numpy as np
import pytest

from embedllm.evaluation import METRICS, Labels, benchmark_table, correctness_metrics, evaluate, model_table, oracle


@pytest.fixture
def forecast(data):
    return np.random.default_rng(0).random(data.correct.shape).astype(np.float32)


def test_evaluate_gives_all_metrics_in_order(data, forecast):
    assert tuple(evaluate(forecast, data.correct, data.attempts, data.benchmarks)) == METRICS


def test_benchmark_rows_are_the_metrics_of_their_questions(data, forecast):
    table = benchmark_table(forecast, data.correct, data.attempts, data.benchmarks)
    assert list(table.index) == ["code", "law", "maths"]
    law = data.benchmarks == "law"
    expected = correctness_metrics(forecast[:, law], data.correct[:, law], data.attempts[:, law])
    assert table.loc["law", list(expected)].to_dict() == pytest.approx(expected)
    assert table.loc["law", "questions"] == law.sum()
    assert table["answers"].sum() == data.attempts.sum()
    routed = evaluate(forecast, data.correct, data.attempts, data.benchmarks)["routing_macro"]
    assert table["routing_micro"].mean() == pytest.approx(routed)
    best = oracle(Labels(data.correct, data.attempts, data.benchmarks)).per_benchmark()
    assert (table["routing_micro"] + table["routing_regret"]).to_dict() == pytest.approx(best)


def test_a_benchmark_without_labels_has_no_routing(data, forecast):
    attempts = np.where(data.benchmarks == "law", 0, data.attempts).astype(np.uint8)
    table = benchmark_table(forecast, np.minimum(data.correct, attempts), attempts, data.benchmarks)
    assert table.loc["law", ["routing_micro", "routing_regret"]].isna().all()
    assert table.loc["code", ["routing_micro", "routing_regret"]].notna().all()


def test_model_rows_are_the_metrics_of_the_model(data, forecast):
    table = model_table(forecast, data.correct, data.attempts, data.model_names)
    assert table["model_name"].tolist() == data.model_names
    expected = correctness_metrics(forecast[[4]], data.correct[[4]], data.attempts[[4]])
    assert table.loc[4, list(expected)].to_dict() == pytest.approx(expected)
    assert table.loc[4, "share_right"] == pytest.approx(data.correct[4].sum() / data.attempts[4].sum())
    average = np.average(forecast[4], weights=data.attempts[4])
    assert table.loc[4, "predicted_share"] == pytest.approx(average)
    assert table["routed_share"].sum() == pytest.approx(1)
