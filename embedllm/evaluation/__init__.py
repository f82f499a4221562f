"""Evaluation: metrics, routing, baselines, and whether a difference is more than luck.

Names are imported on first use, so that metrics alone do not wait for torch.
"""

from typing import TYPE_CHECKING

from embedllm.lazy import imported_on_use

if TYPE_CHECKING:
    from embedllm.evaluation.baselines import BASELINES, Baseline, evaluate_baselines
    from embedllm.evaluation.bootstrap import BOOTSTRAP_METRICS, standard_errors
    from embedllm.evaluation.knn import NearestNeighbours
    from embedllm.evaluation.logistic import LogisticPath, LogisticWeights
    from embedllm.evaluation.lookup import AccuracyTable
    from embedllm.evaluation.metrics import CORRECTNESS_METRICS, correctness_metrics
    from embedllm.evaluation.paired import TInterval, corrected_interval, holm, paired_interval
    from embedllm.evaluation.report import METRICS, benchmark_table, evaluate, model_table
    from embedllm.evaluation.routing import (
        ROUTING_METRICS,
        Labels,
        oracle,
        random_by_share,
        route_by,
        routing_metrics,
        selection_shares,
    )
    from embedllm.evaluation.scaling_law import ScalingLaw, fit_scaling_law

__getattr__ = imported_on_use(
    __name__,
    {
        "baselines": ("BASELINES", "Baseline", "evaluate_baselines"),
        "bootstrap": ("BOOTSTRAP_METRICS", "standard_errors"),
        "knn": ("NearestNeighbours",),
        "logistic": ("LogisticPath", "LogisticWeights"),
        "lookup": ("AccuracyTable",),
        "metrics": ("CORRECTNESS_METRICS", "correctness_metrics"),
        "paired": ("TInterval", "corrected_interval", "holm", "paired_interval"),
        "report": ("METRICS", "benchmark_table", "evaluate", "model_table"),
        "routing": (
            "ROUTING_METRICS",
            "Labels",
            "oracle",
            "random_by_share",
            "route_by",
            "routing_metrics",
            "selection_shares",
        ),
        "scaling_law": ("ScalingLaw", "fit_scaling_law"),
    },
)

__all__ = [
    "BASELINES",
    "BOOTSTRAP_METRICS",
    "CORRECTNESS_METRICS",
    "METRICS",
    "ROUTING_METRICS",
    "AccuracyTable",
    "Baseline",
    "Labels",
    "LogisticPath",
    "LogisticWeights",
    "NearestNeighbours",
    "ScalingLaw",
    "TInterval",
    "benchmark_table",
    "corrected_interval",
    "correctness_metrics",
    "evaluate",
    "evaluate_baselines",
    "fit_scaling_law",
    "holm",
    "model_table",
    "oracle",
    "paired_interval",
    "random_by_share",
    "route_by",
    "routing_metrics",
    "selection_shares",
    "standard_errors",
]
