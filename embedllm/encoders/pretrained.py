"""Any sentence-transformers model as a question encoder, on a GPU if there is one."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedllm.encoders.progress import progress_bar
from embedllm.encoders.sources import ModelSource, hub_commit
from embedllm.errors import EmbedLLMError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_BATCH_TEXTS = {"cpu": 32, "cuda": 256}
_BATCH_CHARACTERS = {"cpu": 32_768, "cuda": 524_288}
"""Bounds of a batch, in texts and in padded characters (about 4 per token): long texts come in smaller batches."""


@dataclass(frozen=True)
class Cut:
    """Texts longer than what a model reads.

    Args:
        texts: how many.
        tokens: what it reads of each, its marks of start and end included; None where that cannot be told.
    """

    texts: int = 0
    tokens: int | None = None


class PretrainedEncoder:
    """A sentence-transformers model of one fixed revision. Its files are loaded when first needed.

    Args:
        source: which model, which version.
        width: entries per encoding, where known already; else the model is asked.
        device: `cpu`, `cuda`, `cuda:1`…; None takes a GPU if there is one.
    """

    def __init__(self, source: ModelSource, *, width: int | None = None, device: str | None = None) -> None:
        self.source = source
        self.device = device
        self._width = width
        self._model: SentenceTransformer | None = None

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def revision(self) -> str:
        return self.source.revision

    @property
    def width(self) -> int:
        if self._width is None:
            self._width = self.encode([""]).shape[1]
        return self._width

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> np.ndarray:
        """Encodings of `texts`, as the model gives them: float32 of shape (texts, width).

        Each different text is encoded once, in batches of similar length. A warning tells how many are longer than what
        the model reads.

        Raises:
            EmbedLLMError: if the model cannot be loaded, or gives numbers that are not finite.
        """
        matrix, cut = self.encode_counting(texts, progress=progress)
        self.tell_cut(cut, len(set(texts)))
        return matrix

    def tell_cut(self, cut: Cut, total: int) -> None:
        """Warn where some of `total` different texts were cut."""
        if cut.texts:
            logger.warning(
                "%s reads the first %s tokens of a text: of %d different texts %s longer, and what follows is not seen",
                *(self.name, cut.tokens, total, "1 is" if cut.texts == 1 else f"{cut.texts:,} are"),
            )

    def encode_counting(self, texts: Sequence[str], *, progress: bool = False) -> tuple[np.ndarray, Cut]:
        """As :meth:`encode`, with the number of different texts that were cut instead of a warning."""
        if not texts:
            return np.empty((0, self.width), dtype=np.float32), Cut()
        distinct = sorted(set(texts), key=lambda text: (-len(text), text))
        model = self._loaded()
        rows: list[np.ndarray] = []
        with (
            _quiet_libraries(),
            progress_bar(f"Encoding with {self.name}", len(distinct), enabled=progress) as advance,
        ):
            for batch in _batches(distinct, model.device.type, _longest(model)):
                encoded = model.encode(batch, batch_size=len(batch), show_progress_bar=False, convert_to_numpy=True)
                rows.append(np.asarray(encoded, dtype=np.float32))
                advance(len(batch))
            cut = _cut(model, distinct)
        matrix = np.concatenate(rows)
        if not np.isfinite(matrix).all():
            broken = distinct[int(np.argmin(np.isfinite(matrix).all(axis=1)))]
            raise EmbedLLMError(
                f"question encoder {self.name!r} gives numbers that are not finite, first for the text {broken[:60]!r}"
                "; choose another encoder"
            )
        self._width = matrix.shape[1]
        position = {text: row for row, text in enumerate(distinct)}
        return matrix[[position[text] for text in texts]], cut

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        values = {
            "kind": "sentence-transformers",
            "name": self.name,
            "revision": self.revision,
            "source": self.source.kind,
            "width": self.width,
        }
        return values, {}

    def _loaded(self) -> "SentenceTransformer":
        if self._model is None:
            self._model = _load(self.source, self.device)
        return self._model


def _batches(texts: Sequence[str], device: str, longest: int) -> Iterator[Sequence[str]]:
    """Consecutive groups of `texts`, longest first, each within the bounds of a batch."""
    kind = "cpu" if device == "cpu" else "cuda"
    start = 0
    while start < len(texts):
        characters = min(max(len(texts[start]), 1), longest)
        size = max(1, min(_BATCH_TEXTS[kind], _BATCH_CHARACTERS[kind] // characters))
        yield texts[start : start + size]
        start += size


def _cut(model: "SentenceTransformer", texts: Sequence[str]) -> Cut:
    """What the model does not read of `texts`; nothing for models whose tokens cannot be told."""
    from transformers import PreTrainedTokenizerBase

    limit, tokenizer = model.max_seq_length, model.tokenizer
    if not isinstance(limit, int) or not isinstance(tokenizer, PreTrainedTokenizerBase):
        return Cut()
    # A token is at least a byte, so that most texts need not be divided into tokens again.
    candidates = [text for text in texts if len(text.encode()) > limit]
    tokens = tokenizer(candidates, verbose=False)["input_ids"] if candidates else []
    return Cut(sum(len(ids) > limit for ids in tokens), limit)


def _longest(model: "SentenceTransformer") -> int:
    """Characters of a text that the model reads, roughly; the rest is cut off."""
    tokens = model.max_seq_length
    return 4 * tokens if isinstance(tokens, int) and tokens > 0 else 1 << 20


def _load(source: ModelSource, device: str | None) -> "SentenceTransformer":
    folder = source.local_folder()
    from sentence_transformers import SentenceTransformer

    device = device or _best_device()
    with _quiet_libraries():
        try:
            if folder is not None:
                return SentenceTransformer(str(folder), device=device, local_files_only=True)
            try:
                return SentenceTransformer(
                    source.repository, revision=source.revision, device=device, local_files_only=True
                )
            except (OSError, ValueError):  # not in the hub's local cache, or not all of it
                hub_commit(source)  # fails at once, with advice, where the library would go on trying for minutes
                return SentenceTransformer(source.repository, revision=source.revision, device=device)
        except EmbedLLMError:
            raise
        except Exception as error:  # a damaged or foreign model raises whatever the libraries' depths raise
            raise EmbedLLMError(
                f"question encoder {source.name!r} (revision {source.revision}) cannot be loaded on device {device!r} "
                f"({type(error).__name__}: {error})"
            ) from error


def _best_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Silence the libraries' loading bars, retry notes and advice; put everything back as it was afterwards."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging as transformers_logging

    hub_bars_off = are_progress_bars_disabled()
    bars_on = transformers_logging.is_progress_bar_enabled()
    loggers = [logging.getLogger(name) for name in ("transformers", "sentence_transformers", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    transformers_logging.disable_progress_bar()
    disable_progress_bars()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars_on:
            transformers_logging.enable_progress_bar()
        if not hub_bars_off:
            enable_progress_bars()
        else:
            disable_progress_bars()
