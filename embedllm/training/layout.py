"""Where the parameters of fused members lie, how they begin, and what they say of questions without noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from embedllm.flops import FORMS, forecast_flops
from embedllm.model import EmbedLLM

ALIGN = 16  # floats; segments start on cache lines


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
