"""Which numbers of training questions, and what the paper found at them."""

from collections.abc import Sequence

import numpy as np

from ablations.cell import Method
from embedllm.config import FitConfig
from embedllm.errors import ConfigError, DataError

PAPER_SIZES = (1000, 5000, 10000, 15000, 20000, 25000)
"""Training sizes of the paper besides the full set."""
PAPER_FULL = 29673
"""Training questions with distinct texts in the public data, the paper's "Full (29K)"."""
PAPER_REACH = 0.1
"""Data with so many training questions more or fewer, as a share of the paper's, is compared with it."""
PAPER_MODELS = 112
PAPER_ACCURACY: dict[Method, tuple[float, ...]] = {
    "knn": (0.6372, 0.7078, 0.7107, 0.7128, 0.7143, 0.7146, 0.7152),
    "embedllm": (0.6443, 0.7331, 0.7362, 0.7378, 0.7390, 0.7394, 0.7409),
}
"""Test accuracy at :data:`PAPER_SIZES` and :data:`PAPER_FULL`: Table 1 of arXiv 2410.02223, single runs."""

LEAST_QUESTIONS = 20
"""Fewer training questions teach nothing that seeds would agree on."""
LEAST_SIZES = 3
"""Fewer sizes make no curve."""


def training_sizes(available: int, asked: Sequence[int] | None) -> tuple[list[int], list[str]]:
    """Sizes to train on, ascending, all the questions there are as the last; and notes on what was reduced.

    Args:
        available: training questions there are.
        asked: sizes wanted; None = the paper's, with fewer questions than its largest scaled down in proportion.

    Raises:
        ConfigError: for sizes asked for that are out of range.
        DataError: if there are too few questions for a curve.
    """
    notes: list[str] = []
    if asked is not None:
        wrong = [size for size in asked if not LEAST_QUESTIONS <= size <= available]
        if wrong or not asked:
            raise ConfigError(
                f"sizes must be between {LEAST_QUESTIONS} and {available:,}, the number of training questions, but "
                f"{', '.join(map(str, wrong)) or 'none'} was given"
            )
        return sorted({*asked, available}), notes
    if available > max(PAPER_SIZES):
        return [*PAPER_SIZES, available], notes
    scaled = [_rounded(size * available / PAPER_FULL) for size in PAPER_SIZES]
    kept = sorted({size for size in scaled if LEAST_QUESTIONS <= size < available})
    if len(kept) + 1 < LEAST_SIZES:
        raise DataError(
            "the training-size design",
            [
                f"there are {available} training questions; a curve needs {LEAST_SIZES} sizes of at least "
                f"{LEAST_QUESTIONS} questions: import more questions, or name --sizes"
            ],
        )
    notes.append(
        f"The paper's sizes (1,000 to {PAPER_FULL:,}) are scaled down in proportion to the {available:,} training "
        "questions available."
    )
    if dropped := len(set(scaled)) - len(kept):
        are = "is" if dropped == 1 else "are"
        notes.append(f"{dropped} of them {are} left out, with fewer than {LEAST_QUESTIONS} questions.")
    return [*kept, available], notes


def _rounded(size: float) -> int:
    """To two significant digits."""
    digits = max(0, len(str(int(size))) - 2)
    return round(size / 10**digits) * 10**digits


def candidates(recipe: FitConfig, count: int) -> list[FitConfig]:
    """Configurations tried at every size by `--tuned`: the recipe, and random ones around it, the same at all sizes.

    The paper tunes the dimension for every size; here learning rate, weight decay and noise too, because few questions
    need another regularisation, not only another dimension.

    Args:
        recipe: the first candidate.
        count: number of candidates.
    """
    generator = np.random.default_rng(0)
    found = [recipe]
    for _ in range(count - 1):
        dimension, rate, decay, noise = generator.random(4).tolist()  # plain numbers, as a file would hold them
        found.append(
            recipe.replace(
                embedding_dim=round(8 * 32**dimension),  # 8 to 256, every doubling as likely
                learning_rate=float(f"{recipe.learning_rate * 16 ** (rate - 0.5):.3g}"),  # a quarter to four times
                weight_decay=float(f"{1e-7 * 1e4**decay:.3g}"),
                noise=round(0.2 * noise, 3),
            )
        )
    return found
