"""The tensors a fit reads, laid out for question-blocked batches and placed on the device once per process."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from embedllm.errors import ConfigError, DataError

if TYPE_CHECKING:
    from embedllm.data import CorrectnessMatrix, Split


@dataclass(frozen=True)
class Sides:
    """What one member of a fit sees.

    Args:
        train: int64 rows of a `FitData` to train on.
        val: int64 rows to validate on after every epoch.
    """

    train: np.ndarray
    val: np.ndarray


@dataclass(frozen=True)
class FitData:
    """Encodings and labels of questions, for fits on one split or, as a pool, on many.

    Of one split (:meth:`build`) there are the training and validation questions only: training questions come first,
    rows 0..num_train-1, validation questions follow. A pool (:meth:`pool`) holds every question of the data in its
    order, and no validation questions of its own: every member brings a split.

    Args:
        encodings: (questions, D) float32.
        target: (questions, M) float32, share of right answers, 0 where missing.
        weight: (questions, M) float32, number of attempts, or None where every cell has exactly one.
        num_train: number of training questions; of a pool, all questions.
    """

    encodings: Tensor
    target: Tensor
    weight: Tensor | None
    num_train: int

    @property
    def num_models(self) -> int:
        return self.target.shape[1]

    @property
    def num_val(self) -> int:
        return self.target.shape[0] - self.num_train

    @property
    def is_pool(self) -> bool:
        """Whether members must bring splits."""
        return self.num_val == 0

    @property
    def sides(self) -> Sides:
        """The rows of the split it was built of."""
        rows = np.arange(self.target.shape[0])
        return Sides(rows[: self.num_train], rows[self.num_train :])

    @property
    def width(self) -> int:
        return self.encodings.shape[1]

    @property
    def device(self) -> torch.device:
        return self.encodings.device

    @classmethod
    def build(
        cls,
        data: "CorrectnessMatrix",
        split: "Split",
        encodings: np.ndarray,
        device: str | torch.device | None = None,
    ) -> "FitData":
        """Gather the training and validation sides of `split` onto `device` (None = CUDA where present, else CPU).

        Args:
            data: the correctness matrix.
            split: which questions train and which validate; both sides must be non-empty.
            encodings: float32 of shape (questions, D), a row per question of `data`.
            device: where the tensors live.

        Raises:
            ConfigError: if there is no such device.
            DataError: if the encodings do not fit the data, are not finite, or a side is empty or has no label at all.
        """
        problems = []
        for side, ids in (("training", split.train), ("validation", split.val)):
            if len(ids) == 0:
                problems.append(f"the split {split.name!r} has no {side} questions")
            elif not data.attempts[:, ids].any():
                problems.append(f"no {side} question of the split {split.name!r} has a label")
        _check(encodings, data, problems)
        return cls._gather(data, np.concatenate([split.train, split.val]), len(split.train), encodings, device)

    @classmethod
    def pool(
        cls, data: "CorrectnessMatrix", encodings: np.ndarray, device: str | torch.device | None = None
    ) -> "FitData":
        """Every question of `data`, for members with splits of their own: row numbers are question indices.

        Args:
            data: the correctness matrix.
            encodings: float32 of shape (questions, D), a row per question of `data`.
            device: where the tensors live; None = CUDA where present, else CPU.

        Raises:
            ConfigError: if there is no such device.
            DataError: if the encodings do not fit the data or are not finite.
        """
        _check(encodings, data, [])
        return cls._gather(data, np.arange(data.num_questions), data.num_questions, encodings, device)

    @classmethod
    def _gather(
        cls,
        data: "CorrectnessMatrix",
        rows: np.ndarray,
        num_train: int,
        encodings: np.ndarray,
        device: str | torch.device | None,
    ) -> "FitData":
        attempts = np.ascontiguousarray(data.attempts[:, rows].T).astype(np.float32)
        correct = np.ascontiguousarray(data.correct[:, rows].T).astype(np.float32)
        target = np.divide(correct, attempts, out=np.zeros_like(correct), where=attempts > 0)
        where = checked_device(device)
        uniform = bool((attempts == 1).all())
        return cls(
            encodings=torch.from_numpy(np.ascontiguousarray(encodings[rows], dtype=np.float32)).to(where),
            target=torch.from_numpy(target).to(where),
            weight=None if uniform else torch.from_numpy(attempts).to(where),
            num_train=num_train,
        )


def checked_device(name: str | torch.device | None) -> torch.device:
    """The device of that name, None = CUDA where present, else CPU; refused here, as PyTorch's own errors are obscure.

    Raises:
        ConfigError: if there is no such device, naming those there are.
    """
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    devices = ["cpu", *(["cuda", *gpus] if gpus else [])]
    if torch.backends.mps.is_available():
        devices.append("mps")
    if name is None:
        return torch.device("cuda" if gpus else "cpu")
    if str(name) not in devices:
        allowed = f"one of {', '.join(devices)}" if len(devices) > 1 else f"{devices[0]}, the only device here,"
        raise ConfigError(f"device must be {allowed} but is {str(name)!r}; leave it out for the fastest there is")
    return torch.device(name)


def _check(encodings: np.ndarray, data: "CorrectnessMatrix", problems: list[str]) -> None:
    """Raise one :class:`DataError` with the problems found so far and those of the encodings."""
    if encodings.ndim != 2 or encodings.shape[0] != data.num_questions:
        problems = [f"encodings have shape {encodings.shape}; the data has {data.num_questions} questions", *problems]
    if not problems:
        finite = np.isfinite(encodings).all(axis=1)
        if not finite.all():
            rows = np.flatnonzero(~finite)
            problems = [f"{len(rows)} encodings hold NaN or infinity, the first in row {rows[0]}; encode again"]
    if problems:
        raise DataError("the data to fit", problems)
