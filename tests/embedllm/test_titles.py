"""One set of names: whoever computes a method or a metric finds it here."""

from embedllm.evaluation import METRICS
from embedllm.evaluation.baselines import BASELINES
from embedllm.titles import METHOD_NAMES, METRIC_NAMES


def test_every_metric_has_a_name_and_every_name_a_metric() -> None:
    assert set(METRIC_NAMES) == set(METRICS)
    assert METRIC_NAMES["log_loss"].axis == "log-loss (nats)"
    assert METRIC_NAMES["routing_micro"].difference == "routing accuracy difference (points)"
    assert {name for name, metric in METRIC_NAMES.items() if not metric.higher_is_better} == {
        "log_loss",
        "brier",
        "ece",
    }


def test_every_baseline_is_one_method_of_the_same_title() -> None:
    named = {method.baseline: method for method in METHOD_NAMES.values() if method.baseline}
    assert set(named) == set(BASELINES)
    for key, baseline in BASELINES.items():
        assert baseline.title == named[key].title
