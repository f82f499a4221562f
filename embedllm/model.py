"""The EmbedLLM model: one embedding per LLM, a linear projection of the question encoding, a linear head.

Notation (arXiv 2410.02223, section 4.3): p_m is the embedding of LLM m, q a question encoding, h = W'q + b its
projection.
The official head maps p_m * h to two classes; the difference of its rows, w, and of its biases, c, is all that matters:

    log-odds of "m answers q correctly":  z[m, q] = (p_m * w) · (W'q + b) + c
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class EmbedLLM:
    """Parameters of a trained model, float32 on the CPU; M models, encodings of width D, embedding dimension d.

    Args:
        model_embeddings: (M, d), the vectors the method is named after.
        projection: (D, d), W.
        bias: (d,), b.
        head_weight: (2, d), rows for the classes wrong and right.
        head_bias: (2,).
    """

    model_embeddings: Tensor
    projection: Tensor
    bias: Tensor
    head_weight: Tensor
    head_bias: Tensor

    @property
    def num_models(self) -> int:
        return self.model_embeddings.shape[0]

    @property
    def embedding_dim(self) -> int:
        return self.model_embeddings.shape[1]

    @property
    def width(self) -> int:
        """Width D of the question encodings the model reads."""
        return self.projection.shape[0]

    @cached_property
    def collapsed(self) -> tuple[Tensor, Tensor]:
        """The same function as one linear map: weights V (M, D) and offset (M,), so that z = V q + offset.

        Computed once, at first use: for a few questions it costs more than the answer. Do not modify the parameters
        of a model that has predicted.
        """
        scaled = self.model_embeddings * (self.head_weight[1] - self.head_weight[0])
        weights = scaled @ self.projection.T
        offset = scaled @ self.bias + (self.head_bias[1] - self.head_bias[0])
        return weights, offset

    def logits(self, encodings: np.ndarray) -> np.ndarray:
        """Log-odds of a correct answer.

        Args:
            encodings: float32 of shape (questions, D).

        Returns:
            float32 of shape (models, questions).

        Raises:
            ValueError: if the encodings' width is not the model's.
        """
        return self._log_odds(encodings).numpy()

    def predict_proba(self, encodings: np.ndarray) -> np.ndarray:
        """P(correct), float32 of shape (models, questions), for encodings as in :meth:`logits`."""
        return self._log_odds(encodings).sigmoid_().numpy()

    def _log_odds(self, encodings: np.ndarray) -> Tensor:
        if encodings.ndim != 2 or encodings.shape[1] != self.width:
            raise ValueError(
                f"encodings have shape {encodings.shape}; this model reads (questions, {self.width}): "
                "encode the questions with the encoder the model was trained on"
            )
        weights, offset = self.collapsed
        # Writable, because PyTorch warns about sharing arrays that are not, as those of Ray's object store.
        questions = torch.from_numpy(np.require(encodings, np.float32, ["C", "W"]))
        # Question by question in memory: the best model of each is found four times as fast as across rows of models.
        return torch.addmm(offset, questions, weights.T).T

    def tensors(self) -> dict[str, Tensor]:
        """The parameters by name, as stored in an artifact."""
        return {name: getattr(self, name).contiguous() for name in self.__dataclass_fields__}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "EmbedLLM":
        """Inverse of :meth:`tensors`."""
        return cls(**{name: tensors[name] for name in cls.__dataclass_fields__})
