"""Difference of two methods on the same questions, with luck of the questions and of the seeds in one interval."""

import math
from dataclasses import dataclass

import numpy as np

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


def question_interval(
    first: np.ndarray, second: np.ndarray, weights: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> QuestionInterval:
    """Resample questions and seeds together, keeping both pairings.

    Args:
        first: float (seeds, questions): a method's metric by question, `question_totals` of each seed.
        second: the other's; as many seeds, in the same order, or a single row for a method without chance.
        weights: float (questions,), the questions' weights.
        resamples: number of resamples.
        seed: seed of the resampling.
    """
    difference = np.atleast_2d(first) - np.atleast_2d(second)
    seeds, labelled = len(difference), int(np.count_nonzero(weights))
    nan = math.nan
    if not labelled:
        return QuestionInterval(nan, nan, nan, nan, 0, seeds)
    value = float(difference.sum(axis=1).mean() / weights.sum())
    if labelled < MINIMUM_QUESTIONS:
        return QuestionInterval(value, nan, nan, nan, labelled, seeds)
    columns = np.column_stack([difference.T, weights])[weights > 0]
    generator = np.random.default_rng(seed)
    block = max(1, BLOCK_NUMBERS // labelled)
    drawn = []
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        times = generator.multinomial(labelled, np.full(labelled, 1 / labelled), size=count)
        sums = times @ columns
        shares = sums[:, :-1] / sums[:, -1:]
        drawn.append(np.take_along_axis(shares, generator.integers(seeds, size=(count, seeds)), axis=1).mean(axis=1))
    values = np.concatenate(drawn)
    low, high = np.quantile(values, [0.025, 0.975])
    tail = (1 + min((values <= 0).sum(), (values >= 0).sum())) / (1 + resamples)
    return QuestionInterval(value, float(low), float(high), min(1.0, 2 * float(tail)), labelled, seeds)
