import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ablations.training_size.tables import make_tables
from embedllm.data.benchmarks import BENCHMARK_SIZES
from embedllm.data.matrix import CorrectnessMatrix

SIZES = [100, 200, 400, 800, 1600]


def test_curves_are_means_with_t_intervals(make_results, power_law, pool, config):
    curve = make_tables(make_results(power_law), pool, config, tuned=False)["curve"]
    row = curve.query("method == 'embedllm' and metric == 'accuracy' and training_questions == 400").iloc[0]
    values = np.array([1 - power_law("embedllm", 400, seed, 0) for seed in range(5)])
    assert row["mean"] == pytest.approx(values.mean())
    assert row["high"] - row["mean"] == pytest.approx(2.7764451 * values.std(ddof=1) / np.sqrt(5))
    assert row["seeds"] == 5
    assert "roc_auc" not in set(curve["metric"])  # undefined everywhere


def test_differences_pair_by_seed(make_results, power_law, pool, config):
    """Seeds differ by far more than the methods; the methods' difference is the same in every seed."""

    def error(method, size, seed, candidate):
        return power_law(method, size, 20 * seed, candidate) + 1e-5 * (seed % 2) * (method == "knn")

    difference = make_tables(make_results(error), pool, config, tuned=False)["difference"]
    rows = difference.query("metric == 'accuracy'")
    assert rows["training_questions"].tolist() == SIZES
    np.testing.assert_allclose(rows["difference"], 0.01, atol=1e-5)
    assert (rows["p_adjusted"] < 0.001).all()
    assert (rows["p_adjusted"] >= rows["p_value"]).all()


def test_the_known_law_is_found_and_says_how_many_questions_are_needed(make_results, power_law, pool, config):
    tables = make_tables(make_results(power_law), pool, config, tuned=False)
    row = tables["law"].query("method == 'embedllm' and metric == 'accuracy'").iloc[0]
    assert [row["a"], row["b"], row["c"]] == pytest.approx([3, 0.8, 0.202], rel=1e-3)
    needed = row["within"]
    assert 3 * needed**-0.8 == pytest.approx(3 * 1600**-0.8 + 0.005, rel=1e-3)
    assert (row["measured_below"], row["measured_within"]) == (800, 1600)
    lines = tables["law_curve"].query("method == 'embedllm' and metric == 'accuracy'")
    assert lines["training_questions"].max() == pytest.approx(3200)
    assert lines[lines["extrapolated"]]["training_questions"].min() > 1600
    np.testing.assert_allclose(lines["loss"], 0.202 + 3 * lines["training_questions"] ** -0.8, rtol=1e-3)


def test_a_curve_that_does_not_fall_gets_no_law_but_a_reason(make_results, pool, config):
    flat = make_results(lambda method, size, seed, candidate: 0.3, noise=0.001)
    tables = make_tables(flat, pool, config, tuned=False)
    assert set(tables["law"]["reason"]) == {
        "from the smallest to the full set, the loss does not fall by more than the noise of the seeds"
    }
    assert tables["law_curve"].empty
    assert tables["law"].query("metric == 'accuracy'")["measured_within"].tolist() == [100, 100]


def test_three_sizes_get_no_law(make_results, power_law, pool, config):
    law = make_tables(make_results(power_law, sizes=SIZES[:3]), pool, config, tuned=False)["law"]
    assert law["reason"].str.contains("at least 4 distinct positive ones are needed to fit three numbers").all()


def test_tuning_looks_at_validation_only(make_results, pool, config):
    """Candidate 2 is best on val, candidate 1 on test."""

    def error(method, size, seed, candidate):
        return 0.3 - 0.01 * candidate

    results = make_results(error, candidates=3)
    best_on_test = (results.frame["candidate"] == 1) & (results.frame["side"] == "test")
    results.frame.loc[best_on_test, ["accuracy", "log_loss"]] = [0.99, 0.01]
    tables = make_tables(results, pool, config, tuned=True)
    chosen = tables["chosen"].query("method == 'embedllm'")
    assert chosen["candidate"].tolist() == [2] * len(SIZES)
    assert chosen["tried"].tolist() == [3] * len(SIZES)
    assert chosen["embedding_dim"].tolist() == [24] * len(SIZES)
    assert chosen["weight_decay"].tolist() == [3e-6] * len(SIZES)
    accuracy = tables["per_seed"].query("method == 'embedllm'")["accuracy"]
    np.testing.assert_allclose(accuracy, 0.72)
    assert tables["facts"]["candidates"].item() == 3


