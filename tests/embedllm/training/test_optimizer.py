"""The member-wise optimiser against torch's own."""

import pytest
import torch

from embedllm.training.optimizer import MemberAdam, learning_rates


def test_members_follow_torch_adam_with_their_own_rate_and_decay():
    rates, decays = [1e-2, 3e-3, 1e-1], [0.0, 1e-2, 1e-1]
    start = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    ours, gradient = start.clone(), torch.zeros_like(start)
    optimizer = MemberAdam(ours, gradient, list(decays))
    reference = [row.clone().requires_grad_() for row in start]
    torch_optimizers = [
        torch.optim.Adam([row], lr=rate, weight_decay=decay)
        for row, rate, decay in zip(reference, rates, decays, strict=True)
    ]
    for step in range(20):
        gradient.copy_(torch.randn(3, 40, generator=torch.Generator().manual_seed(step + 1)))
        optimizer.step(rates)
        for row, one, slope in zip(reference, torch_optimizers, gradient, strict=True):
            row.grad = slope.clone()
            one.step()
    torch.testing.assert_close(ours, torch.stack([row.detach() for row in reference]), rtol=1e-5, atol=1e-6)


def test_keeping_some_members_keeps_their_moments():
    start = torch.randn(3, 10, generator=torch.Generator().manual_seed(0))
    slopes = torch.randn(6, 3, 10, generator=torch.Generator().manual_seed(1))

    def run(keep_at: int | None) -> torch.Tensor:
        values, gradient = start.clone(), torch.zeros(3, 10)
        optimizer, rows = MemberAdam(values, gradient, [0.0, 0.1, 0.2]), [0, 1, 2]
        for step, slope in enumerate(slopes):
            if step == keep_at:
                rows = [0, 2]
                values, gradient = values[rows].clone(), torch.zeros(2, 10)
                optimizer.keep(rows, values, gradient)
            gradient.copy_(slope[rows])
            optimizer.step([1e-2] * len(rows))
        return values

    torch.testing.assert_close(run(keep_at=3), run(keep_at=None)[[0, 2]])


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
