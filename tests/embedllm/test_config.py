"""`FitConfig`: the official recipe by default, everything out of range named at once."""

import numpy as np
import pytest

from embedllm.config import PRESETS, FitConfig, preset
from embedllm.errors import ConfigError


def test_the_paper_preset_is_the_official_recipe():
    paper = preset("paper")
    assert (paper.embedding_dim, paper.noise, paper.learning_rate, paper.weight_decay) == (232, 0.05, 1e-4, 1e-5)
    assert (paper.epochs, paper.schedule, paper.noise_per, paper.encoder) == (
        50,
        "constant",
        "pair",
        "all-mpnet-base-v2",
    )
    questions, groups = paper.batch_shape(112, 29_000)
    assert questions * 112 / groups == pytest.approx(2048, rel=0.02)  # pairs a batch


def test_every_problem_is_named_in_one_message():
    with pytest.raises(ConfigError) as caught:
        FitConfig(embedding_dim=0, noise=-1.0, learning_rate=0.0, batch_questions=0, schedule="cosine")  # type: ignore[arg-type]
    message = str(caught.value)
    for part in (
        "embedding_dim must be at least 1 but is 0",
        "noise must be zero or positive but is -1.0",
        "learning_rate must be positive but is 0.0",
        "batch_questions must be at least 1, or null, but is 0",
        "schedule must be one of constant, one-cycle but is 'cosine'",
    ):
        assert part in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["noise", "learning_rate", "weight_decay"])
def test_values_that_are_no_numbers_are_refused(name: str, value: float):
    with pytest.raises(ConfigError, match=name):
        FitConfig(**{name: value})


def test_unknown_presets_name_the_known_ones():
    with pytest.raises(ConfigError, match="unknown preset 'slow'; allowed: paper, fast"):
        preset("slow")


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("models", [1, 2, 29, 112, 5000])
@pytest.mark.parametrize("questions", [1, 10, 30_000])
def test_batches_fit_every_pool(name: str, models: int, questions: int):
    batch, groups = preset(name).batch_shape(models, questions)
    assert 1 <= batch <= questions
    assert 1 <= groups <= models


def test_groups_keep_the_number_of_pairs():
    config = FitConfig(batch_questions=20, model_groups=4)
    assert config.batch_shape(40, 1000) == (80, 4)
    assert FitConfig(batch_questions=20, model_groups=100).batch_shape(40, 10**6) == (800, 40)
    assert FitConfig(noise_per="question").batch_shape(112, 1000) == (18, 1)


def test_small_data_gets_ten_batches_an_epoch():
    assert preset("fast").batch_shape(24, 300) == (30, 1)
    assert preset("fast").batch_shape(112, 29_000) == (512, 1)


def test_nothing_is_no_dimension() -> None:
    with pytest.raises(ConfigError, match="embedding_dim must be a whole number but is None"):
        FitConfig(embedding_dim=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"embedding_dim": "64"}, "embedding_dim must be a whole number but is '64'"),
        ({"embedding_dim": 64.5}, "embedding_dim must be a whole number but is 64.5"),
        ({"epochs": True}, "epochs must be a whole number but is True"),
        ({"noise": None}, "noise must be a number but is None"),
        ({"learning_rate": "0.1"}, "learning_rate must be a number but is '0.1'"),
        ({"patience": 2.5}, "patience must be a whole number, or null, but is 2.5"),
        ({"encoder": 3, "seed": "1"}, "encoder must be a text but is 3; seed must be a whole number but is '1'"),
    ],
)
def test_values_of_the_wrong_type_are_named_at_once(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FitConfig().replace(**changes)
    assert str(caught.value) == f"invalid fit configuration: {problem}"


def test_numbers_of_numpy_are_numbers() -> None:
    assert FitConfig(embedding_dim=np.int64(8), noise=np.float32(0.5), learning_rate=1).embedding_dim == 8


def test_fields_that_do_not_exist_are_named_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"^a fit configuration has no 'nois' \(the nearest is 'noise'\), no 'xyz'; it"
    ):
        FitConfig().replace(nois=0.1, xyz=1, epochs=2)
