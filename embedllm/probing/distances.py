"""Distances between models, and whether the members of a community lie closer together than chance would put them.

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
import pandas as pd

from embedllm.errors import DataError
from embedllm.evaluation.paired import holm
from embedllm.model import EmbedLLM
from embedllm.probing.communities import Communities

PERMUTATIONS = 9999
"""Random communities a real one is compared with; the smallest p-value is then 1/10,000."""

_BLOCK_NUMBERS = 2**22  # 32 MB a temporary
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
        return pairwise_distances(self.vectors)


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

    With V = U W' (:meth:`EmbedLLM.collapse`), the mean over questions of (z_m - z_n)² is the squared difference of the
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
    weights, offset = model.collapse()
    slopes = weights.numpy().astype(np.float64)
    level = slopes @ questions.mean + offset.numpy()
    # With R R' = Cov(q), distances of the rows of V R are those asked for.
    left, singular, _ = np.linalg.svd(slopes @ questions.root, full_matrices=False)
    return np.concatenate([level[:, None], left * singular], axis=1).astype(np.float32)


def without_ability(distances: np.ndarray, ability: np.ndarray) -> tuple[np.ndarray, float]:
    """What is left of distances that the models' ability does not explain.

    Weak models lie together, and so do strong ones, whatever else they have in common. A least-squares fit predicts a
    pair's distance from |a_m - a_n|, (a_m - a_n)², the pair's mean ability and its square; the residuals replace the
    distances. They can be negative; comparisons of means remain meaningful.

    Args:
        distances: float (models, models), symmetric.
        ability: float (models,), for instance mean accuracy.

    Returns:
        Residuals of the same shape (diagonal 0), and the share of the distances' variance that ability explains, in
        [0, 1].

    Raises:
        DataError: with fewer than four models, or an ability that is not finite.
    """
    models = len(distances)
    if models < 4 or not np.isfinite(ability).all():
        raise DataError(
            "the distances",
            [f"removing ability needs at least 4 models with a known ability; {np.isfinite(ability).sum()} have one"],
        )
    first, second = np.triu_indices(models, 1)
    gap, level = np.abs(ability[first] - ability[second]), (ability[first] + ability[second]) / 2
    basis = np.stack([np.ones_like(gap), gap, gap**2, level, level**2], axis=1)
    target = distances[first, second]
    fitted = basis @ np.linalg.lstsq(basis, target, rcond=None)[0]
    residual = target - fitted
    spread = float(np.square(target - target.mean()).sum())
    matrix = np.zeros_like(distances)
    matrix[first, second] = matrix[second, first] = residual
    return matrix, 0.0 if spread <= _SMALL * float(np.square(target).sum()) else 1 - float(residual @ residual) / spread


def community_distances(
    distances: np.ndarray, communities: Communities, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> pd.DataFrame:
    """Is a community closer together than a random one of the same size? A permutation test over the models.

    `intra` is the mean distance over pairs of members, `inter` over pairs of a member and an outsider (the paper's
    comparison). Chance is a community of as many models drawn from all of them: p = (1 + draws with a gap
    inter - intra at least as large) / (1 + draws), one-sided. `holm` adjusts p for the number of communities tested.

    Args:
        distances: float (models, models), symmetric; distances or residuals of :func:`without_ability`.
        communities: at least two members and one outsider each, as :func:`communities_of` returns them.
        permutations: random communities drawn for each real one.
        seed: seed of the draws.

    Returns:
        A row per community: kind, community, members, intra, inter, difference (inter - intra), chance_low and
        chance_high (middle 95 % of the difference by chance), p, holm.

    Raises:
        DataError: for distances that are not finite or do not fit, or a community without pair or outsider.
    """
    size = len(communities.model_names)
    if distances.shape != (size, size) or not np.isfinite(distances).all():
        raise DataError("the distances", [f"shape {distances.shape}; needed: finite numbers of shape {(size, size)}"])
    counts = communities.members.sum(axis=1)
    problems = [
        f"{kind} {name} has {count} of {size} models; needed: 2 to {size - 1}"
        for kind, name, count in zip(communities.kinds, communities.names, counts, strict=True)
        if not 2 <= count < size
    ]
    if problems:
        raise DataError("the communities", problems)
    generator = np.random.default_rng(seed)
    # Communities of one size share their draws.
    chance = {int(count): _chance_gaps(distances, int(count), permutations, generator) for count in np.unique(counts)}
    rows = []
    for kind, name, member in zip(communities.kinds, communities.names, communities.members, strict=True):
        intra, inter = (float(value[0]) for value in _intra_inter(distances, member[None].astype(np.float64)))
        gap, drawn = inter - intra, chance[int(member.sum())]
        low, high = np.quantile(drawn, [0.025, 0.975])
        reached = int((drawn >= gap - _SMALL * max(abs(gap), 1e-300)).sum())
        rows.append((kind, name, int(member.sum()), intra, inter, gap, low, high, (1 + reached) / (1 + permutations)))
    columns = ["kind", "community", "members", "intra", "inter", "difference", "chance_low", "chance_high", "p"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["holm"] = holm(frame["p"].to_numpy(dtype=np.float64))
    return frame


def kind_distances(
    distances: np.ndarray, communities: Communities, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> pd.DataFrame:
    """Are models of one community closer than models of different ones, over all communities of a kind together?

    One test per kind has more power than one per community, of which many are small. Only models in some community of
    the kind take part; chance permutes them among the places. p as in :func:`community_distances`, `holm` over kinds.

    Returns:
        A row per kind with pairs of both sorts: kind, communities, models, same (mean distance of pairs with a
        community in common), different, difference (different - same), p, holm.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for kind in dict.fromkeys(communities.kinds):
        members = communities.members[[other == kind for other in communities.kinds]]
        models = np.flatnonzero(members.any(axis=0))
        first, second = np.triu_indices(len(models), 1)
        inside = members[:, models].astype(np.int64)
        alike = (inside.T @ inside > 0)[first, second]
        if alike.all() or not alike.any():
            continue
        part = distances[np.ix_(models, models)]
        weights = np.where(alike, -1 / alike.sum(), 1 / (~alike).sum())
        orders = generator.random((permutations, len(models))).argsort(axis=1)
        block = max(1, _BLOCK_NUMBERS // len(first))
        drawn = np.concatenate(
            [
                part[some[:, first], some[:, second]] @ weights
                for some in (orders[start : start + block] for start in range(0, permutations, block))
            ]
        )
        values = part[first, second]
        gap = float(values @ weights)
        reached = int((drawn >= gap - _SMALL * max(abs(gap), 1e-300)).sum())
        p_value = (1 + reached) / (1 + permutations)
        means = float(values[alike].mean()), float(values[~alike].mean())
        rows.append((kind, len(members), len(models), *means, gap, p_value))
    columns = ["kind", "communities", "models", "same", "different", "difference", "p"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["holm"] = holm(frame["p"].to_numpy(dtype=np.float64))
    return frame


def pairwise_distances(vectors: np.ndarray) -> np.ndarray:
    """Euclidean distances of the rows: float64 of shape (rows, rows), exactly symmetric with a zero diagonal."""
    centred = vectors - vectors.mean(axis=0)
    squares = np.square(centred).sum(axis=1)
    squared = squares[:, None] + squares[None] - 2 * (centred @ centred.T)
    squared[squared < 1e-12 * (squares[:, None] + squares[None])] = 0  # rounding of equal rows
    np.fill_diagonal(squared, 0)
    return np.sqrt((squared + squared.T) / 2)


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


def _intra_inter(distances: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean distances inside and across, (sets,) each, of float indicators (sets, models)."""
    reached = members @ distances
    inside = (reached * members).sum(axis=1)
    count = members.sum(axis=1)
    outside = members.shape[1] - count
    return inside / (count * (count - 1)), (reached.sum(axis=1) - inside) / (count * outside)


def _chance_gaps(distances: np.ndarray, count: int, permutations: int, generator: np.random.Generator) -> np.ndarray:
    """inter - intra of random communities, (permutations,)."""
    block = max(1, _BLOCK_NUMBERS // len(distances))
    gaps = []
    for start in range(0, permutations, block):
        draws = min(block, permutations - start)
        chosen = generator.random((draws, len(distances))).argpartition(count - 1, axis=1)[:, :count]
        members = np.zeros((draws, len(distances)))
        np.put_along_axis(members, chosen, 1.0, axis=1)
        intra, inter = _intra_inter(distances, members)
        gaps.append(inter - intra)
    return np.concatenate(gaps)
