"""Maps and trees of planted clusters."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from embedllm.errors import DataError
from embedllm.probing import Space, dendrogram, embedding_space, pca_map, tsne_map


def two_clusters(models: int = 20) -> Space:
    vectors = np.random.default_rng(0).normal(size=(models, 5))
    vectors[::2] += 8
    return embedding_space([vectors])


def test_pca_is_scikit_learns_up_to_signs() -> None:
    space = two_clusters()
    coordinates, share = pca_map(space)
    reference = PCA(2).fit(space.vectors)
    np.testing.assert_allclose(np.abs(coordinates), np.abs(reference.transform(space.vectors)), atol=1e-9)
    np.testing.assert_allclose(share, reference.explained_variance_ratio_)
    assert (coordinates[np.abs(coordinates).argmax(axis=0), [0, 1]] > 0).all()


def test_two_models_lie_on_a_line() -> None:
    coordinates, share = pca_map(embedding_space([np.array([[0.0, 0.0], [3.0, 4.0]])]))
    assert abs(coordinates[0, 0] - coordinates[1, 0]) == pytest.approx(1)
    assert coordinates[:, 1].tolist() == pytest.approx([0, 0])
    assert share.tolist() == pytest.approx([1, 0])
    one_axis = pca_map(embedding_space([np.array([[0.0], [1.0], [5.0]])]))
    assert one_axis[0][:, 1].tolist() == [0, 0, 0]


def test_tsne_keeps_clusters_and_repeats() -> None:
    space = two_clusters()
    found = tsne_map(space, seed=1)
    even, odd = found[::2], found[1::2]
    apart = np.linalg.norm(even.mean(axis=0) - odd.mean(axis=0))
    assert apart > 2 * max(even.std(), odd.std())
    np.testing.assert_array_equal(found, tsne_map(space, seed=1))


def test_tsne_refuses_tiny_pools_and_wide_perplexities() -> None:
    tiny = embedding_space([np.eye(4)])
    with pytest.raises(DataError, match="4 models with perplexity 1; needed: 5 or more"):
        tsne_map(tiny)
    with pytest.raises(DataError, match="20 models with perplexity 20"):
        tsne_map(two_clusters(), perplexity=20)


def test_the_tree_puts_clusters_side_by_side() -> None:
    tree = dendrogram(two_clusters().distances)
    parity = tree.order % 2
    assert sorted(tree.order.tolist()) == list(range(20))
    assert np.count_nonzero(np.diff(parity)) == 1
    assert tree.merges.shape == (19, 4)
    assert dendrogram(1.0 - np.eye(2)).order.tolist() == [0, 1]
    with pytest.raises(DataError, match="finite distances of 2 models or more; there are 1"):
        dendrogram(np.zeros((1, 1)))
