"""Arithmetic counted from shapes: an epoch is its steps."""

import pytest

from embedllm.config import FitConfig, preset
from embedllm.flops import FORMS, epoch_flops, step_flops


def test_an_epoch_is_steps_times_the_cheaper_form() -> None:
    config = preset("fast").replace(embedding_dim=64, batch_questions=100)
    step = min(step_flops(form, 10, 32, 64, 100, pair_noise=True) for form in FORMS)
    assert epoch_flops(config, 10, 32, 2000) == 20 * step
    assert epoch_flops(config.replace(training_questions=1001), 10, 32, 2000) == 11 * step


def test_groups_of_models_take_as_many_steps_more() -> None:
    config = FitConfig(embedding_dim=8, batch_questions=20, model_groups=3)
    assert config.batch_shape(9, 600) == (60, 3)
    step = min(step_flops(form, 3, 16, 8, 60, pair_noise=True) for form in FORMS)
    assert epoch_flops(config, 9, 16, 600) == 10 * 3 * step


@pytest.mark.parametrize("changes", [{"noise": 0.0}, {"noise_per": "question"}])
def test_without_noise_per_pair_there_are_no_norms_to_take(changes: dict[str, object]) -> None:
    config = FitConfig(embedding_dim=232, batch_questions=18, model_groups=1)
    quiet = epoch_flops(config.replace(**changes), 112, 768, 3600)
    assert quiet == 200 * step_flops("factor", 112, 768, 232, 18, pair_noise=False)
    assert quiet < epoch_flops(config, 112, 768, 3600)
