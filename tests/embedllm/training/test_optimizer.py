"""The member-wise optimisers against torch's own."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from embedllm.training.optimizer import MemberAdam, TableAdam, learning_rates, make_adam

BOTH = pytest.mark.parametrize("kind", [MemberAdam, TableAdam])


class Calls(TorchDispatchMode):
    """Counts PyTorch's operations that compute something."""

    def __init__(self) -> None:
        super().__init__()
        self.computed = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.computed += not func.is_view
        return func(*args, **(kwargs or {}))


@BOTH
def test_members_follow_torch_adam_with_their_own_rate_and_decay(kind: type):
    rates, decays = [1e-2, 3e-3, 1e-1], [0.0, 1e-2, 1e-1]
    start = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    ours, gradient = start.clone(), torch.zeros_like(start)
    optimizer = kind(ours, gradient, list(decays))
    reference = [row.clone().requires_grad_() for row in start]
    torch_optimizers = [
        torch.optim.Adam([row], lr=rate, weight_decay=decay)
        for row, rate, decay in zip(reference, rates, decays, strict=True)
    ]
    for step in range(20):
        slopes = torch.randn(3, 40, generator=torch.Generator().manual_seed(step + 1))
        gradient.copy_(slopes)
        optimizer.step(rates)
        for row, one, slope in zip(reference, torch_optimizers, slopes, strict=True):
            row.grad = slope.clone()
            one.step()
    torch.testing.assert_close(ours, torch.stack([row.detach() for row in reference]), rtol=1e-5, atol=1e-6)


@BOTH
def test_keeping_some_members_keeps_their_moments(kind: type):
    start = torch.randn(3, 10, generator=torch.Generator().manual_seed(0))
    slopes = torch.randn(6, 3, 10, generator=torch.Generator().manual_seed(1))

    def run(keep_at: int | None) -> torch.Tensor:
        values, gradient = start.clone(), torch.zeros(3, 10)
        optimizer, rows = kind(values, gradient, [0.0, 0.1, 0.2]), [0, 1, 2]
        for step, slope in enumerate(slopes):
            if step == keep_at:
                rows = [0, 2]
                optimizer.release()
                values, gradient = values[rows].clone(), torch.zeros(2, 10)
                optimizer.keep(rows, values, gradient)
            gradient.copy_(slope[rows])
            optimizer.step([1e-2] * len(rows))
        return values

    torch.testing.assert_close(run(keep_at=3), run(keep_at=None)[[0, 2]])


def test_members_that_have_fewer_batches_rest():
    """As in `fused`: those still training lead; what each has done is its own."""
    start = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    values = {kind: start.clone() for kind in (MemberAdam, TableAdam)}
    slopes = {kind: torch.zeros(3, 40) for kind in values}
    optimizers = {kind: kind(values[kind], slopes[kind], [0.0, 0.1, 0.01]) for kind in values}
    for step in range(60):
        leading = 3 if step % 3 else 2
        slope = torch.randn(3, 40, generator=torch.Generator().manual_seed(step))
        for kind, optimizer in optimizers.items():
            slopes[kind].copy_(slope)
            optimizer.step([1e-2, 3e-2, 1e-3][:leading])
    torch.testing.assert_close(values[TableAdam], values[MemberAdam], rtol=1e-5, atol=1e-6)


def test_on_a_gpu_a_step_is_as_many_operations_for_many_members_as_for_two():
    found = []
    for members in (2, 16):
        tables = torch.zeros(members, 8, device="meta"), torch.zeros(members, 8, device="meta")
        optimizer = make_adam(*tables, [0.0] * members)
        assert isinstance(optimizer, TableAdam)
        with Calls() as calls:
            optimizer.step([1e-2] * members)
        found.append(calls.computed)
    assert found[0] == found[1]
    assert isinstance(make_adam(torch.zeros(2, 8), torch.zeros(2, 8), [0.0, 0.0]), MemberAdam)


@pytest.mark.parametrize("steps", [10, 57, 200])
def test_one_cycle_is_torchs(steps: int):
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([parameter], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=steps, cycle_momentum=False)
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert learning_rates("one-cycle", 0.02, steps) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_short_schedules_are_finite_and_constant_is_constant():
    for steps in (1, 2, 3):
        assert all(0 < rate <= 0.5 for rate in learning_rates("one-cycle", 0.5, steps))
    assert learning_rates("constant", 0.3, 3) == [0.3, 0.3, 0.3]
