"""Training: the fused core. `fit_many` trains K configurations as one program; `fit` is K = 1."""

from embedllm.training.data import FitData, Sides
from embedllm.training.fit import FitResult, fit, fit_many
from embedllm.training.grouping import fusible_groups

__all__ = ["FitData", "FitResult", "Sides", "fit", "fit_many", "fusible_groups"]
