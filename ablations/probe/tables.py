"""Every number of the probing design, in three spaces: embeddings as the paper takes them, and predictions with and
without the level of each model.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.splits import Split
from embedllm.errors import DataError
from embedllm.evaluation.paired import holm
from embedllm.probing import (
    Communities,
    Space,
    agreement_by_rank,
    community_distances,
    dendrogram,
    disagreement,
    embedding_space,
    function_space,
    kind_distances,
    matrix_correlation,
    nearest_neighbours,
    pca_map,
    profile_space,
    tsne_map,
    without_ability,
)

if TYPE_CHECKING:
    from ablations.results import Results


def trained_models(data: CorrectnessMatrix, train: np.ndarray) -> np.ndarray:
    """Models with a graded answer to a training question, int64 indices: the embedding of others is nothing but their
    initialisation.
    """
    return np.flatnonzero(data.attempts[:, train].any(axis=1))


def compared_models(data: CorrectnessMatrix, train: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Of :func:`trained_models` at most `most`, drawn at random where there are more; ascending int64 indices.

    Pairs, permutations of them and the tree grow with the square of the models or faster.
    """
    models = trained_models(data, train)
    if len(models) <= most:
        return models
    return np.sort(np.random.default_rng(seed).choice(models, most, replace=False))


def probe_tables(
    results: "Results",
    data: CorrectnessMatrix,
    split: Split,
    compared: np.ndarray,
    communities: Communities,
    *,
    permutations: int,
    neighbours: int,
    perplexity: float | None,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """The tables of the design, of the models `compared` (int64 indices) only, which `communities` are of.

    - `models`: model, accuracy (share of all its graded answers that are right), a column per kind of community.
    - `members`: a row per model and community it is in: kind, community, model.
    - `communities`: see :func:`embedllm.probing.community_distances`, with `space` and `ability` (`kept` or `removed`).
    - `kinds`: see :func:`embedllm.probing.kind_distances`, likewise; `holm` is over kinds and spaces.
    - `ability`: per space, `explained`: the share of the variance of distances that differences in accuracy explain.
    - `pairs`: per pair of models: distance in each space, `disagreement` on the test questions that both answered,
      `accuracy_gap`.
    - `correlations`: Mantel's test of distance against disagreement, and against the accuracy gap; `pearson_holm` and
      `spearman_holm` are adjusted over the spaces.
    - `neighbours`, `ranks`: nearest models, and mean agreement with the k-th nearest.
    - `maps`: coordinates by PCA (`share`: of the variance on each axis) and t-SNE.
    - `merges`, `leaves`: the tree of each space.
    - `spaces`: unit of a distance, seeds.
    - `notes`: what could not be done.

    Raises:
        DataError: if all models have the same embedding, or are predicted to answer alike.
    """
    keys = results.complete["key"].drop_duplicates().tolist()
    spaces = [embedding_space([results.embedding(key)[compared] for key in keys])]
    functions = [results.function(key)[compared] for key in keys]
    spaces += [function_space(functions), profile_space(functions)]
    correct, attempts = data.correct[compared], data.attempts[compared]
    names = list(communities.model_names)
    ability = correct.sum(axis=1, dtype=np.int64) / attempts.sum(axis=1, dtype=np.int64)
    differing, common = disagreement(correct[:, split.test], attempts[:, split.test])
    notes: list[str] = []
    parts: dict[str, list[pd.DataFrame]] = {}

    def add(table: str, frame: pd.DataFrame, **columns: str) -> None:
        parts.setdefault(table, []).append(frame.assign(**columns))

    for space in spaces:
        distances = space.distances
        removed, explained = without_ability(distances, ability)
        kinds = {"kept": distances, "removed": removed}
        # Where ability explains nothing, rounding leaves a share just below 0.
        add("ability", pd.DataFrame({"explained": [max(0.0, explained)]}), space=space.name)
        for kept, matrix in kinds.items():
            if communities.kinds:
                found = community_distances(matrix, communities, permutations=permutations, seed=seed)
                add("communities", found, space=space.name, ability=kept)
                found = kind_distances(matrix, communities, permutations=permutations, seed=seed)
                add("kinds", found, space=space.name, ability=kept)
        add("correlations", _correlations(kinds, differing, ability, permutations, seed, notes), space=space.name)
        add("neighbours", nearest_neighbours(distances, names, differing, count=neighbours), space=space.name)
        add("ranks", agreement_by_rank(distances, differing), space=space.name)
        add("maps", _maps(space, names, perplexity, seed, notes), space=space.name)
        tree = dendrogram(distances)
        add("merges", pd.DataFrame(tree.merges, columns=["left", "right", "distance", "members"]), space=space.name)
        order = pd.DataFrame({"place": range(len(names)), "model": [names[model] for model in tree.order]})
        add("leaves", order, space=space.name)
        add("spaces", pd.DataFrame({"unit": [space.unit], "seeds": [len(keys)]}), space=space.name)
    first, second = np.triu_indices(len(names), 1)
    pairs = pd.DataFrame(
        {
            "first": [names[model] for model in first],
            "second": [names[model] for model in second],
            **{space.name: space.distances[first, second] for space in spaces},
            "disagreement": differing[first, second],
            "common_questions": common[first, second],
            "accuracy_gap": np.abs(ability[first] - ability[second]),
        }
    )
    # Names of communities may hold any character, also the comma that joins several of them in `models`.
    members = [
        (kind, name, names[model])
        for kind, name, inside in zip(communities.kinds, communities.names, communities.members, strict=True)
        for model in np.flatnonzero(inside)
    ]
    memberships = pd.DataFrame(members, columns=["kind", "community", "model"], dtype="str")
    models = communities.table()
    models.insert(1, "accuracy", ability)
    joined = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    empty = {name: pd.DataFrame() for name in ("communities", "kinds") if name not in joined}
    _adjust(joined["correlations"], ["with", "ability"], {"pearson_p": "pearson_holm", "spearman_p": "spearman_holm"})
    if communities.kinds:
        _adjust(joined["kinds"], ["ability"], {"p": "holm"})
    remarks = pd.DataFrame({"note": list(dict.fromkeys(notes))}, dtype="str")
    return {"models": models, "members": memberships, "pairs": pairs, **joined, **empty, "notes": remarks}


def _adjust(frame: pd.DataFrame, by: list[str], columns: dict[str, str]) -> None:
    """Holm's adjustment over all spaces, and all else that `by` does not name."""
    for source, target in columns.items():
        frame[target] = frame.groupby(by, sort=False)[source].transform(lambda p: holm(p.to_numpy(dtype=np.float64)))


def _correlations(
    kinds: dict[str, np.ndarray],
    differing: np.ndarray,
    ability: np.ndarray,
    permutations: int,
    seed: int,
    notes: list[str],
) -> pd.DataFrame:
    gap = np.abs(ability[:, None] - ability[None])
    wanted = [("disagreement", "kept", kinds["kept"], differing), ("accuracy gap", "kept", kinds["kept"], gap)]
    if np.isfinite(differing).all():
        wanted.append(("disagreement", "removed", kinds["removed"], without_ability(differing, ability)[0]))
    rows = []
    for other, kept, distances, matrix in wanted:
        try:
            found = matrix_correlation(distances, matrix, permutations=permutations, seed=seed)
        except DataError as error:
            notes.append(f"Distance is not correlated with {other}: {error.problems[0]}.")
            continue
        rows.append({"with": other, "ability": kept} | vars(found))
    columns = ["with", "ability", "models", "pairs", "pearson", "pearson_p", "spearman", "spearman_p"]
    return pd.DataFrame(rows, columns=columns)


def _maps(space: Space, names: list[str], perplexity: float | None, seed: int, notes: list[str]) -> pd.DataFrame:
    coordinates, share = pca_map(space)
    frames = [pd.DataFrame({"model": names, "x": coordinates[:, 0], "y": coordinates[:, 1]})]
    frames[0] = frames[0].assign(method="PCA", share_x=share[0], share_y=share[1])
    try:
        placed = tsne_map(space, perplexity=perplexity, seed=seed)
        frames.append(pd.DataFrame({"model": names, "x": placed[:, 0], "y": placed[:, 1]}).assign(method="t-SNE"))
    except DataError as error:
        notes.append(f"There is no t-SNE map: {error.problems[0]}.")
    return pd.concat(frames, ignore_index=True)
