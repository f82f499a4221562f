"""Adam over members' flat parameter vectors, with a learning rate and weight decay per member, and the schedules."""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

WARM_UP = 0.3  # share of the steps, as in torch.optim.lr_scheduler.OneCycleLR
START_DIVISOR = 25.0
END_DIVISOR = 25.0e4

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8


class Adam(Protocol):
    """Adam (Kingma & Ba 2015) with L2 weight decay, the update of `torch.optim.Adam`, over the rows of a table."""

    def step(self, learning_rates: Sequence[float]) -> None:
        """Update the leading members, one for each learning rate, from their gradients, which may be overwritten."""

    def release(self) -> None:
        """Let go of parameters and gradient, which the caller is about to replace; :meth:`keep` must follow."""

    def keep(self, rows: list[int], parameters: Tensor, gradient: Tensor) -> None:
        """Continue with a subset of the members, whose rows now lie in `parameters` and `gradient`."""


def make_adam(parameters: Tensor, gradient: Tensor, weight_decay: list[float]) -> Adam:
    """The optimizer that is fastest on the device of `parameters`, (K, P); a weight decay for each of K members."""
    kind = MemberAdam if parameters.device.type == "cpu" else TableAdam
    return kind(parameters, gradient, weight_decay)


class MemberAdam:
    """:class:`Adam` on the CPU: one fused kernel per member.

    Calls the kernel behind `torch.optim.Adam(fused=True)` directly: the optimizer class costs as much per step in
    Python as a small batch costs in arithmetic, and takes one learning rate per parameter group.
    """

    def __init__(self, parameters: Tensor, gradient: Tensor, weight_decay: list[float]) -> None:
        self._first = [torch.zeros_like(row) for row in parameters]
        self._second = [torch.zeros_like(row) for row in parameters]
        self._one = torch.ones((), device=parameters.device)  # adding a number makes a tensor of it every time
        self._counts = torch.zeros(len(parameters), device=parameters.device)
        self._weight_decay = weight_decay
        self._bind(parameters, gradient)

    def _bind(self, parameters: Tensor, gradient: Tensor) -> None:
        columns = (parameters, gradient, self._first, self._second, self._counts.unbind())
        self._lists = [tuple([tensor] for tensor in row) for row in zip(*columns, strict=True)]

    def release(self) -> None:
        self._lists = []

    def keep(self, rows: list[int], parameters: Tensor, gradient: Tensor) -> None:
        self._first = [self._first[row] for row in rows]
        self._second = [self._second[row] for row in rows]
        self._counts = self._counts[rows]
        self._weight_decay = [self._weight_decay[row] for row in rows]
        self._bind(parameters, gradient)

    def step(self, learning_rates: Sequence[float]) -> None:
        self._counts[: len(learning_rates)].add_(self._one)
        for row, learning_rate in enumerate(learning_rates):
            self._update(row, learning_rate)

    def _update(self, row: int, learning_rate: float) -> None:
        parameters, gradient, first, second, count = self._lists[row]
        torch._fused_adam_(
            parameters,
            gradient,
            first,
            second,
            [],
            count,
            lr=learning_rate,
            beta1=FIRST_DECAY,
            beta2=SECOND_DECAY,
            weight_decay=self._weight_decay[row],
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )


class TableAdam:
    """:class:`Adam` on a GPU: the same few kernels for all members at once, however many they are.

    A fused kernel per member, as on the CPU, would keep a GPU waiting: a member's parameters fill a small part of it,
    and launches follow one another. The gradient is overwritten.
    """

    def __init__(self, parameters: Tensor, gradient: Tensor, weight_decay: list[float]) -> None:
        self._tables: tuple[Tensor, Tensor] | None = (parameters, gradient)
        self._first = torch.zeros_like(parameters)
        self._second = torch.zeros_like(parameters)
        self._weight_decay = torch.tensor(weight_decay, dtype=torch.float32, device=parameters.device)[:, None]
        self._counts = [0] * len(parameters)

    def release(self) -> None:
        self._tables = None

    def keep(self, rows: list[int], parameters: Tensor, gradient: Tensor) -> None:
        self._tables = parameters, gradient
        self._first = self._first[rows]  # one after the other, for the sake of the peak of memory
        self._second = self._second[rows]
        self._weight_decay = self._weight_decay[rows]
        self._counts = [self._counts[row] for row in rows]

    def step(self, learning_rates: Sequence[float]) -> None:
        assert self._tables is not None, "released, and not bound again"
        count = len(learning_rates)
        parameters, gradient = (table[:count] for table in self._tables)
        first, second = self._first[:count], self._second[:count]
        size, root = self._corrections(learning_rates)
        gradient.addcmul_(parameters, self._weight_decay[:count])
        first.lerp_(gradient, 1 - FIRST_DECAY)
        second.mul_(SECOND_DECAY).addcmul_(gradient, gradient, value=1 - SECOND_DECAY)
        torch.mul(first, size, out=gradient)  # done with: its place is as good as another table
        parameters.addcdiv_(gradient, second.sqrt().div_(root).add_(EPSILON))

    def _corrections(self, learning_rates: Sequence[float]) -> Tensor:
        """Of each member minus its step size and the root of its second moment's bias correction: (2, k, 1)."""
        sizes, roots = [], []
        for row, learning_rate in enumerate(learning_rates):
            self._counts[row] += 1
            sizes.append(-learning_rate / (1 - FIRST_DECAY ** self._counts[row]))
            roots.append(math.sqrt(1 - SECOND_DECAY ** self._counts[row]))
        # From pinned memory, the copy is queued behind the kernels, and nothing waits for them.
        on_gpu = self._first.device.type == "cuda"
        corrections = torch.tensor([sizes, roots], dtype=torch.float32, pin_memory=on_gpu)
        return corrections[:, :, None].to(self._first.device, non_blocking=True)


def learning_rates(schedule: str, peak: float, steps: int) -> list[float]:
    """Learning rate of each of `steps` steps: constant, or one cycle (cosine up over 30 %, cosine down to nearly 0).

    The cycle is that of Smith & Topin (arXiv 1708.07120) as `torch.optim.lr_scheduler.OneCycleLR` implements it,
    without the cycling of momentum.
    """
    if schedule == "constant":
        return [peak] * steps
    start, end = peak / START_DIVISOR, peak / END_DIVISOR
    up_end = WARM_UP * steps - 1
    rates = []
    for step in range(steps):
        if step <= up_end:
            rates.append(_cosine(start, peak, step / up_end if up_end > 0 else 1.0))
        else:
            rates.append(_cosine(peak, end, (step - up_end) / max(steps - 1 - up_end, 1e-9)))
    return rates


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(share, 1.0)))
