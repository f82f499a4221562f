"""Maps of a space in two dimensions, and a tree with the order of models that it implies."""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from embedllm.errors import DataError
from embedllm.probing.spaces import Space


@dataclass(frozen=True)
class Dendrogram:
    """Average-linkage clustering.

    Args:
        merges: float64 (models - 1, 4) as scipy's `linkage`: the two clusters merged, their distance, members after it.
        order: int64 (models,), the models from left to right, neighbours as similar as the tree allows.
    """

    merges: np.ndarray
    order: np.ndarray


def pca_map(space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Principal components.

    Returns:
        Coordinates, float64 (models, 2), and the share of the variance of each of the two axes. With two models the
        second axis is zero. The sign of an axis means nothing; here its largest coordinate is positive.
    """
    centred = space.vectors - space.vectors.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    coordinates, variance = np.zeros((len(centred), 2)), np.zeros(2)
    count = min(2, len(singular))
    coordinates[:, :count] = left[:, :count] * singular[:count]
    variance[:count] = singular[:count] ** 2
    largest = np.abs(coordinates).argmax(axis=0)
    coordinates *= np.where(coordinates[largest, [0, 1]] < 0, -1.0, 1.0)
    return coordinates, variance / float(np.square(singular).sum())


def tsne_map(space: Space, *, perplexity: float | None = None, seed: int = 0) -> np.ndarray:
    """t-SNE, started from the principal components, so that the coarse layout means something.

    Args:
        space: at least five models.
        perplexity: number of neighbours that count; None = 30, or a third of the other models if that is less.
        seed: of the optimisation.

    Returns:
        Coordinates, float64 (models, 2), of no unit: only who is near whom counts.

    Raises:
        DataError: with fewer than five models, or a perplexity that is not below the number of models.
    """
    from sklearn.manifold import TSNE

    models = len(space.vectors)
    perplexity = perplexity if perplexity is not None else min(30.0, max(1.0, (models - 1) / 3))
    if models < 5 or not 0 < perplexity < models:
        raise DataError(
            "the t-SNE map",
            [f"{models} models with perplexity {perplexity:g}; needed: 5 or more, and a perplexity below their number"],
        )
    tsne = TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(tsne.fit_transform(space.vectors), dtype=np.float64)


def dendrogram(distances: np.ndarray) -> Dendrogram:
    """Average-linkage tree of a distance matrix, float (models, models), with optimally ordered leaves.

    Raises:
        DataError: with fewer than two models, or distances that are not finite.
    """
    if len(distances) < 2 or not np.isfinite(distances).all():
        raise DataError("the tree", [f"it needs finite distances of 2 models or more; there are {len(distances)}"])
    condensed = squareform(distances, checks=False)
    merges = linkage(condensed, method="average", optimal_ordering=True)
    return Dendrogram(merges, leaves_list(merges).astype(np.int64))
