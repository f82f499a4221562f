"""Repeated random divisions of the models into some to learn a forecast from and some to test it on."""

from dataclasses import dataclass

import numpy as np

from embedllm.errors import ConfigError, DataError

MIN_MODELS = 12
"""Fewer models cannot carry both a regression and a test."""

MIN_TEST_MODELS = 5
"""With four models even perfect agreement has p = 2/4! = 0.083 in Kendall's test: no fold could be significant."""


@dataclass(frozen=True)
class ModelFolds:
    """The same divisions for every feature set, so that comparisons between them are paired.

    The folds overlap: values measured on them are *not* independent (see `evaluation.paired.corrected_interval`).
    """

    train: np.ndarray
    """int64 of shape (repeats, training models): model indices, ascending within a fold."""
    test: np.ndarray
    """int64 of shape (repeats, test models): model indices, ascending within a fold."""

    @property
    def repeats(self) -> int:
        return self.test.shape[0]

    @property
    def test_train_ratio(self) -> float:
        """Test models per training model, which the corrected interval needs."""
        return self.test.shape[1] / self.train.shape[1]

    @classmethod
    def draw(cls, models: np.ndarray, *, repeats: int = 100, test_share: float = 0.2, seed: int = 0) -> "ModelFolds":
        """Divide `models` at random, `repeats` times.

        The paper gives 100 repeats and no share; 0.2 leaves 22 of its 112 models for testing.

        Args:
            models: int64 indices of the models to divide, distinct.
            repeats: number of divisions.
            test_share: share of the models tested on; at least :data:`MIN_TEST_MODELS` are, whatever the share.
            seed: the same seed and models give the same folds.

        Raises:
            DataError: with fewer than :data:`MIN_MODELS` models.
            ConfigError: for repeats below 1, or a share outside (0, 0.5].
        """
        if repeats < 1 or not 0 < test_share <= 0.5:
            raise ConfigError(
                f"repeats must be at least 1 and test_share above 0 and at most 0.5, but they are {repeats} and "
                f"{test_share}"
            )
        count = len(models)
        if count < MIN_MODELS:
            raise DataError(
                "the models",
                [
                    f"{count} models have what a forecast needs; at least {MIN_MODELS} are needed, because some must "
                    f"be kept for testing ({MIN_TEST_MODELS} or more, or no rank correlation can be significant)"
                ],
            )
        tested = max(MIN_TEST_MODELS, round(test_share * count))
        generator = np.random.default_rng(seed)
        order = np.argsort(generator.random((repeats, count)), axis=1)
        chosen = np.sort(np.asarray(models, dtype=np.int64))[order]
        return cls(train=np.sort(chosen[:, tested:], axis=1), test=np.sort(chosen[:, :tested], axis=1))
