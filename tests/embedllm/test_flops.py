"""Arithmetic counted from shapes: an epoch is its steps."""

import pytest

from embedllm.config import FitConfig, preset
from embedllm.flops import FORMS, cheaper_form, epoch_flops, forecast_flops, padded_dim, step_flops


def test_an_epoch_is_steps_times_the_cheaper_form() -> None:
    config = preset("fast").replace(embedding_dim=64, batch_questions=100)
    step = min(step_flops(form, 10, 32, 64, 100, pair_noise=True) for form in FORMS)
    assert epoch_flops(config, 10, 32, 2000) == 20 * step
    assert epoch_flops(config.replace(training_questions=1001), 10, 32, 2000) == 11 * step


def test_the_cheaper_form_is_chosen_by_flops() -> None:
    assert cheaper_form(112, 768, 232, 18, pair_noise=False) == "factor"
    assert cheaper_form(112, 768, 232, 512, pair_noise=True) == "collapsed"
    assert step_flops("collapsed", 112, 768, 232, 18, pair_noise=True) == 6 * 112 * 768 * 232 + 4 * 18 * 112 * 768


def test_groups_of_models_take_as_many_steps_more() -> None:
    config = FitConfig(embedding_dim=8, batch_questions=20, model_groups=3)
    assert config.batch_shape(9, 600) == (60, 3)
    step = min(step_flops(form, 3, 16, padded_dim(8), 60, pair_noise=True) for form in FORMS)
    assert epoch_flops(config, 9, 16, 600) == 10 * 3 * step


@pytest.mark.parametrize(("dim", "padded"), [(1, 16), (16, 16), (17, 24), (32, 32), (229, 232), (232, 232)])
def test_embeddings_are_trained_in_whole_registers(dim: int, padded: int) -> None:
    assert padded_dim(dim) == padded


def test_forecasts_of_small_embeddings_project_the_questions() -> None:
    small, large = ([forecast_flops(form, 83, 384, dim, 604) for form in FORMS] for dim in (16, 232))
    assert small[0] == 2 * 604 * 384 * 16 + 2 * 604 * 16 * 83 < small[1]
    assert large[1] == 2 * 83 * 232 * 384 + 2 * 604 * 384 * 83 < large[0]


@pytest.mark.parametrize("changes", [{"noise": 0.0}, {"noise_per": "question"}])
def test_without_noise_per_pair_there_are_no_norms_to_take(changes: dict[str, object]) -> None:
    config = FitConfig(embedding_dim=232, batch_questions=18, model_groups=1)
    quiet = epoch_flops(config.replace(**changes), 112, 768, 3600)
    assert quiet == 200 * step_flops("factor", 112, 768, 232, 18, pair_noise=False)
    assert quiet < epoch_flops(config, 112, 768, 3600)
