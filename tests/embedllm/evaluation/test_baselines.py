import dataclasses

import numpy as np
import pytest

from embedllm.data.splits import Split
from embedllm.errors import ConfigError
from embedllm.evaluation import BASELINES, METRICS, evaluate, evaluate_baselines


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_forecasts_probabilities(name, data, split, encodings):
    baseline = BASELINES[name]().fit(data, split, encodings)
    forecast = baseline.predict(encodings[split.test], data.benchmarks[split.test])
    assert forecast.shape == (data.num_models, split.test.size)
    assert forecast.min() >= 0
    assert forecast.max() <= 1
    assert baseline.title


@pytest.mark.parametrize("name", BASELINES)
def test_the_test_side_is_never_learned_from(name, data, split, encodings):
    # Garbled test labels change nothing that a baseline says about the test questions.
    garbled = data.correct.copy()
    garbled[:, split.test] = (data.attempts - data.correct)[:, split.test]
    forecasts = [
        BASELINES[name]().fit(version, split, encodings).predict(encodings[split.test], data.benchmarks[split.test])
        for version in (data, dataclasses.replace(data, correct=garbled))
    ]
    assert (forecasts[0] == forecasts[1]).all()


@pytest.mark.parametrize("name", BASELINES)
def test_a_split_without_val_side_is_not_tuned(name, data, split, encodings):
    bare = Split("bare", train=split.train, val=np.array([], dtype=np.int64), test=split.test)
    baseline = BASELINES[name]().fit(data, bare, encodings)
    assert "by val" not in baseline.note
    assert np.isfinite(baseline.predict(encodings[split.test], data.benchmarks[split.test])).all()


def test_table_has_one_row_per_method_and_side(data, split, encodings):
    table = evaluate_baselines(data, split, encodings)
    assert list(table.columns) == ["method", "title", "side", *METRICS, "seconds", "note"]
    assert list(zip(table["method"], table["side"], strict=True)) == [
        (name, side) for name in BASELINES for side in ("val", "test")
    ]
    notes = table.drop_duplicates("method").set_index("method")["note"]
    assert notes["benchmark_lookup"] == "needs the benchmark label"
    assert notes["knn"].startswith("k = ")
    assert notes["knn"].endswith(" by val")
    assert notes["logistic_regression"].startswith("C = ")
    # reading the question pays on data where skill depends on it
    test = table[table["side"] == "test"].set_index("method")
    assert test.loc["logistic_regression", "log_loss"] < test.loc["model_mean", "log_loss"]
    assert test.loc["knn", "log_loss"] < test.loc["model_mean", "log_loss"]


def test_rows_hold_the_metrics_of_the_forecast(data, split, encodings):
    table = evaluate_baselines(data, split, encodings, sides=["test"], names=["knn"])
    forecast = BASELINES["knn"]().fit(data, split, encodings).predict(encodings[split.test], data.benchmarks)
    test = split.test
    expected = evaluate(forecast, data.correct[:, test], data.attempts[:, test], data.benchmarks[test])
    assert table.iloc[0][list(METRICS)].to_dict() == pytest.approx(expected)


def test_unknown_names_are_told(data, split, encodings):
    with pytest.raises(ConfigError, match=r"unknown baseline 'magic'; allowed: model_mean, benchmark_lookup"):
        evaluate_baselines(data, split, encodings, names=["knn", "magic"])
    with pytest.raises(ConfigError, match="unknown side 'dev'; allowed: train, val, test"):
        evaluate_baselines(data, split, encodings, sides=["dev"])
