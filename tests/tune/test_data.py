"""The data of a sweep: its split, and a seed that would do nothing."""

import pytest

from embedllm.data import simulate
from embedllm.errors import ConfigError
from tune.config import SweepConfig
from tune.data import check_split_seed, load_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """It gives a side to every question."""
    return str(simulate(models=4, questions=100, seed=1).save(tmp_path_factory.mktemp("data") / "pool"))


def test_a_split_seed_splits(data: str) -> None:
    first, second = (load_data(SweepConfig(data=data, split="random", split_seed=seed))[1] for seed in (0, 1))
    assert set(first.test) != set(second.test)


@pytest.mark.parametrize("split", ["auto", "given"])
def test_a_split_seed_without_effect_is_refused(data: str, split: str) -> None:
    config = SweepConfig(data=data, split=split, split_seed=7)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"split_seed 7 has no effect: .*; add `--split random`"):
        check_split_seed(config, load_data(config)[1])
    for fine in (config.replace(split_seed=0), config.replace(split="random")):
        check_split_seed(fine, load_data(fine)[1])
