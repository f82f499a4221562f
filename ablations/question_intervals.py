"""Difference of two methods on the same questions, with variation over questions and seeds in one interval."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedllm.evaluation.paired import ROUNDING

RESAMPLES = 4000
MINIMUM_QUESTIONS = 10
"""With fewer labelled questions resampling them says little: no interval is given."""
BLOCK_NUMBERS = 2**22


@dataclass(frozen=True)
class QuestionInterval:
    """`first - second` of a metric, mean over seeds.

    Args:
        difference: the difference.
        low: lower end of the 95 % percentile interval over joint resamples of questions and seeds; NaN where there are
            fewer than :data:`MINIMUM_QUESTIONS` questions.
        high: its upper end.
        p_value: two-sided, from the same resamples: at least 2 / (1 + resamples).
        questions: labelled questions.
        seeds: seeds of the method with more of them.
    """

    difference: float
    low: float
    high: float
    p_value: float
    questions: int
    seeds: int


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Args:
        first: float (seeds, questions): a method's metric by question, `question_totals` of each seed.
        second: the other's; as many seeds, in the same order, or a single row for a method without chance.
        weights: float (questions,), the questions' weights.
    """

    first: np.ndarray
    second: np.ndarray
    weights: np.ndarray

    @property
    def columns(self) -> np.ndarray:
        """Of the labelled questions, the difference of each seed and then the weights: (questions, seeds + 1)."""
        first, second = np.broadcast_arrays(np.atleast_2d(self.first), np.atleast_2d(self.second))
        # A rounding error of one sign on every question would be a certain difference.
        difference = np.where(np.isclose(first, second, rtol=ROUNDING, atol=0), 0.0, first - second)
        return np.column_stack([difference.T, self.weights])[self.weights > 0]


def question_intervals(
    comparisons: Sequence[Comparison], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[QuestionInterval]:
    """Resample questions and seeds together, keeping both pairings.

    Args:
        comparisons: those with the same labelled questions share the resamples of questions, which take most time.
        resamples: number of resamples.
        seed: seed of the resampling.
    """
    columns = [comparison.columns for comparison in comparisons]
    alike: dict[bytes, list[int]] = defaultdict(list)
    for place, comparison in enumerate(comparisons):
        alike[(comparison.weights > 0).tobytes()].append(place)
    values: dict[int, np.ndarray] = {}
    for places in alike.values():
        if len(columns[places[0]]) >= MINIMUM_QUESTIONS:
            drawn = _resample([columns[place] for place in places], resamples, seed)
            values |= zip(places, drawn, strict=True)
    return [_interval(own, values.get(place)) for place, own in enumerate(columns)]


def _resample(columns: Sequence[np.ndarray], resamples: int, seed: int) -> list[np.ndarray]:
    """Resampled differences of comparisons on the same questions: float64 of shape (resamples,) each."""
    labelled = len(columns[0])
    questions = np.random.default_rng(seed)
    # A stream of its own, so that a comparison does not depend on those it is made with.
    seeds = [np.random.default_rng((seed, 1)) for _ in columns]
    ends = np.cumsum([own.shape[1] for own in columns])[:-1]
    together = np.concatenate(columns, axis=1)
    block = max(1, BLOCK_NUMBERS // labelled)
    drawn: list[list[np.ndarray]] = [[] for _ in columns]
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        times = questions.multinomial(labelled, np.full(labelled, 1 / labelled), size=count)
        for own, generator, sums in zip(drawn, seeds, np.split(times @ together, ends, axis=1), strict=True):
            shares = sums[:, :-1] / sums[:, -1:]
            chosen = generator.integers(shares.shape[1], size=shares.shape)
            own.append(np.take_along_axis(shares, chosen, axis=1).mean(axis=1))
    return [np.concatenate(own) for own in drawn]


def _interval(columns: np.ndarray, values: np.ndarray | None) -> QuestionInterval:
    labelled, seeds = len(columns), columns.shape[1] - 1
    if not labelled:
        return QuestionInterval(math.nan, math.nan, math.nan, math.nan, 0, seeds)
    difference = float(columns[:, :-1].sum(axis=0).mean() / columns[:, -1].sum())
    if values is None:
        return QuestionInterval(difference, math.nan, math.nan, math.nan, labelled, seeds)
    low, high = np.quantile(values, [0.025, 0.975])
    tail = (1 + min((values <= 0).sum(), (values >= 0).sum())) / (1 + len(values))
    return QuestionInterval(difference, float(low), float(high), min(1.0, 2 * float(tail)), labelled, seeds)
