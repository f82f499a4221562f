from typing import Any

import pytest

from ablations.config import AblationConfig
from embedllm.config import preset
from embedllm.data import CorrectnessMatrix
from embedllm.errors import ConfigError


def test_the_recipe_is_the_preset_with_the_ablations_encoder() -> None:
    config = AblationConfig(encoder="lsa", seed=3, seeds=2)
    assert config.recipe() == preset("fast").replace(encoder="lsa", seed=3)
    assert config.replace(embedding_dim=16).recipe(noise=0.0).embedding_dim == 16
    assert config.recipe(seed=9, encoder="lsa:16").encoder == "lsa:16"
    assert list(config.seed_values) == [3, 4]


@pytest.mark.parametrize("split", ["auto", "given"])
def test_a_split_seed_that_would_do_nothing_is_refused(data: CorrectnessMatrix, split: Any) -> None:
    with pytest.raises(ConfigError, match=r"split_seed 7 has no effect: .*; add `--split random`"):
        AblationConfig(split=split, split_seed=7).base_split(data)
    AblationConfig(split=split).base_split(data)
    assert AblationConfig(split="random", split_seed=7).base_split(data).seed == 7


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        AblationConfig(seeds=0, preset="slow", methods=["knn", "svm"], pack=0, gpus_per_pack=1.5, split="x")  # type: ignore[arg-type]
    for part in (
        "seeds must be at least 1 but is 0",
        "preset must be one of paper, fast but is 'slow'",
        "methods must be distinct and among embedllm, knn, lookup, lookup_predicted, model_mean, logistic",
        "pack must be at least 1, or null, but is 0",
        "gpus_per_pack must be a fraction up to 1 or a whole number",
        "split must be one of auto, given, random but is 'x'",
    ):
        assert part in str(caught.value)
