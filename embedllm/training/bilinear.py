"""The bilinear decoder of EmbedLLM for K fused members: parameters, exact noise, loss gradient in two algebraic forms.

Shapes: K members, M models, batches of B questions x G models, D encoding width, d embedding dimension (padded to the
widest member; the padding is zero, has zero gradient, and so stays zero). With u = p * w (see `embedllm.model`):

    collapsed form   V = U W'  (G, D),   Z = X V' + offset          6 G D d + 4 B G D   FLOPs a step
    factor form      H = X W + b (B, d), Z = H U' + c               4 B D d + 6 B G d   (+ noise: 4 D d² + 4 G d²)

Noise. The official code adds ε ~ N(0, α² I_D) to the encoding, drawn anew for every (model, question) pair, which adds
v_m · ε to the log-odds. That is N(0, α² |v_m|²), independent over pairs, so one scalar η ~ N(0, 1) per pair,
z + α |v_m| η, has exactly the same distribution without a (pairs, D) tensor. Its gradient is the official one with
the components of ε orthogonal to v_m averaged out: same expectation, lower variance. In the factor form
|v_m|² = u' (W'W) u.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from embedllm.flops import FORMS, forecast_flops
from embedllm.model import EmbedLLM

ALIGN = 16  # floats; segments start on cache lines
TINY = 1e-12  # keeps |v| off zero in the noise gradient


@dataclass(frozen=True)
class Layout:
    """Where each parameter lies in a member's flat vector, so that the optimiser sees one vector per member."""

    models: int
    width: int
    dim: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            "model_embeddings": (self.models, self.dim),
            "projection": (self.width, self.dim),
            "bias": (self.dim,),
            "head_weight": (2, self.dim),
            "head_bias": (2,),
        }

    @property
    def size(self) -> int:
        """Floats per member, padding included."""
        return sum(_aligned(shape) for shape in self.shapes.values())

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Named views of a (K, size) tensor, each of shape (K, *shape)."""
        found, start = {}, 0
        for name, shape in self.shapes.items():
            found[name] = flat[:, start : start + _numel(shape)].unflatten(1, shape)
            start += _aligned(shape)
        return found

    def initialise(self, flat: Tensor, dim: int, generator: torch.Generator) -> None:
        """Fill one member's flat vector (size,) as the official code does: N(0, 1) embeddings, PyTorch's linear layers.

        Drawn on the CPU at the member's own `dim`, so the start depends neither on the device nor on companions.
        """
        drawn = {
            "model_embeddings": torch.randn(self.models, dim, generator=generator),
            "projection": _uniform((self.width, dim), self.width, generator),
            "bias": _uniform((dim,), self.width, generator),
            "head_weight": _uniform((2, dim), dim, generator),
            "head_bias": _uniform((2,), dim, generator),
        }
        flat.zero_()
        for name, view in self.views(flat[None]).items():
            view[0][..., : drawn[name].shape[-1]] = drawn[name].to(flat.device)

    def collapse(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """:meth:`EmbedLLM.collapse` of (K, size) members: V of shape (K, M, D) and offsets of shape (K, M)."""
        views = self.views(flat)
        head, head_bias = views["head_weight"], views["head_bias"]
        scaled = views["model_embeddings"] * (head[:, 1:] - head[:, :1])
        offset = torch.bmm(scaled, views["bias"][:, :, None])[:, :, 0] + (head_bias[:, 1:] - head_bias[:, :1])
        return torch.bmm(scaled, views["projection"].mT), offset

    def logits(self, flat: Tensor, sides: Sequence[Tensor]) -> list[Tensor]:
        """Noise-free log-odds (K, Q, M) of (K, size) members on each of several sets of questions (Q, D).

        In whichever form takes fewer FLOPs over all of them.
        """
        shape = self.models, self.width, self.dim, sum(len(questions) for questions in sides)
        if min(FORMS, key=lambda form: forecast_flops(form, *shape)) == "collapsed":
            weights, offset = self.collapse(flat)
            stacked = offset.flatten(), weights.flatten(0, 1).T  # all members' models side by side
            return [
                torch.addmm(stacked[0], questions, stacked[1]).unflatten(1, offset.shape).transpose(0, 1)
                for questions in sides
            ]
        views = self.views(flat)
        head, head_bias = views["head_weight"], views["head_bias"]
        scaled = views["model_embeddings"] * (head[:, 1:] - head[:, :1])
        constant = (head_bias[:, 1:] - head_bias[:, :1])[:, :, None]
        found = []
        for questions in sides:
            read = questions.expand(len(flat), *questions.shape)
            projected = torch.baddbmm(views["bias"][:, None], read, views["projection"])
            found.append(torch.baddbmm(constant, projected, scaled.mT))
        return found

    def export(self, flat: Tensor, dim: int) -> EmbedLLM:
        """The member's model without padding, copied to the CPU; plain tensors, which autograd may use."""
        views = {name: view[0] for name, view in self.views(flat[None]).items()}
        cut = {name: view if name == "head_bias" else view[..., :dim] for name, view in views.items()}
        with torch.inference_mode(False):
            return EmbedLLM(**{name: view.detach().clone().contiguous().cpu() for name, view in cut.items()})


def _numel(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())


def _aligned(shape: tuple[int, ...]) -> int:
    return -(-_numel(shape) // ALIGN) * ALIGN


def _uniform(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> Tensor:
    bound = fan_in**-0.5
    return torch.rand(shape, generator=generator) * (2 * bound) - bound


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

    def fold_head(self) -> tuple[Tensor, Tensor, Tensor]:
        """U = P * w (K, G, d), w (K, 1, d) and c (K, 1, 1): the two-class head folded into the embeddings."""
        difference = self.head_right - self.head_wrong
        return self.embeddings * difference, difference, self.offset_right - self.offset_wrong

    def write_head_gradient(self, into_scaled: Tensor, difference: Tensor, into_offset: Tensor) -> None:
        """Gradients of the embeddings and of the head, whose two rows get opposite signs as in softmax."""
        if self.to_others is not None:
            self.to_others.zero_()
        torch.mul(into_scaled, difference, out=self.to_embeddings)
        torch.sum(into_scaled.mul_(self.embeddings), 1, keepdim=True, out=self.to_head_right)
        torch.neg(self.to_head_right, out=self.to_head_wrong)
        torch.sum(into_offset, (1, 2), keepdim=True, out=self.to_offset_right)
        torch.neg(self.to_offset_right, out=self.to_offset_wrong)


def collapsed_gradient(group: Group, batch: Batch) -> None:
    """Write the gradient of the batch's weighted mean cross-entropy into the group's gradient, collapsed form."""
    streams, batch_size = batch.questions.shape[:2]
    scaled, difference, offset = group.fold_head()
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
    group.write_head_gradient(into_scaled, difference, into_offset)


def factor_gradient(group: Group, batch: Batch) -> None:
    """The same as :func:`collapsed_gradient` in factor form, cheaper where a batch has few questions.

    Every member projects its questions itself. Members of a stream read the same ones, without a copy for each.
    """
    streams, batch_size = batch.questions.shape[:2]
    scaled, difference, offset = group.fold_head()
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
    group.write_head_gradient(into_scaled, difference, pulled)


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
