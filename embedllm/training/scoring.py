"""Loss and accuracy of fused members without noise, at the end of an epoch: pieces of `embedllm.training.fused`.

Members that are validated on the same questions share one product of matrices. How many at a time is a matter of the
device: on a CPU the forecasts should stay in cache, on a GPU there should be few calls.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from embedllm.training.fused import Member

SCORED_AT_ONCE = 1 << 19
"""Forecasts made at once on a CPU when members are scored: enough that small sets of questions cost no time in Python,
few enough to stay in cache."""

SCORED_AT_ONCE_ON_GPU = 1 << 25
"""The same off the CPU, where a call costs as much time as millions of forecasts; a tensor of them takes 128 MiB."""


def scored_together(members: Sequence["Member"], models: int, device: torch.device) -> list[slice]:
    """Neighbouring members that are scored on the same questions, as many at a time as is worth it.

    Args:
        members: in the order of their parameters.
        models: M, for each of which a member makes a forecast on every question.
        device: where the members train.
    """
    at_once = SCORED_AT_ONCE if device.type == "cpu" else SCORED_AT_ONCE_ON_GPU
    found, start = [], 0
    for row in range(1, len(members) + 1):
        first = members[start]
        most = max(1, at_once // max(1, len(first.val) * models))
        if row - start == most or row == len(members) or not members[row].scored_like(first):
            found.append(slice(start, row))
            start = row
    return found


def take_rows(table: Tensor, rows: Tensor | slice) -> Tensor:
    """Rows of a table, without a copy where they lie together.

    Args:
        table: (questions, …).
        rows: int64 indices on the table's device, or a slice.
    """
    return table[rows] if isinstance(rows, slice) else torch.index_select(table, 0, rows)


def loss_and_accuracy(logits: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weighted mean cross-entropy and accuracy of each member, (T,).

    Args:
        logits: (T, questions, M) log-odds.
        target: (questions, M) share of right answers.
        weight: (questions, M) number of attempts, or None where every cell has exactly one.
    """
    total = float(target.numel()) if weight is None else weight.sum().clamp_min(1.0)
    losses = functional.softplus(logits).addcmul_(logits, target, value=-1)
    right = torch.where(logits > 0, target, 1 - target)
    if weight is not None:
        losses, right = losses.mul_(weight), right.mul_(weight)
    return losses.sum((1, 2)) / total, right.sum((1, 2)) / total
