"""Whether the members of a community lie closer together than chance would put them: permutation tests."""

import numpy as np
import pandas as pd

from embedllm.errors import DataError
from embedllm.evaluation.paired import holm
from embedllm.probing.communities import Communities

PERMUTATIONS = 9999
"""Random communities a real one is compared with; the smallest p-value is then 1/10,000."""

_BLOCK_NUMBERS = 2**22  # 32 MB a temporary
_SMALL = 1e-9  # relative to the distances' size: differences below it are rounding


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
