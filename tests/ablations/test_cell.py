import pytest

from ablations.cell import METRIC_COLUMNS, Cell
from embedllm.config import FitConfig
from embedllm.errors import ConfigError
from embedllm.evaluation.report import METRICS


def test_the_metric_columns_are_all_metrics() -> None:
    assert METRIC_COLUMNS == METRICS


def test_equal_cells_have_equal_keys_and_everything_that_matters_changes_them() -> None:
    cell = Cell("embedllm", FitConfig(), "base", {"a": 1})
    assert cell.key == Cell("embedllm", FitConfig(), "base", {"a": 1}).key
    others = [
        Cell("embedllm", FitConfig(seed=1), "base", {"a": 1}),
        Cell("embedllm", FitConfig(noise=0.1), "base", {"a": 1}),
        Cell("embedllm", FitConfig(), "other", {"a": 1}),
        Cell("embedllm", FitConfig(), "base", {"a": 2}),
        Cell("embedllm", FitConfig(), "base", {"a": 1}, ("embedding",)),
        Cell("embedllm", FitConfig(), "base", {"a": 1}, sides=("val",)),
        Cell("knn", FitConfig(), "base", {"a": 1}),
    ]
    assert len({cell.key, *(other.key for other in others)}) == len(others) + 1


def test_a_baseline_ignores_what_it_does_not_read() -> None:
    knn = Cell("knn", FitConfig(noise=0.1, learning_rate=1.0), "base")
    assert knn.key == Cell("knn", FitConfig(), "base").key
    assert knn.key != Cell("knn", FitConfig(encoder="lsa"), "base").key
    assert Cell("lookup", FitConfig(encoder="lsa"), "base").key == Cell("lookup", FitConfig(), "base").key
    assert knn.columns["noise"] is knn.columns["weight_decay"] is None
    assert Cell("embedllm", FitConfig(weight_decay=0.1), "base").columns["weight_decay"] == 0.1
    assert knn.columns["encoder"] == "all-mpnet-base-v2"
    assert Cell("lookup", FitConfig(), "base").columns["encoder"] is None


def test_seeds_of_a_configuration_have_it_in_common() -> None:
    first, second = (Cell("embedllm", FitConfig(seed=seed), "base").without_seed.key for seed in (0, 3))
    assert first == second


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Cell("knn", FitConfig(), "base", {"seed": 1}, ("embedding", "question_scores"), ("val",))
    message = str(caught.value)
    assert "only embedllm has an embedding, not knn" in message
    assert "sides leaves test out" in message
    assert "a factor cannot be called seed" in message
    with pytest.raises(ConfigError, match="method must be one of embedllm, knn"):
        Cell("svm", FitConfig(), "base")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="sides is empty"):
        Cell("knn", FitConfig(), "base", sides=())
