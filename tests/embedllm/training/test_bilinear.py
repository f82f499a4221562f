"""The fused gradients against the official code's arithmetic, pair by pair (`naive.py`)."""

import math

import pytest
import torch
from torch.nn import functional

from embedllm.model import EmbedLLM
from embedllm.training.bilinear import (
    Batch,
    Group,
    collapsed_gradient,
    factor_gradient,
    few_questions_gradient,
    gradient_for,
)
from embedllm.training.layout import Layout
from tests.embedllm.training.naive import NaiveEmbedLLM, pairs_of

MODELS, WIDTH, DIM, BATCH = 7, 12, 5, 9
DIMS = (DIM, 3)  # the second member is narrower, so its columns are padded
FORMS = pytest.mark.parametrize("write_gradient", [collapsed_gradient, factor_gradient])
WITHOUT_NOISE = [collapsed_gradient, factor_gradient, few_questions_gradient]
ALL = pytest.mark.parametrize(
    ("write_gradient", "noise"),
    [*((form, False) for form in WITHOUT_NOISE), (collapsed_gradient, True), (factor_gradient, True)],
)


def members() -> tuple[Layout, torch.Tensor]:
    layout = Layout(MODELS, WIDTH, DIM)
    flat = torch.zeros(len(DIMS), layout.size)
    for member, dim in enumerate(DIMS):
        layout.initialise(flat[member], dim, torch.Generator().manual_seed(member))
    return layout, flat


def some_batch(*, noise: bool = False, level: tuple[float, float] = (0.3, 0.7)) -> Batch:
    generator = torch.Generator().manual_seed(7)
    shape = (len(DIMS), BATCH, MODELS)
    return Batch(
        questions=torch.randn(len(DIMS), BATCH, WIDTH, generator=generator),
        target=(torch.rand(shape, generator=generator) > 0.5).float(),
        scale=torch.full(shape, 1 / (BATCH * MODELS)),
        noise_level=torch.tensor(level),
        noise=torch.randn(shape, generator=generator) if noise else None,
    )


def gradient_of(write_gradient, layout: Layout, flat: torch.Tensor, batch: Batch) -> torch.Tensor:
    gradient = torch.full_like(flat, math.nan)  # everything that counts must be written
    write_gradient(Group(layout, flat, gradient, 0, 1), batch)
    return gradient


def assert_close(found: EmbedLLM, wanted: EmbedLLM, tolerance: float) -> None:
    for name, tensor in wanted.tensors().items():
        torch.testing.assert_close(found.tensors()[name], tensor, rtol=tolerance, atol=tolerance, msg=name)


def naive_gradient(naive: NaiveEmbedLLM, questions: torch.Tensor, target: torch.Tensor) -> EmbedLLM:
    model, rows, label = pairs_of(questions, target)
    naive.zero_grad()
    functional.cross_entropy(naive(model, rows), label).backward()
    return EmbedLLM(
        naive.table.weight.grad.clone(),
        naive.text.weight.grad.T.clone(),
        naive.text.bias.grad.clone(),
        naive.head.weight.grad.clone(),
        naive.head.bias.grad.clone(),
    )


@pytest.mark.parametrize("write_gradient", WITHOUT_NOISE)
def test_one_step_without_noise_equals_the_official_step(write_gradient):
    layout, flat = members()
    batch = some_batch()
    gradient = gradient_of(write_gradient, layout, flat, batch)
    for member, dim in enumerate(DIMS):
        naive = NaiveEmbedLLM.copy_of(layout.export(flat[member], dim), noise=0.0)
        expected = naive_gradient(naive, batch.questions[member], batch.target[member])
        assert_close(layout.export(gradient[member], dim), expected, 1e-6)


@ALL
def test_padding_of_a_narrower_member_gets_zero_gradient(write_gradient, noise):
    layout, flat = members()
    views = layout.views(gradient_of(write_gradient, layout, flat, some_batch(noise=noise)))
    for name in ("model_embeddings", "projection", "bias", "head_weight"):
        assert torch.count_nonzero(views[name][1][..., DIMS[1] :]) == 0, name


@FORMS
def test_noise_gradient_is_the_derivative_of_the_noisy_loss(write_gradient):
    layout, flat = members()
    batch = some_batch(noise=True)
    values = {name: view.clone().requires_grad_() for name, view in layout.views(flat).items()}
    scaled = values["model_embeddings"] * (values["head_weight"][:, 1] - values["head_weight"][:, 0])[:, None]
    weights = scaled @ values["projection"].mT
    offset = (scaled @ values["bias"][:, :, None]).mT + (values["head_bias"][:, 1] - values["head_bias"][:, 0])[
        :, None, None
    ]
    jitter = batch.noise_level[:, None, None] * weights.norm(dim=2)[:, None, :] * batch.noise
    logits = batch.questions @ weights.mT + offset + jitter
    (functional.binary_cross_entropy_with_logits(logits, batch.target, reduction="none") * batch.scale).sum().backward()
    found = layout.views(gradient_of(write_gradient, layout, flat, batch))
    for name, value in values.items():
        torch.testing.assert_close(found[name], value.grad, rtol=1e-5, atol=1e-6, msg=name)


