"""`FitData`: the right rows, weights only where needed, every problem named."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.splits import Split
from embedllm.errors import ConfigError, DataError
from embedllm.training import FitData
from embedllm.training.data import checked_device

MODELS, QUESTIONS = 3, 10


def matrix(attempts: np.ndarray) -> CorrectnessMatrix:
    correct = np.minimum(attempts, np.arange(MODELS * QUESTIONS).reshape(MODELS, QUESTIONS) % 2).astype(np.uint8)
    ids = [str(i) for i in range(QUESTIONS)]
    questions = pa.table(
        {"prompt_id": ids, "prompt": ids, "benchmark": ids, "category": ids, "split": pa.nulls(QUESTIONS, pa.string())}
    )
    names = [f"m{i}" for i in range(MODELS)]
    return CorrectnessMatrix(correct, attempts, questions, pa.table({"model_id": names, "model_name": names}))


def split(train: list[int], val: list[int], test: list[int]) -> Split:
    return Split("by hand", *(np.array(side, dtype=np.int64) for side in (train, val, test)), seed=None)


ENCODINGS = np.arange(QUESTIONS * 2, dtype=np.float32).reshape(QUESTIONS, 2)
ONES = np.ones((MODELS, QUESTIONS), np.uint8)


def test_training_rows_come_first_and_test_rows_nowhere():
    data = FitData.build(matrix(ONES), split([1, 5, 7], [0, 2], [3, 4, 6, 8, 9]), ENCODINGS, device="cpu")
    assert (data.num_train, data.num_val, data.num_models, data.width) == (3, 2, MODELS, 2)
    np.testing.assert_array_equal(data.encodings.numpy(), ENCODINGS[[1, 5, 7, 0, 2]])
    np.testing.assert_array_equal(data.target.numpy(), matrix(ONES).correct[:, [1, 5, 7, 0, 2]].T)
    assert data.weight is None


def test_repeated_and_missing_cells_get_weights():
    attempts = ONES.copy()
    attempts[0, 1], attempts[1, 2] = 0, 4
    data = FitData.build(matrix(attempts), split([0, 1, 2], [3], []), ENCODINGS, device="cpu")
    assert data.weight is not None
    assert data.weight[1, 0] == 0
    assert data.target[1, 0] == 0
    assert data.weight[2, 1] == 4
    assert data.target[2, 1] == pytest.approx(matrix(attempts).correct[1, 2] / 4)


def test_every_problem_is_named():
    with pytest.raises(DataError) as caught:
        FitData.build(matrix(ONES), split([], [1], []), ENCODINGS[:4], device="cpu")
    assert "encodings have shape (4, 2); the data has 10 questions" in str(caught.value)
    assert "the split 'by hand' has no training questions" in str(caught.value)


def test_a_side_without_labels_is_refused():
    attempts = ONES.copy()
    attempts[:, 3] = 0
    with pytest.raises(DataError, match="no validation question of the split 'by hand' has a label"):
        FitData.build(matrix(attempts), split([0, 1], [3], []), ENCODINGS, device="cpu")


def test_encodings_that_are_no_numbers_are_refused():
    broken = ENCODINGS.copy()
    broken[6, 1] = np.nan
    with pytest.raises(DataError, match="1 encodings hold NaN or infinity, the first in row 6"):
        FitData.build(matrix(ONES), split([0], [1], []), broken, device="cpu")


@pytest.fixture
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with so many CUDA devices, and no other accelerator."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize("gpus", [0], indirect=True)
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "bogus", ""])
def test_without_a_gpu_only_the_cpu_is_allowed(gpus: None, name: str):
    assert checked_device(None) == checked_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError) as error:
        checked_device(name)
    assert f"device must be cpu, the only device here, but is {name!r}" in str(error.value)
    with pytest.raises(ConfigError, match="device must be cpu"):
        FitData.pool(matrix(ONES), ENCODINGS, device=name)


@pytest.mark.parametrize("gpus", [2], indirect=True)
def test_every_gpu_may_be_named(gpus: None):
    assert checked_device(None) == torch.device("cuda")
    assert checked_device(torch.device("cuda:1")) == checked_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="device must be one of cpu, cuda, cuda:0, cuda:1 but is 'cuda:2'"):
        checked_device("cuda:2")
