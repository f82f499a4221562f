"""The official EmbedLLM training step, written out pair by pair: what the fused core must agree with.

Follows the public code of arXiv 2410.02223: an embedding table, a linear text projection, noise drawn for every
(model, question) pair on the question encoding, a two-class linear head, cross-entropy, Adam.
"""

import torch
from torch import Tensor, nn

from embedllm.model import EmbedLLM


class NaiveEmbedLLM(nn.Module):
    """Per-pair forward pass on (model index, question encoding) rows."""

    def __init__(self, models: int, width: int, dim: int, noise: float) -> None:
        super().__init__()
        self.noise = noise
        self.table = nn.Embedding(models, dim)
        self.text = nn.Linear(width, dim)
        self.head = nn.Linear(dim, 2)

    @classmethod
    def copy_of(cls, model: EmbedLLM, noise: float) -> "NaiveEmbedLLM":
        naive = cls(model.num_models, model.width, model.embedding_dim, noise)
        with torch.no_grad():
            naive.table.weight.copy_(model.model_embeddings)
            naive.text.weight.copy_(model.projection.T)
            naive.text.bias.copy_(model.bias)
            naive.head.weight.copy_(model.head_weight)
            naive.head.bias.copy_(model.head_bias)
        return naive

    def forward(self, model: Tensor, question: Tensor) -> Tensor:
        """(pairs,) int64 and (pairs, D) -> (pairs, 2) logits."""
        if self.training:
            question = question + self.noise * torch.randn_like(question)
        return self.head(self.table(model) * self.text(question))

    def as_model(self) -> EmbedLLM:
        return EmbedLLM(
            *(
                tensor.detach().clone()
                for tensor in (
                    self.table.weight,
                    self.text.weight.T,
                    self.text.bias,
                    self.head.weight,
                    self.head.bias,
                )
            )
        )


def pairs_of(questions: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Unroll a batch (B, D), (B, M) into its B*M rows: model index, encoding, label."""
    batch, models = target.shape
    model = torch.arange(models).repeat(batch)
    return model, questions.repeat_interleave(models, 0), target.reshape(-1).long()
