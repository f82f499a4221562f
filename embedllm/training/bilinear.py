"""The bilinear decoder of EmbedLLM for K fused members: exact noise, and the loss gradient in two algebraic forms.

Shapes: K members, M models, batches of B questions x G models, D encoding width, d embedding dimension (padded to the
widest member; the padding is zero, has zero gradient, and so stays zero). With u = p * w (see `embedllm.model`):

    collapsed form   V = U W'  (G, D),   Z = X V' + offset          6 G D d + 4 B G D   FLOPs a step
    factor form      H = X W + b (B, d), Z = H U' + c               4 B D d + 6 B G d   (+ noise: 4 D d² + 4 G d²)

The head's weights w may as well be folded into H: Z = (H * w) P' + c, which spares passes over the embeddings where a
batch has fewer questions than models.

Noise. The official code adds ε ~ N(0, α² I_D) to the encoding, drawn anew for every (model, question) pair, which adds
v_m · ε to the log-odds. That is N(0, α² |v_m|²), independent over pairs, so one scalar η ~ N(0, 1) per pair,
z + α |v_m| η, has exactly the same distribution without a (pairs, D) tensor. Its gradient is the official one with
the components of ε orthogonal to v_m averaged out: same expectation, lower variance. In the factor form
|v_m|² = u' (W'W) u.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from embedllm.training.layout import Layout

TINY = 1e-12  # keeps |v| off zero in the noise gradient


class Batch(NamedTuple):
    """One batch: a block of B questions x a group of G models, for every member.

    Members with the same stream of batches (same seed, same training questions) share its tensors: S streams serve
    K = S T members, T to a stream, in stream order.

    Args:
        questions: (S, B, D) encodings.
        target: (S, B, G) share of right answers.
        scale: broadcastable to (S, B, G), weight of each cell over the batch's total weight.
        noise_level: (K,) α of each member.
        noise: (S, B, G) standard normals, one per pair, or None.
    """

    questions: Tensor
    target: Tensor
    scale: Tensor
    noise_level: Tensor
    noise: Tensor | None = None


class Group:
    """Parameters of one group of models and where their gradients go: views of shape (K, …), made once.

    Group `number` of `groups` holds every `groups`-th model, so that neighbours in the list are dealt apart.
    """

    def __init__(self, layout: Layout, parameters: Tensor, gradient: Tensor, number: int, groups: int) -> None:
        values, slopes = layout.views(parameters), layout.views(gradient)
        self.embeddings = values["model_embeddings"][:, number::groups]
        self.projection, self.projection_t = values["projection"], values["projection"].mT
        self.bias, self.bias_column = values["bias"][:, None, :], values["bias"][:, :, None]
        self.head_wrong, self.head_right = (values["head_weight"][:, row : row + 1] for row in (0, 1))
        self.offset_wrong, self.offset_right = (values["head_bias"][:, row, None, None] for row in (0, 1))

        self.to_embeddings = slopes["model_embeddings"][:, number::groups]
        self.to_others = slopes["model_embeddings"] if groups > 1 else None
        self.to_projection, self.to_bias = slopes["projection"], slopes["bias"][:, None, :]
        self.to_head_wrong, self.to_head_right = (slopes["head_weight"][:, row : row + 1] for row in (0, 1))
        self.to_offset_wrong, self.to_offset_right = (slopes["head_bias"][:, row, None, None] for row in (0, 1))

    def head(self) -> tuple[Tensor, Tensor]:
        """w (K, 1, d) and c (K, 1, 1): right minus wrong, of the two-class head's weights and of its offsets."""
        return self.head_right - self.head_wrong, self.offset_right - self.offset_wrong

    def write_scaled_gradient(self, into_scaled: Tensor, difference: Tensor, into_offset: Tensor) -> None:
        """Gradients of the embeddings and of the head, where w was folded into the embeddings."""
        self.spare_other_models()
        torch.mul(into_scaled, difference, out=self.to_embeddings)
        self.write_head_gradient(into_scaled.mul_(self.embeddings), into_offset)

    def spare_other_models(self) -> None:
        """No gradient for the models of other groups."""
        if self.to_others is not None:
            self.to_others.zero_()

    def write_head_gradient(self, into_difference: Tensor, into_offset: Tensor) -> None:
        """Gradient of the head, whose two rows get opposite signs as in softmax; both are summed over all but K (d)."""
        torch.sum(into_difference, 1, keepdim=True, out=self.to_head_right)
        torch.neg(self.to_head_right, out=self.to_head_wrong)
        torch.sum(into_offset, (1, 2), keepdim=True, out=self.to_offset_right)
        torch.neg(self.to_offset_right, out=self.to_offset_wrong)


