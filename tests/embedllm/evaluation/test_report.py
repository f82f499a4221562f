import numpy as np
import pytest

from embedllm.evaluation import METRICS, benchmark_table, correctness_metrics, evaluate, model_table


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


def test_model_rows_are_the_metrics_of_the_model(data, forecast):
    table = model_table(forecast, data.correct, data.attempts, data.model_names)
    assert table["model_name"].tolist() == data.model_names
    expected = correctness_metrics(forecast[[4]], data.correct[[4]], data.attempts[[4]])
    assert table.loc[4, list(expected)].to_dict() == pytest.approx(expected)
    assert table.loc[4, "share_right"] == pytest.approx(data.correct[4].sum() / data.attempts[4].sum())
    average = np.average(forecast[4], weights=data.attempts[4])
    assert table.loc[4, "predicted_share"] == pytest.approx(average)
