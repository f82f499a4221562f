"""What methods and metrics are called: one place for every table, figure and sentence.

METHOD_NAMES["lookup"].title                # 'model × benchmark lookup'
METRIC_NAMES["log_loss"].axis               # 'log-loss (nats)'
METRIC_NAMES["accuracy"].difference         # 'accuracy difference (points)'
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MethodName:
    """A method's names.

    Args:
        title: standing alone, in legends and tables.
        spoken: within a sentence.
        baseline: its key in :data:`embedllm.evaluation.baselines.BASELINES` and in what `embedllm fit --format json`
            prints; empty for what is no baseline.
    """

    title: str
    spoken: str
    baseline: str = ""


@dataclass(frozen=True)
class MetricName:
    """A metric's names.

    Args:
        title: within a sentence and on an axis.
        short: heading of a column.
        higher_is_better: whether it is.
        unit: of its values; empty for shares of 1, whose differences are told in points (hundredths).
    """

    title: str
    short: str
    higher_is_better: bool = True
    unit: str = ""

    @property
    def axis(self) -> str:
        """Label of an axis that shows it."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def difference(self) -> str:
        """Label of an axis that shows differences, times :attr:`scale`."""
        return f"{self.title} difference ({self.unit or 'points'})"

    @property
    def scale(self) -> int:
        """What differences are multiplied by to be told."""
        return 1 if self.unit else 100

    @property
    def told_unit(self) -> str:
        """What follows a difference in a sentence; nats go without saying."""
        return "" if self.unit else " points"

    @property
    def better(self) -> str:
        """On which side of 0 a difference is an improvement."""
        return f"{'above' if self.higher_is_better else 'below'} 0: better"


METHOD_NAMES: Mapping[str, MethodName] = {
    "embedllm": MethodName("EmbedLLM", "EmbedLLM"),
    "paper": MethodName("paper's recipe", "the paper's recipe"),
    "knn": MethodName("kNN", "kNN", "knn"),
    "lookup": MethodName("model × benchmark lookup", "the model × benchmark lookup", "benchmark_lookup"),
    "lookup_predicted": MethodName(
        "lookup, benchmark predicted", "the lookup by predicted benchmark", "predicted_benchmark_lookup"
    ),
    "model_mean": MethodName("per-model mean", "the per-model mean", "model_mean"),
    "logistic": MethodName("logistic regression per model", "logistic regression per model", "logistic_regression"),
    "oracle": MethodName("oracle", "the oracle"),
    "single_best": MethodName("single best model", "the single best model"),
}
"""In the order of legends."""

METRIC_NAMES: Mapping[str, MetricName] = {
    "accuracy": MetricName("accuracy", "accuracy"),
    "log_loss": MetricName("log-loss", "log-loss", higher_is_better=False, unit="nats"),
    "brier": MetricName("Brier score", "Brier", higher_is_better=False, unit="squared probability"),
    "ece": MetricName("calibration error (ECE)", "ECE", higher_is_better=False),
    "roc_auc": MetricName("ROC AUC", "AUC"),
    "routing_micro": MetricName("routing accuracy", "routing"),
    "routing_macro": MetricName("routing accuracy, mean over benchmarks", "routing, macro"),
}
