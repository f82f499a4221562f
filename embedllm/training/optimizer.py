"""Adam over members' flat parameter vectors, with a learning rate and weight decay per member, and the schedules."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

WARM_UP = 0.3  # share of the steps, as in torch.optim.lr_scheduler.OneCycleLR
START_DIVISOR = 25.0
END_DIVISOR = 25.0e4


class MemberAdam:
    """Adam (Kingma & Ba 2015) with L2 weight decay, the update of `torch.optim.Adam`, one fused kernel per member.

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

    def keep(self, rows: list[int], parameters: Tensor, gradient: Tensor) -> None:
        """Continue with a subset of the members, whose rows now lie in `parameters` and `gradient`."""
        self._first = [self._first[row] for row in rows]
        self._second = [self._second[row] for row in rows]
        self._counts = self._counts[rows]
        self._weight_decay = [self._weight_decay[row] for row in rows]
        self._bind(parameters, gradient)

    def step(self, learning_rates: Sequence[float]) -> None:
        """Update the leading members, one for each learning rate, from their gradients."""
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
            beta1=0.9,
            beta2=0.999,
            weight_decay=self._weight_decay[row],
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )


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