def test_both_forms_agree_with_noise():
    layout, flat = members()
    batch = some_batch(noise=True)
    forms = [gradient_of(form, layout, flat, batch) for form in (collapsed_gradient, factor_gradient)]
    views = [layout.views(form) for form in forms]
    for name in views[0]:
        torch.testing.assert_close(views[0][name], views[1][name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("form", "questions", "pair_noise", "function"),
    [
        ("collapsed", 3, False, collapsed_gradient),
        ("factor", 8, False, factor_gradient),
        ("factor", 3, True, factor_gradient),
        ("factor", 3, False, few_questions_gradient),
    ],
)
def test_the_head_is_folded_into_the_smaller_side(form, questions, pair_noise, function):
    assert gradient_for(form, 8, questions, pair_noise=pair_noise) is function


def test_scalar_noise_has_the_distribution_of_the_official_noise():
    """z of the official code, ε drawn per pair on the encoding, is normal around z with variance α² |v_m|²."""
    layout, flat = members()
    model, alpha, draws = layout.export(flat[0], DIM), 0.3, 20_000
    naive = NaiveEmbedLLM.copy_of(model, noise=alpha)
    question = torch.randn(1, WIDTH, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    with torch.no_grad():
        logits = naive(torch.arange(MODELS).repeat(draws), question.expand(draws * MODELS, -1))
    z = (logits[:, 1] - logits[:, 0]).view(draws, MODELS)
    weights, offset = model.collapsed
    centre, spread = weights @ question[0] + offset, alpha * weights.norm(dim=1)
    assert torch.all((z.mean(0) - centre).abs() < 4 * spread / math.sqrt(draws))
    assert torch.all((z.std(0) / spread - 1).abs() < 4 / math.sqrt(2 * draws))
    correlation = torch.corrcoef(z.T) - torch.eye(MODELS)  # independent over pairs: no common noise between models
    assert correlation.abs().max() < 5 / math.sqrt(draws)


@FORMS
def test_expected_gradient_equals_the_official_one_and_varies_less(write_gradient):
    """Averaged over noise, the gradients agree; ours varies less, as the part of ε orthogonal to v is averaged out."""
    draws, alpha = 800, 0.5
    layout, flat = members()
    batch = some_batch(level=(alpha, alpha))
    naive = NaiveEmbedLLM.copy_of(layout.export(flat[0], DIM), noise=alpha)
    torch.manual_seed(0)
    official, ours = [], []
    for _ in range(draws):
        official.append(naive_gradient(naive, batch.questions[0], batch.target[0]).projection)
        noisy = batch._replace(noise=torch.randn(len(DIMS), BATCH, MODELS))
        ours.append(layout.export(gradient_of(write_gradient, layout, flat, noisy)[0], DIM).projection)
    a, b = torch.stack(official), torch.stack(ours)
    standard_error = ((a.var(0) + b.var(0)) / draws).sqrt()
    assert ((a.mean(0) - b.mean(0)) / standard_error).abs().max() < 4.5
    assert b.var(0).sum() < a.var(0).sum()


@pytest.mark.parametrize("groups", [2, 3])
@ALL
def test_group_gradients_add_up_to_the_gradient_of_all_models(write_gradient, noise, groups):
    layout, flat = members()
    batch = some_batch(noise=noise)
    whole = layout.views(gradient_of(write_gradient, layout, flat, batch))
    total = torch.zeros_like(flat)
    for number in range(groups):
        part = torch.full_like(flat, math.nan)
        cells = {name: getattr(batch, name) for name in ("target", "scale", "noise")}
        own = {name: None if cell is None else cell[:, :, number::groups] for name, cell in cells.items()}
        write_gradient(Group(layout, flat, part, number, groups), batch._replace(**own))
        total += part
    for name, view in layout.views(total).items():
        torch.testing.assert_close(view, whole[name], rtol=1e-5, atol=1e-6, msg=name)


@ALL
def test_members_that_share_a_stream_have_the_gradients_of_members_with_a_copy_of_it(write_gradient, noise):
    layout, two = members()
    flat = torch.cat([two, two.flip(0) + 0.1])
    level = torch.tensor([0.3, 0.7, 0.0, 0.5])
    shared = some_batch(noise=noise)._replace(noise_level=level)
    copies = [
        None if tensor is None else tensor.repeat_interleave(2, dim=0)
        for tensor in (shared.questions, shared.target, shared.scale, shared.noise)
    ]
    copied = Batch(copies[0], copies[1], copies[2], level, copies[3])  # type: ignore[arg-type]
    found, wanted = (gradient_of(write_gradient, layout, flat, batch) for batch in (shared, copied))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6, equal_nan=True)
