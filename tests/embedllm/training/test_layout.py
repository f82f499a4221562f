"""Flat parameters: where they lie, and what models say that are read from them."""

import pytest
import torch

from embedllm.flops import forecast_flops
from embedllm.training.layout import Layout

DIMS = (5, 3)  # the second member is narrower, so its columns are padded


def members() -> tuple[Layout, torch.Tensor]:
    layout = Layout(7, 12, DIMS[0])
    flat = torch.zeros(len(DIMS), layout.size)
    for member, dim in enumerate(DIMS):
        layout.initialise(flat[member], dim, torch.Generator().manual_seed(member))
    return layout, flat


def test_members_are_collapsed_together_as_each_alone():
    layout, flat = members()
    weights, offset = layout.collapse(flat)
    for member, dim in enumerate(DIMS):
        alone = layout.export(flat[member], dim).collapsed
        torch.testing.assert_close((weights[member], offset[member]), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("questions", [2, 200])
def test_log_odds_are_the_models_own_in_both_forms(questions: int):
    layout, flat = members()
    encodings = torch.randn(questions, layout.width, generator=torch.Generator().manual_seed(5))
    shape = layout.models, layout.width, layout.dim, questions
    cheaper = min(("factor", "collapsed"), key=lambda form: forecast_flops(form, *shape))
    assert cheaper == ("factor" if questions == 2 else "collapsed")
    found = torch.cat(layout.logits(flat, encodings.tensor_split(2)), dim=1)
    for member, dim in enumerate(DIMS):
        wanted = torch.from_numpy(layout.export(flat[member], dim).logits(encodings.numpy())).T
        torch.testing.assert_close(found[member], wanted, rtol=1e-5, atol=1e-5)
