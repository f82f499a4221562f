import json

import pytest

from ablations.axis.values import axis_values, centre
from ablations.config import AblationConfig
from embedllm.config import preset
from embedllm.errors import ConfigError
from tune.config import SweepConfig
from tune.folder import SweepFolder


def test_defaults_lie_around_the_centre_and_leave_it_out():
    recipe = preset("fast").replace(encoder="lsa")
    assert axis_values("embedding_dim", recipe, None) == [4, 16, 64]  # 256 is too near to 232
    assert axis_values("embedding_dim", recipe.replace(embedding_dim=32), None) == [4, 16, 64, 256]
    assert axis_values("noise", recipe, None) == [0, 0.025, 0.1, 0.2, 0.4]
    assert axis_values("learning_rate", recipe, None) == [0.00222, 0.00667, 0.06, 0.18]
    assert axis_values("encoder", recipe, None) == ["lsa:32", "lsa:96"]
    assert axis_values("encoder", recipe.replace(encoder="all-MiniLM-L6-v2"), None) == ["lsa:32", "lsa:96", "lsa"]


def test_values_asked_for_are_kept_without_the_centre_and_repeats():
    assert axis_values("noise", preset("fast"), [0.3, 0.05, 0.1, 0.3]) == [0.3, 0.1]
    with pytest.raises(
        ConfigError, match=r"no value of noise is given besides 0\.05, the centre's; give another or lea"
    ):
        axis_values("noise", preset("fast"), [0.05])


def test_the_centre_is_a_preset_with_the_encoder_asked_for(pool):
    config = AblationConfig(encoder="lsa:32", embedding_dim=16, seed=3)
    recipe, title, notes = centre(config, pool, None)
    assert recipe == preset("fast").replace(encoder="lsa:32", embedding_dim=16, seed=3)
    assert (title, notes) == ("preset fast", [])
    assert centre(config, pool, "paper")[0].learning_rate == preset("paper").learning_rate


def test_anything_else_is_refused(pool, tmp_path):
    with pytest.raises(ConfigError, match="around must be one of paper, fast or the folder of a sweep but is 'best'"):
        centre(AblationConfig(), pool, "best")
    with pytest.raises(ConfigError, match=r"is not a sweep: sweep\.json is missing"):
        centre(AblationConfig(), pool, str(tmp_path))


def a_sweep(path, digest, **settings):
    SweepFolder.create(SweepConfig(out=str(path), **settings), digest)
    return path


def crown(path, **changes):
    winner = {"encoder": "lsa:96", "embedding_dim": 24, "learning_rate": 0.03, "epochs": 7} | changes
    content = {"trial": 5, "config": winner, "metrics": {}, "rows": []}
    (path / "winner.json").write_text(json.dumps(content))


def test_the_centre_is_a_sweeps_winner(pool, tmp_path):
    path = a_sweep(tmp_path / "sweep", pool.digest)
    with pytest.raises(ConfigError, match="has no winner yet; finish it with `python -m tune resume"):
        centre(AblationConfig(), pool, str(path))
    crown(path, training_questions=5000)
    recipe, title, notes = centre(AblationConfig(seed=2), pool, str(path))
    assert (recipe.encoder, recipe.embedding_dim, recipe.epochs, recipe.seed) == ("lsa:96", 24, 7, 2)
    assert recipe.training_questions is None  # more than there are: all
    assert (title, notes) == ("winner of sweep (trial 5)", [])


def test_a_winner_of_another_split_or_data_is_noted(pool, tmp_path):
    other_split = a_sweep(tmp_path / "one", pool.digest, split="random", split_seed=4)
    other_data = a_sweep(tmp_path / "two", "0123456789abcdef")
    for path in (other_split, other_data):
        crown(path)
    assert (
        "test questions here may have been its validation questions"
        in (centre(AblationConfig(), pool, str(other_split))[2][0])
    )
    assert centre(AblationConfig(), pool, str(other_data))[2][0].startswith("The sweep ran on other data")
