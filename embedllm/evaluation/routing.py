"""How good are predictions for *routing*: sending each question to the LLM most likely to answer it right?

A question is worth the share of right answers among the chosen LLM's attempts at it. An LLM without a label on a
question cannot be judged there, so it is not eligible for it; questions no LLM has a label on are left out.
Among equal probabilities the first LLM in model order is chosen.
"""

import math
from dataclasses import dataclass

import numpy as np

from embedllm.evaluation.metrics import check_shapes

ROUTING_METRICS = ("routing_micro", "routing_macro")


@dataclass(frozen=True)
class Labels:
    """Labels of some questions: what a report is judged on, or what its baselines learn from.

    Args:
        correct: uint8 of shape (models, questions), right answers per cell.
        attempts: uint8 of shape (models, questions), graded answers per cell; 0 = missing.
        benchmarks: benchmark name per question, shape (questions,).
    """

    correct: np.ndarray
    attempts: np.ndarray
    benchmarks: np.ndarray


@dataclass(frozen=True)
class RouterResult:
    """What one router earned on each routable question."""

    chosen: np.ndarray
    """Index of the chosen model per question: int64 of shape (routed questions,)."""
    rewards: np.ndarray
    """Share of right answers among the chosen model's attempts: float64 of shape (routed questions,)."""
    benchmarks: np.ndarray
    """Benchmark name per routed question."""

    @property
    def micro(self) -> float:
        """Mean reward over questions; NaN without any."""
        return float(self.rewards.mean()) if self.rewards.size else math.nan

    @property
    def macro(self) -> float:
        """Mean over benchmarks of the mean reward within the benchmark; NaN without any question."""
        per_benchmark = self.per_benchmark()
        return float(np.mean(list(per_benchmark.values()))) if per_benchmark else math.nan

    def per_benchmark(self) -> dict[str, float]:
        """Mean reward by benchmark name, in sorted order."""
        names, index = np.unique(self.benchmarks.astype(str), return_inverse=True)
        means = np.bincount(index, weights=self.rewards) / np.bincount(index)
        return dict(zip(names.tolist(), means.tolist(), strict=True))


def route_by(probability: np.ndarray, labels: Labels) -> RouterResult:
    """Send every question to its eligible model of highest probability and look up what that earned.

    Args:
        probability: float of shape (models, questions), or (models, 1) for a router that ignores the question.
        labels: the truth, of shape (models, questions).
    """
    probability = np.broadcast_to(probability, labels.attempts.shape)
    routable = np.flatnonzero(labels.attempts.any(axis=0))
    chosen = np.where(labels.attempts > 0, probability, -np.inf).argmax(axis=0)[routable]
    rewards = labels.correct[chosen, routable] / labels.attempts[chosen, routable].astype(np.float64)
    return RouterResult(chosen, rewards, labels.benchmarks[routable])


def routing_metrics(
    probability: np.ndarray, correct: np.ndarray, attempts: np.ndarray, benchmarks: np.ndarray
) -> dict[str, float]:
    """Accuracy of the answers a router by `probability` would have given: `routing_micro` and `routing_macro`.

    Args:
        probability: float of shape (models, questions), P(right answer).
        correct: uint8 of the same shape, right answers per cell.
        attempts: uint8 of the same shape, graded answers per cell; 0 = missing, not eligible.
        benchmarks: benchmark name per question, shape (questions,).

    Returns:
        `routing_micro`, the mean over questions, and `routing_macro`, the mean over benchmarks; NaN without questions.

    Raises:
        DataError: if shapes differ.
    """
    check_shapes(probability, correct, attempts)
    result = route_by(probability, Labels(correct, attempts, benchmarks))
    return {"routing_micro": result.micro, "routing_macro": result.macro}


def oracle(labels: Labels) -> RouterResult:
    """What the best model of each question earns, in hindsight: the ceiling. Less a router's, it is its regret."""
    return route_by(labels.correct / np.maximum(labels.attempts, 1), labels)


def selection_shares(result: RouterResult, models: int) -> np.ndarray:
    """Share of the questions each model was chosen for: float64 of shape (models,), all NaN without any question."""
    if not result.chosen.size:
        return np.full(models, math.nan)
    return np.bincount(result.chosen, minlength=models) / result.chosen.size


def random_by_share(shares: np.ndarray, labels: Labels) -> float:
    """Expected accuracy of drawing a model at random with these selection shares: the paper's "weighted".

    The sum over models of selection share times mean reward on the questions the model has labels on.

    Args:
        shares: float of shape (models,), from :func:`selection_shares`.
        labels: the truth, of shape (models, questions).
    """
    observed = labels.attempts > 0
    rewards = labels.correct / np.maximum(labels.attempts, 1)
    return float(shares @ (rewards.sum(axis=1) / np.maximum(observed.sum(axis=1), 1)))