WriteGradient = Callable[[Group, Batch], None]


def gradient_for(form: str, models: int, questions: int, *, pair_noise: bool) -> WriteGradient:
    """What writes the gradient of batches of B questions x G models in a form of :data:`embedllm.flops.FORMS`."""
    if form == "collapsed":
        return collapsed_gradient
    return factor_gradient if pair_noise or questions >= models else few_questions_gradient


def collapsed_gradient(group: Group, batch: Batch) -> None:
    """Write the gradient of the batch's weighted mean cross-entropy into the group's gradient, collapsed form."""
    streams, batch_size = batch.questions.shape[:2]
    difference, offset = group.head()
    scaled = group.embeddings * difference
    members, models = scaled.shape[:2]
    stacked = (streams, members // streams * models, -1)  # the members of a stream as one tall matrix
    weights = torch.bmm(scaled, group.projection_t)
    offsets = torch.baddbmm(offset, scaled, group.bias_column)
    logits = torch.baddbmm(offsets.view(stacked).mT, batch.questions, weights.view(stacked).mT)
    norms = None if batch.noise is None else torch.linalg.vector_norm(weights, dim=2).clamp_min_(TINY)
    by_stream = _output_gradient(logits.view(streams, batch_size, -1, models), batch, norms)
    pulled = by_stream.view_as(logits)

    into_offset = pulled.sum(1).view(members, models, 1)
    if norms is None or batch.noise is None:
        into_weights = torch.bmm(pulled.mT, batch.questions).view_as(weights)
    else:
        through_norms = weights.mul_(_noise_pull(by_stream, batch.noise, batch.noise_level, norms))
        into_weights = through_norms.view(stacked).baddbmm_(pulled.mT, batch.questions).view_as(weights)
    into_scaled = torch.baddbmm(into_offset * group.bias, into_weights, group.projection)
    torch.bmm(into_weights.mT, scaled, out=group.to_projection)
    # Sums, because PyTorch multiplies member by member where the result lies among other parameters.
    torch.sum(scaled.mul_(into_offset), 1, keepdim=True, out=group.to_bias)
    group.write_scaled_gradient(into_scaled, difference, into_offset)


def factor_gradient(group: Group, batch: Batch) -> None:
    """The same as :func:`collapsed_gradient` in factor form, cheaper where a batch has few questions.

    Every member projects its questions itself. Members of a stream read the same ones, without a copy for each.
    """
    streams, batch_size = batch.questions.shape[:2]
    difference, offset = group.head()
    scaled = group.embeddings * difference
    models = scaled.shape[1]
    projected = _project(group, batch.questions)
    pulled = torch.baddbmm(offset, projected, scaled.mT)
    norms = spread = None
    if batch.noise is not None:
        spread = torch.bmm(scaled, torch.bmm(group.projection_t, group.projection))
        norms = (spread * scaled).sum(2).clamp_min_(TINY**2).sqrt_()
    by_stream = pulled.view(streams, -1, batch_size, models).transpose(1, 2)
    _output_gradient(by_stream, batch, norms)  # in place

    into_projected = torch.bmm(pulled, scaled)
    if norms is None or spread is None or batch.noise is None:
        into_scaled = torch.bmm(pulled.mT, projected)
        _pull_projection(group, batch.questions, into_projected)
    else:
        noise_pull = _noise_pull(by_stream, batch.noise, batch.noise_level, norms)
        into_scaled = torch.baddbmm(spread.mul_(noise_pull), pulled.mT, projected)
        second_moment = torch.bmm(scaled.mT, scaled * noise_pull)
        _pull_projection(group, batch.questions, into_projected, torch.bmm(group.projection, second_moment))
    torch.sum(into_projected, 1, keepdim=True, out=group.to_bias)
    group.write_scaled_gradient(into_scaled, difference, pulled)


def few_questions_gradient(group: Group, batch: Batch) -> None:
    """The same as :func:`factor_gradient` without noise per pair, w folded into H instead of the embeddings."""
    streams, batch_size = batch.questions.shape[:2]
    difference, offset = group.head()
    models = group.embeddings.shape[1]
    projected = _project(group, batch.questions)
    scaled = projected * difference
    pulled = torch.baddbmm(offset, scaled, group.embeddings.mT)
    _output_gradient(pulled.view(streams, -1, batch_size, models).transpose(1, 2), batch, None)  # in place

    group.spare_other_models()
    torch.bmm(pulled.mT, scaled, out=group.to_embeddings)
    into_scaled = torch.bmm(pulled, group.embeddings)
    group.write_head_gradient(projected.mul_(into_scaled), pulled)
    into_projected = into_scaled.mul_(difference)
    _pull_projection(group, batch.questions, into_projected)
    torch.sum(into_projected, 1, keepdim=True, out=group.to_bias)


def _project(group: Group, questions: Tensor) -> Tensor:
    """X W + b of every member, (K, B, d); `questions` has shape (S, B, D)."""
    if len(questions) == len(group.projection):
        return torch.baddbmm(group.bias, questions, group.projection)
    members, _, dim = group.projection.shape
    projected = questions.new_empty(members, questions.shape[1], dim)
    for own, read in _questions_of(questions, members):
        torch.baddbmm(group.bias[own], read, group.projection[own], out=projected[own])
    return projected


def _pull_projection(group: Group, questions: Tensor, pulled: Tensor, others: Tensor | None = None) -> None:
    """Write the gradient of W, X' `pulled` (K, B, d), and of what else W does, `others` (K, D, d), into the group's."""
    members = len(pulled)
    everyone = slice(0, members)
    of = [(everyone, questions)] if len(questions) == members else _questions_of(questions, members)
    for own, read in of:
        if others is None:
            torch.bmm(read.mT, pulled[own], out=group.to_projection[own])
        else:
            torch.baddbmm(others[own], read.mT, pulled[own], out=group.to_projection[own])


def _questions_of(questions: Tensor, members: int) -> list[tuple[slice, Tensor]]:
    """The members of each stream, and the questions they read, a matrix each, without a copy."""
    shared = members // len(questions)
    return [
        (slice(number * shared, (number + 1) * shared), own.expand(shared, *own.shape))
        for number, own in enumerate(questions)
    ]


def _output_gradient(logits: Tensor, batch: Batch, norms: Tensor | None) -> Tensor:
    """(sigmoid(z + α |v| η) - target) * scale, shape (S, B, T, G); `logits` is overwritten. `norms`: |v|, (K, G)."""
    if batch.noise is not None and norms is not None:
        spread = (batch.noise_level[:, None] * norms).view(logits.shape[0], 1, *logits.shape[2:])
        logits.addcmul_(spread, batch.noise.unsqueeze(2))
    return logits.sigmoid_().sub_(batch.target.unsqueeze(2)).mul_(batch.scale.unsqueeze(2))


def _noise_pull(pulled: Tensor, noise: Tensor, noise_level: Tensor, norms: Tensor) -> Tensor:
    """d loss / d |v| over |v|, (K, G, 1): what the noise adds to the gradient of v per unit of v.

    `pulled` has shape (S, B, T, G).
    """
    summed = (pulled * noise.unsqueeze(2)).sum(1).view(norms.shape)
    return (summed * noise_level[:, None] / norms)[:, :, None]
