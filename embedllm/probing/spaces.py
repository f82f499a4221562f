"""Spaces in which models lie, and their distances there.

Three spaces, because a factorisation does not determine its factors. EmbedLLM's log-odds are z = u_m·(W'q + b) + c with
u_m = p_m * w. For every invertible matrix A, the embeddings P A with projection and head changed to match predict
exactly the same; only the initialisation and the weight decay prefer one A. Hence

- **embedding space**, the paper's: Euclidean distance between rows of P. Not identified by the data: another A would
  give other distances. What random initialisation put there stays in part, so it is averaged over seeds;
- **function space**: root mean square over the questions of the difference of two models' predicted log-odds. It
  depends on the predictions alone, hence on nothing that A changes: identified, and in units that mean something;
- **profile space**: the same after each model's mean log-odds is taken off: on *which* questions a model does well,
  whatever its level. The level, ability, is most of a function distance. Identified as well.

Over seeds, distances are averaged as root mean squares; side by side, the seeds' vectors then span one Euclidean space,
so that the same vectors serve distances, maps and trees.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist, squareform

from embedllm.errors import DataError
from embedllm.model import EmbedLLM

_SMALL = 1e-9  # relative to the vectors' size: distances below it are rounding


@dataclass(frozen=True)
class Space:
    """Models as points whose Euclidean distances count.

    Args:
        name: `embedding`, `function` or `profile`.
        unit: what a distance of 1 is.
        vectors: float64 of shape (models, coordinates).
    """

    name: str
    unit: str
    vectors: np.ndarray

    @property
    def distances(self) -> np.ndarray:
        """Float64 of shape (models, models), symmetric, zero on the diagonal."""
        return squareform(pdist(self.vectors))


def embedding_space(embeddings: Sequence[np.ndarray]) -> Space:
    """The paper's space: rows of P. Each seed's are scaled so that the mean squared distance of a pair is 1.

    Args:
        embeddings: float (models, d) per seed; d may differ.

    Raises:
        DataError: with fewer than two models, numbers that are not finite, or a seed with all models in one place.
    """
    scaled = []
    for number, vectors in enumerate(_checked(embeddings)):
        spread = _mean_square_distance(vectors)
        if spread <= _SMALL * max(1.0, float(np.square(vectors).mean())):
            raise DataError(
                "the embeddings", [f"seed {number}: all {len(vectors)} models have the same one; nothing to compare"]
            )
        scaled.append(vectors / np.sqrt(spread))
    return Space("embedding", "root mean square distance of a pair of models", _side_by_side(scaled))


def function_space(coordinates: Sequence[np.ndarray]) -> Space:
    """The space of predictions: a distance is the root mean square difference in log-odds over the questions.

    Args:
        coordinates: per seed, float (models, k) from :func:`function_coordinates`.

    Raises:
        DataError: as :func:`embedding_space`.
    """
    vectors = _side_by_side(_checked(coordinates))
    _check_spread(vectors, vectors, "are predicted to answer alike")
    return Space("function", "log-odds, root mean square over questions", vectors)


def profile_space(coordinates: Sequence[np.ndarray]) -> Space:
    """The space of predictions without each model's level: V restricted to the covariance of the questions.

    Args:
        coordinates: as :func:`function_space`.

    Raises:
        DataError: as :func:`embedding_space`.
    """
    whole = _checked(coordinates)
    vectors = _side_by_side([seed[:, 1:] for seed in whole])
    _check_spread(vectors, _side_by_side(whole), "differ in their level only")
    return Space("profile", "log-odds less their mean, root mean square over questions", vectors)


@dataclass(frozen=True)
class QuestionMoments:
    """What distances between predictions depend on of the questions: made once, read for many models.

    Args:
        mean: float64 of shape (D,), mean encoding.
        root: float64 of shape (D, D), R with R R' = Cov(q).
    """

    mean: np.ndarray
    root: np.ndarray

    @classmethod
    def of(cls, encodings: np.ndarray) -> "QuestionMoments":
        """Of float (questions, D): the questions that count, usually all of the data's.

        Raises:
            DataError: if there is no question.
        """
        if encodings.ndim != 2 or not len(encodings):
            raise DataError(
                "the encodings", [f"they have shape {encodings.shape}; needed: (at least 1 question, width)"]
            )
        mean = encodings.mean(axis=0, dtype=np.float64)
        centred = encodings - mean
        values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
        return cls(mean, axes * np.sqrt(np.maximum(values, 0)))


def function_coordinates(model: EmbedLLM, questions: QuestionMoments) -> np.ndarray:
    """Coordinates whose Euclidean distances are root mean square differences of predicted log-odds.

    With V = U W' (:attr:`EmbedLLM.collapsed`), the mean over questions of (z_m - z_n)² is the squared difference of the
    two mean log-odds plus (v_m - v_n)' Cov(q) (v_m - v_n). The first coordinate is the mean log-odds, the others carry
    the rest in as few coordinates as possible.

    Args:
        model: a trained model of M models.
        questions: those that count.

    Returns:
        float32 of shape (M, 1 + min(M, D)).

    Raises:
        DataError: if the encodings' width is not the model's.
    """
    if len(questions.mean) != model.width:
        raise DataError("the encodings", [f"they have width {len(questions.mean)}; the model's is {model.width}"])
    weights, offset = model.collapsed
    slopes = weights.numpy().astype(np.float64)
    level = slopes @ questions.mean + offset.numpy()
    # With R R' = Cov(q), distances of the rows of V R are those asked for.
    left, singular, _ = np.linalg.svd(slopes @ questions.root, full_matrices=False)
    return np.concatenate([level[:, None], left * singular], axis=1).astype(np.float32)


def _checked(per_seed: Sequence[np.ndarray]) -> list[np.ndarray]:
    vectors = [np.asarray(seed, dtype=np.float64) for seed in per_seed]
    if not vectors:
        raise DataError("the embeddings", ["there is none; give one matrix per seed"])
    problems = []
    for number, seed in enumerate(vectors):
        if seed.ndim != 2 or len(seed) != len(vectors[0]):
            problems.append(f"seed {number} has shape {seed.shape}; all must be (models, coordinates)")
        elif len(seed) < 2:
            problems.append(f"seed {number} has {len(seed)} model; a distance needs two")
        elif not np.isfinite(seed).all():
            problems.append(f"seed {number} holds NaN or infinity: its training diverged; leave it out")
    if problems:
        raise DataError("the embeddings", problems)
    return vectors


def _check_spread(vectors: np.ndarray, scale: np.ndarray, what: str) -> None:
    if _mean_square_distance(vectors) <= _SMALL * max(1.0, float(np.square(scale).mean())):
        raise DataError("the predictions", [f"all {len(vectors)} models {what}; nothing to compare"])


def _side_by_side(per_seed: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(per_seed, axis=1) / np.sqrt(len(per_seed))


def _mean_square_distance(vectors: np.ndarray) -> float:
    """Over pairs of different rows: twice the summed variance."""
    return float(2 * vectors.var(axis=0, ddof=1).sum())