def test_the_full_set_is_judged_over_questions_too(make_results, power_law, pool, config):
    full = make_tables(make_results(power_law), pool, config, tuned=False)["full_set"]
    row = full.query("metric == 'accuracy'").iloc[0]
    assert (row["versus"], row["questions"], row["seeds"]) == ("knn", 60, 5)
    assert row["difference"] == pytest.approx(0.01)


def test_failed_cells_are_counted_and_missing(make_results, power_law, pool, config):
    results = make_results(power_law)
    broken = (results.frame["method"] == "embedllm") & (results.frame["seed"] == 3)
    results.frame.loc[broken, "state"] = "FAIL"
    tables = make_tables(results, pool, config, tuned=False)
    assert tables["facts"]["failed_cells"].item() == len(SIZES)
    assert tables["difference"]["seeds"].tolist() == [4] * 2 * len(SIZES)
    assert tables["curve"].query("method == 'embedllm'")["seeds"].unique().tolist() == [4]


def test_one_seed_has_no_intervals(make_results, power_law, pool, config):
    tables = make_tables(make_results(power_law, seeds=1), pool, config.replace(seeds=1), tuned=False)
    assert tables["curve"]["high"].isna().all()
    assert tables["difference"]["p_adjusted"].isna().all()
    # The noise that a fall must exceed is unknown.
    assert set(tables["law"]["reason"]) == {"with one seed the noise is unknown"}
    assert tables["law"]["within"].isna().all()
    assert tables["law_curve"].empty


def test_without_embedllm_nothing_is_compared(make_results, power_law, pool, config):
    tables = make_tables(make_results(power_law, methods=("knn", "lookup")), pool, config, tuned=False)
    assert tables["difference"].empty
    assert tables["full_set"].empty
    assert set(tables["curve"]["method"]) == {"knn", "lookup"}


@pytest.mark.parametrize(("models", "simulated", "shown"), [(112, False, True), (112, True, False), (6, False, False)])
def test_the_papers_table_goes_with_the_papers_data_only(
    models, simulated, shown, make_results, power_law, pool, config, monkeypatch
):
    count = 400
    monkeypatch.setattr("ablations.training_size.tables.PAPER_FULL", count * 0.8)
    chosen = np.linspace(0, pool.num_questions - 1, count).astype(int)
    table = pool.questions.take(chosen)
    rows = np.arange(models) % pool.num_models
    names = pa.array([f"model {number}" for number in range(models)])
    data = CorrectnessMatrix(
        pool.correct[rows][:, chosen],
        pool.attempts[rows][:, chosen],
        table,
        pool.models.take(rows).set_column(pool.models.column_names.index("model_name"), "model_name", names),
        {"simulated": simulated},
    )
    assert set(data.benchmarks) == set(BENCHMARK_SIZES)
    paper = make_tables(make_results(power_law), data, config, tuned=False)["paper"]
    assert (len(paper) == 14) == shown
    monkeypatch.setattr("ablations.training_size.tables.PAPER_FULL", 29_673)
    assert make_tables(make_results(power_law), data, config, tuned=False)["paper"].empty, "a subset of its questions"


def test_tables_survive_parquet_and_say_what_was_run(make_results, power_law, pool, config, tmp_path):
    tables = make_tables(make_results(power_law), pool, config, tuned=False)
    for name, frame in tables.items():
        frame.to_parquet(tmp_path / name)
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / name), frame)
    facts = tables["facts"].iloc[0].to_dict()
    assert facts["test_questions"] == 200
    assert facts["simulated"]
    assert facts["bayes_accuracy"] == pool.meta["truth"]["accuracy"]
    json.dumps({name: str(value) for name, value in facts.items()})
