"""Members with splits of their own: fused over one pool they equal fits on each split's own data."""

import numpy as np
import pytest

from embedllm.config import FitConfig
from embedllm.data import CorrectnessMatrix, simulate
from embedllm.data.splits import Split, leave_out, random_split
from embedllm.errors import ConfigError, DataError
from embedllm.training import FitData, fit, fit_many

BASE = FitConfig(encoder="random", embedding_dim=6, noise=0.1, batch_questions=40, epochs=3, learning_rate=0.02)


@pytest.fixture(scope="module", params=[0.0, 0.2], ids=["complete", "missing cells"])
def data(request: pytest.FixtureRequest) -> CorrectnessMatrix:
    return simulate(models=7, questions=600, missing=request.param, seed=1)


@pytest.fixture(scope="module")
def encodings(data: CorrectnessMatrix) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((data.num_questions, 12)).astype(np.float32)


def test_members_of_several_splits_equal_fits_on_each_splits_data(data: CorrectnessMatrix, encodings: np.ndarray):
    whole = random_split(data, seed=0)
    splits = [whole, leave_out(data, [data.benchmarks[0]], base=whole), random_split(data, seed=5), whole]
    configs = [
        BASE,
        BASE.replace(seed=3, embedding_dim=5),
        BASE.replace(training_questions=200, learning_rate=0.01),
        BASE.replace(seed=1, training_questions=111),
    ]
    pooled = fit_many(configs, FitData.pool(data, encodings), splits=splits)
    for config, split, result in zip(configs, splits, pooled, strict=True):
        alone = fit(config, FitData.build(data, split, encodings))
        assert result.history["val_log_loss"] == pytest.approx(alone.history["val_log_loss"], abs=1e-5)
        assert result.history["train_log_loss"] == pytest.approx(alone.history["train_log_loss"], abs=1e-5)
        assert result.best_epoch == alone.best_epoch
        assert result.model is not None
        assert alone.model is not None
        np.testing.assert_allclose(result.model.logits(encodings), alone.model.logits(encodings), atol=2e-4)


def test_labels_outside_a_members_split_change_nothing(data: CorrectnessMatrix, encodings: np.ndarray):
    split = leave_out(data, [data.benchmarks[0]], base=random_split(data, seed=0))
    hidden = np.setdiff1d(np.arange(data.num_questions), np.concatenate([split.train, split.val]))
    correct = data.correct.copy()
    correct[:, hidden] = data.attempts[:, hidden] - correct[:, hidden]
    flipped = CorrectnessMatrix(correct, data.attempts, data.questions, data.models)
    noise = encodings.copy()
    noise[hidden] = 100.0
    [one] = fit_many([BASE], FitData.pool(data, encodings), splits=[split])
    [two] = fit_many([BASE], FitData.pool(flipped, noise), splits=[split])
    assert one.history == two.history


def test_a_pool_wants_a_split_per_member_and_other_data_none(data: CorrectnessMatrix, encodings: np.ndarray):
    split = random_split(data, seed=0)
    with pytest.raises(ConfigError, match="none splits are given; wanted: 2, one for each configuration"):
        fit_many([BASE, BASE], FitData.pool(data, encodings))
    with pytest.raises(ConfigError, match="1 splits are given; wanted: 2, one for each configuration"):
        fit_many([BASE, BASE], FitData.pool(data, encodings), splits=[split])
    with pytest.raises(ConfigError, match="1 splits are given; wanted: none: the data is of one split"):
        fit_many([BASE], FitData.build(data, split, encodings), splits=[split])


def test_a_split_without_training_questions_is_refused(data: CorrectnessMatrix, encodings: np.ndarray):
    nothing = np.array([], dtype=np.int64)
    empty = Split("by hand", nothing, np.array([1]), nothing)
    with pytest.raises(DataError, match="the split 'by hand' has no training questions"):
        fit_many([BASE], FitData.pool(data, encodings), splits=[empty])


def test_more_training_questions_than_a_split_has_are_refused(data: CorrectnessMatrix, encodings: np.ndarray):
    split = random_split(data, seed=0)
    with pytest.raises(ConfigError, match=f"is 599 but there are {len(split.train)} training questions"):
        fit_many([BASE.replace(training_questions=599)], FitData.pool(data, encodings), splits=[split])
