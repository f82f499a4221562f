"""How good are predictions for *routing*: sending each question to the LLM most likely to answer it right?

A question is worth the share of right answers among the chosen LLM's attempts at it. An LLM without a label on a
question cannot be judged there, so it is not eligible for it; questions no LLM has a label on are left out.
Among equal probabilities the first LLM in model order is chosen.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedllm.errors import DataError
from embedllm.evaluation.lookup import AccuracyTable
from embedllm.evaluation.metrics import check_shapes

if TYPE_CHECKING:
    import pandas as pd

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

    @property
    def standard_error(self) -> float:
        """Standard error of `micro` over questions; NaN with fewer than two."""
        if self.rewards.size < 2:
            return math.nan
        return float(self.rewards.std(ddof=1) / math.sqrt(self.rewards.size))

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


@dataclass(frozen=True)
class RoutingReport:
    """A router beside the baselines that tell whether it is worth having."""

    router: RouterResult
    """Argmax of the predicted probabilities."""
    single_best: RouterResult
    """Always the model with the highest accuracy on the reference questions."""
    benchmark_lookup: RouterResult
    """The best model on the reference questions of the question's benchmark: needs the benchmark label."""
    oracle: RouterResult
    """The best model of each question, in hindsight: the ceiling."""
    random_by_share: float
    """Expected accuracy of drawing a model at random with the router's own selection shares: the paper's "weighted"."""
    selection_shares: np.ndarray
    """Share of the questions each model was chosen for: float64 of shape (models,)."""

    @property
    def regret(self) -> float:
        """Accuracy lost against the oracle, micro."""
        return self.oracle.micro - self.router.micro

    def to_dict(self) -> dict[str, float]:
        """Flat numbers by name, for logging."""
        return {
            "routing_micro": self.router.micro,
            "routing_macro": self.router.macro,
            "routing_standard_error": self.router.standard_error,
            "routing_regret": self.regret,
            "routing_single_best": self.single_best.micro,
            "routing_random_by_share": self.random_by_share,
            "routing_benchmark_lookup": self.benchmark_lookup.micro,
            "routing_oracle": self.oracle.micro,
        }

    def table(self) -> "pd.DataFrame":
        """One row per router: routing_micro, routing_macro, standard_error (of micro), regret, note."""
        import pandas as pd

        notes = {
            "router": "",
            "single best model": "chosen on the reference questions",
            "benchmark lookup": "needs the benchmark label",
            "oracle": "in hindsight",
        }
        results = (self.router, self.single_best, self.benchmark_lookup, self.oracle)
        rows = [
            (name, result.micro, result.macro, result.standard_error, self.oracle.micro - result.micro, note)
            for (name, note), result in zip(notes.items(), results, strict=True)
        ]
        random = self.random_by_share
        note = "expected, with the router's selection shares"
        rows.insert(2, ("random by share", random, math.nan, math.nan, self.oracle.micro - random, note))
        columns = ["router", "routing_micro", "routing_macro", "standard_error", "regret", "note"]
        return pd.DataFrame(rows, columns=columns)

    def benchmark_table(self) -> "pd.DataFrame":
        """Accuracy per benchmark (index) of each router (columns), and the number of questions."""
        import pandas as pd

        names, counts = np.unique(self.router.benchmarks.astype(str), return_counts=True)
        columns = {
            "questions": dict(zip(names.tolist(), counts.tolist(), strict=True)),
            "router": self.router.per_benchmark(),
            "single_best": self.single_best.per_benchmark(),
            "benchmark_lookup": self.benchmark_lookup.per_benchmark(),
            "oracle": self.oracle.per_benchmark(),
        }
        return pd.DataFrame(columns).rename_axis("benchmark")


def routing_report(probability: np.ndarray, labels: Labels, reference: Labels) -> RoutingReport:
    """Judge a router on `labels` beside baselines that know only `reference`.

    Args:
        probability: float of shape (models, questions), P(right answer) on the questions of `labels`.
        labels: the truth of the questions to route, usually the test side.
        reference: labels the single best model and the benchmark lookup are chosen on: train (and val), never test.
            Of a benchmark that `reference` lacks, the lookup takes the model best overall.

    Raises:
        DataError: if shapes differ, or no question has a label.
    """
    check_shapes(probability, labels.correct, labels.attempts)
    if not labels.attempts.any():
        raise DataError("the questions to route", ["none of them has a graded answer; choose questions with labels"])
    router = route_by(probability, labels)
    shares = np.bincount(router.chosen, minlength=probability.shape[0]) / router.chosen.size
    table = AccuracyTable.count(reference.correct, reference.attempts, reference.benchmarks)
    return RoutingReport(
        router=router,
        single_best=route_by(table.overall[:, None], labels),
        benchmark_lookup=route_by(table.look_up(labels.benchmarks), labels),
        oracle=route_by(labels.correct / np.maximum(labels.attempts, 1), labels),
        random_by_share=_expected_accuracy(shares, labels),
        selection_shares=shares,
    )


def _expected_accuracy(shares: np.ndarray, labels: Labels) -> float:
    """Sum over models of selection share times mean reward on the questions the model has labels on."""
    observed = labels.attempts > 0
    rewards = labels.correct / np.maximum(labels.attempts, 1)
    return float(shares @ (rewards.sum(axis=1) / np.maximum(observed.sum(axis=1), 1)))
