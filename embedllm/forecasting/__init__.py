"""Forecasting the accuracy of models on a benchmark from features learned without it (paper §5.3 and §6.2).

Names are imported on first use: scipy and pandas are slow to load.
"""

from typing import TYPE_CHECKING

from embedllm.lazy import imported_on_use

if TYPE_CHECKING:
    from embedllm.forecasting.baselines import benchmark_accuracies, mean_of_others, pca_of_matrix, raw_accuracies
    from embedllm.forecasting.contribution import (
        ContributionMatrix,
        contribution_matrices,
        total_interval,
    )
    from embedllm.forecasting.folds import MIN_MODELS, ModelFolds
    from embedllm.forecasting.kendall import kendall_tau
    from embedllm.forecasting.least_squares import predict_folds_each
    from embedllm.forecasting.regression import (
        Forecast,
        SignificanceNull,
        evaluate_forecast,
        forecast_each,
        permutation_null_each,
        summarize,
    )

__getattr__ = imported_on_use(
    __name__,
    {
        "baselines": ("benchmark_accuracies", "mean_of_others", "pca_of_matrix", "raw_accuracies"),
        "contribution": ("ContributionMatrix", "contribution_matrices", "total_interval"),
        "folds": ("MIN_MODELS", "ModelFolds"),
        "kendall": ("kendall_tau",),
        "least_squares": ("predict_folds_each",),
        "regression": (
            "Forecast",
            "SignificanceNull",
            "evaluate_forecast",
            "forecast_each",
            "permutation_null_each",
            "summarize",
        ),
    },
)

__all__ = [
    "MIN_MODELS",
    "ContributionMatrix",
    "Forecast",
    "ModelFolds",
    "SignificanceNull",
    "benchmark_accuracies",
    "contribution_matrices",
    "evaluate_forecast",
    "forecast_each",
    "kendall_tau",
    "mean_of_others",
    "pca_of_matrix",
    "permutation_null_each",
    "predict_folds_each",
    "raw_accuracies",
    "summarize",
    "total_interval",
]
