"""`lsa`: TF-IDF and a truncated singular value decomposition, fitted on the training questions. Needs no download.

Latent semantic analysis (Deerwester et al. 1990) over words, punctuation marks and their bigrams. Punctuation counts
because it tells formulas, code and multiple-choice layouts apart: on real data, keeping it lowers the held-out log-loss
of per-model logistic regressions more than bigrams do; character n-grams cost several times the time.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from embedllm.encoders.cache import text_digest
from embedllm.encoders.progress import progress_bar
from embedllm.errors import EmbedLLMError

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

DEFAULT_WIDTH = 384

_TOKENS = r"\w+|[^\w\s]"
_MIN_TEXTS = 3  # a term must occur in this many texts…
_SMALL_MIN_TEXTS = 1  # …unless the texts are so few that too few terms would be left for the width
_MAX_TERMS = 20_000  # the most frequent; more raise the size of artifacts, not the accuracy
_POWER_ITERATIONS = 4
_SEED = 0
_CHUNK = 2_048  # texts per step of the progress bar

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LsaEncoder:
    """A fitted `lsa` encoder. Encodings have length 1; a text without a known term becomes the zero vector.

    Args:
        revision: digest of the fit's texts and settings.
        vocabulary: the terms, one per column.
        idf: float32 of shape (terms,); inverse document frequency of each term.
        components: float32 of shape (width, terms); right singular vectors, strongest first.
    """

    revision: str
    vocabulary: tuple[str, ...]
    idf: np.ndarray
    components: np.ndarray

    @property
    def name(self) -> str:
        return f"lsa:{self.width}"

    @property
    def width(self) -> int:
        return int(self.components.shape[0])

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> np.ndarray:
        matrix = np.empty((len(texts), self.width), dtype=np.float32)
        with progress_bar(f"Encoding with {self.name}", len(texts), enabled=progress) as advance:
            for start in range(0, len(texts), _CHUNK):
                chunk = texts[start : start + _CHUNK]
                matrix[start : start + len(chunk)] = self._vectorizer.transform(chunk) @ self.components.T
                advance(len(chunk))
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        return np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        values = {"kind": "lsa", "revision": self.revision, "vocabulary": list(self.vocabulary)}
        return values, {"idf": self.idf, "components": self.components}

    @classmethod
    def restore(cls, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> "LsaEncoder":
        """The encoder whose :meth:`state` this is.

        Raises:
            EmbedLLMError: if the parts are missing or do not fit each other.
        """
        try:
            encoder = cls(values["revision"], tuple(values["vocabulary"]), arrays["idf"], arrays["components"])
        except KeyError as error:
            raise EmbedLLMError(f"the stored lsa encoder lacks {error}; fit it again") from error
        terms = len(encoder.vocabulary)
        if encoder.idf.shape != (terms,) or encoder.components.ndim != 2 or encoder.components.shape[1] != terms:
            raise EmbedLLMError(
                f"the stored lsa encoder has {terms} terms but idf of shape {encoder.idf.shape} and components of "
                f"shape {encoder.components.shape}; they must be ({terms},) and (width, {terms}); fit it again"
            )
        return encoder

    @cached_property
    def _vectorizer(self) -> "TfidfVectorizer":
        vectorizer = _new_vectorizer(vocabulary={term: column for column, term in enumerate(self.vocabulary)})
        vectorizer.idf_ = self.idf
        return vectorizer


def lsa_revision(texts: Sequence[str], width: int) -> str:
    """Digest (16 hex digits) of everything that decides a fit: its texts in order, and the settings."""
    settings = [_TOKENS, _MIN_TEXTS, _SMALL_MIN_TEXTS, _MAX_TERMS, _POWER_ITERATIONS, _SEED, width]
    return hashlib.sha256(json.dumps([settings, text_digest(texts)]).encode()).hexdigest()[:16]


def fit_lsa(texts: Sequence[str], width: int = DEFAULT_WIDTH) -> LsaEncoder:
    """Fit on `texts`, which should be the training questions only.

    Args:
        texts: question texts.
        width: entries per encoding. Fewer texts or terms than that give a narrower encoding, and a warning.

    Raises:
        EmbedLLMError: if no text holds a word.
    """
    from sklearn.utils.extmath import randomized_svd

    vectorizer, weights = _count_terms(texts, width)
    allowed = min(width, *weights.shape)
    if allowed < width:
        logger.warning(
            "lsa: the width is %d instead of %d, because %d training questions hold %d terms",
            *(allowed, width, *weights.shape),
        )
    _, _, components = randomized_svd(weights, allowed, n_iter=_POWER_ITERATIONS, random_state=_SEED)
    return LsaEncoder(
        revision=lsa_revision(texts, width),
        vocabulary=tuple(vectorizer.get_feature_names_out().tolist()),
        idf=vectorizer.idf_.astype(np.float32),
        components=components.astype(np.float32),
    )


def _count_terms(texts: Sequence[str], width: int) -> tuple["TfidfVectorizer", Any]:
    for min_texts in (_MIN_TEXTS, _SMALL_MIN_TEXTS):
        vectorizer = _new_vectorizer(min_df=min_texts, max_features=_MAX_TERMS)
        try:
            weights = vectorizer.fit_transform(texts)
        except ValueError:  # no term is left: scikit-learn has no gentler answer
            continue
        if weights.shape[1] >= width or min_texts == _SMALL_MIN_TEXTS:
            return vectorizer, weights
    raise EmbedLLMError(
        f"lsa cannot be fitted: none of the {len(texts)} training questions contains a word; "
        "check the prompts of the data, or choose another encoder"
    )


def _new_vectorizer(**terms: Any) -> "TfidfVectorizer":
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        sublinear_tf=True,
        dtype=np.float32,
        strip_accents="unicode",
        token_pattern=_TOKENS,
        ngram_range=(1, 2),
        **terms,
    )
