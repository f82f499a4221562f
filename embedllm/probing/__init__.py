"""What has an embedding learned? Communities of models, distances, neighbours and maps (paper, section 6.1).

Names are imported on first use, so that communities alone do not wait for scipy and scikit-learn.
"""

from typing import TYPE_CHECKING

from embedllm.lazy import imported_on_use

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

__getattr__ = imported_on_use(
    __name__,
    {
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
    },
)

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
