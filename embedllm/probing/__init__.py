"""What has an embedding learned? Communities of models, distances, neighbours and maps (paper, section 6.1).

Names are imported on first use, so that communities alone do not wait for scipy and scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedllm.probing.communities import Communities, communities_of, size_in_billions
    from embedllm.probing.maps import Dendrogram, dendrogram, pca_map, tsne_map
    from embedllm.probing.neighbours import (
        MatrixCorrelation,
        agreement_by_rank,
        disagreement,
        matrix_correlation,
        nearest_neighbours,
    )
    from embedllm.probing.permutation_tests import community_distances, kind_distances, without_ability
    from embedllm.probing.spaces import (
        QuestionMoments,
        Space,
        embedding_space,
        function_coordinates,
        function_space,
        profile_space,
    )

_HOME = {
    "communities": ("Communities", "communities_of", "size_in_billions"),
    "maps": ("Dendrogram", "dendrogram", "pca_map", "tsne_map"),
    "neighbours": (
        "MatrixCorrelation",
        "agreement_by_rank",
        "disagreement",
        "matrix_correlation",
        "nearest_neighbours",
    ),
    "permutation_tests": ("community_distances", "kind_distances", "without_ability"),
    "spaces": (
        "QuestionMoments",
        "Space",
        "embedding_space",
        "function_coordinates",
        "function_space",
        "profile_space",
    ),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Communities",
    "Dendrogram",
    "MatrixCorrelation",
    "QuestionMoments",
    "Space",
    "agreement_by_rank",
    "communities_of",
    "community_distances",
    "dendrogram",
    "disagreement",
    "embedding_space",
    "function_coordinates",
    "function_space",
    "kind_distances",
    "matrix_correlation",
    "nearest_neighbours",
    "pca_map",
    "profile_space",
    "size_in_billions",
    "tsne_map",
    "without_ability",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE[name]}"), name)
