"""Routing at serving speed: from ready question encodings to the index of the LLM to ask."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from embedllm.errors import DataError

CHUNK_QUESTIONS = 2048
"""Questions per matrix product: the scores of a chunk (1 MB at 112 models) are still cached when argmax reads them."""


class Router:
    """Chooses among LLMs by the log-odds `weights @ encoding + offset` that they answer a question right.

    Any model whose log-odds are linear in the encoding routes this way: EmbedLLM in its collapsed form V = U Wᵀ, and
    logistic regression per model. Thread-safe: buffers belong to a call.

    Args:
        weights: float of shape (models, width).
        offset: float of shape (models,).
        model_names: name per model, in the order of the rows.

    Raises:
        DataError: if the shapes do not fit together.
    """

    def __init__(
        self, weights: np.ndarray | torch.Tensor, offset: np.ndarray | torch.Tensor, model_names: Sequence[str]
    ) -> None:
        self.weights = torch.as_tensor(weights).detach().float().cpu().contiguous()
        self.offset = torch.as_tensor(offset).detach().float().cpu().contiguous()
        self.model_names = list(model_names)
        models = len(self.model_names)
        if self.weights.ndim != 2 or self.weights.shape[0] != models or self.offset.shape != (models,):
            raise DataError(
                "the router",
                [
                    f"`weights` has shape {tuple(self.weights.shape)} and `offset` {tuple(self.offset.shape)}; with "
                    f"{models} model names they must be ({models}, width) and ({models},)"
                ],
            )

    @property
    def width(self) -> int:
        """Width of the encodings this router reads."""
        return self.weights.shape[1]

    def route(self, encodings: np.ndarray) -> np.ndarray:
        """The best model of each question; the first of equals.

        Args:
            encodings: float of shape (questions, width).

        Returns:
            int64 of shape (questions,): indices into `model_names`.

        Raises:
            DataError: if `encodings` has another width.
        """
        chosen = np.empty(len(encodings), dtype=np.int64)
        for start, scores in self._chunks(encodings):
            # numpy's argmax along short contiguous rows is several times faster than torch's on CPU
            np.argmax(scores, axis=1, out=chosen[start : start + len(scores)])
        return chosen

    def rank(self, encodings: np.ndarray) -> np.ndarray:
        """All models of each question, the best first; equals in model order.

        Args:
            encodings: float of shape (questions, width).

        Returns:
            int64 of shape (questions, models): indices into `model_names`.

        Raises:
            DataError: if `encodings` has another width.
        """
        ranked = np.empty((len(encodings), len(self.model_names)), dtype=np.int64)
        for start, scores in self._chunks(encodings):
            ranked[start : start + len(scores)] = np.argsort(-scores, axis=1, kind="stable")
        return ranked

    def log_odds(self, encodings: np.ndarray) -> np.ndarray:
        """Log-odds of a right answer: float32 of shape (questions, models).

        Args:
            encodings: float of shape (questions, width).

        Raises:
            DataError: if `encodings` has another width.
        """
        result = np.empty((len(encodings), len(self.model_names)), dtype=np.float32)
        for start, scores in self._chunks(encodings):
            result[start : start + len(scores)] = scores
        return result

    def _chunks(self, encodings: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """First question and scores (questions of the chunk, models) of each chunk. The scores are overwritten next."""
        if encodings.ndim != 2 or encodings.shape[1] != self.width:
            raise DataError(
                "the questions to route",
                [f"encodings have shape {encodings.shape}; this router reads (questions, {self.width})"],
            )
        buffer = torch.empty((min(CHUNK_QUESTIONS, len(encodings)), len(self.model_names)))
        transposed = self.weights.T
        for start in range(0, len(encodings), CHUNK_QUESTIONS):
            # writable: torch warns about sharing read-only arrays
            chunk = np.require(encodings[start : start + CHUNK_QUESTIONS], np.float32, ["C", "W"])
            scores = buffer[: len(chunk)]
            torch.addmm(self.offset, torch.from_numpy(chunk), transposed, out=scores)
            yield start, scores.numpy()
