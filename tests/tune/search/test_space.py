"""From search space to configuration."""

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedllm.config import preset
from embedllm.errors import ConfigError
from tune.config import Range, SearchSpace, SweepConfig
from tune.search.space import (
    baseline_config,
    distributions,
    enumerate_space,
    fit_config,
    space_size,
    start_configurations,
    suggest,
)

AXES = {"encoder": "lsa", "embedding_dim": 8, "noise": 0.1, "learning_rate": 0.01, "weight_decay": 0.0}
FINITE = SearchSpace(
    encoder=["a", "b"], embedding_dim=[4, 8, 16], noise=[0.0], training_questions=[0.5, 1.0], learning_rate=[0.01],
    weight_decay=[0.0],
)  # fmt: skip


def test_suggestions_fill_the_preset() -> None:
    config = SweepConfig(seed=7, space=SearchSpace(encoder=["lsa"]))
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    found = suggest(trial, config, 1000)
    assert set(trial.params) == {*AXES, "training_questions"}
    assert found == fit_config(trial.params, config, 1000)
    assert found.seed == 7
    assert found.epochs == preset("fast").epochs
    assert found.training_questions in (250, 500, 1000)
    assert 8 <= found.embedding_dim <= 256


@given(asked=st.one_of(st.floats(1e-6, 1.0), st.integers(2, 50)), num_train=st.integers(50, 5000))
def test_training_questions_are_a_count_within_reach(asked: float, num_train: int) -> None:
    found = fit_config({**AXES, "training_questions": asked}, SweepConfig(), num_train).training_questions
    assert found is not None
    assert 1 <= found <= num_train
    assert found == (asked if asked > 1 else max(1, round(asked * num_train)))


def test_batches_shrink_on_little_data() -> None:
    values = {**AXES, "training_questions": 0.5}
    batches = {n: fit_config(values, SweepConfig(), n).batch_questions for n in (100, 2400, 6000, 29_000)}
    assert batches == {100: 32, 2400: 128, 6000: 352, 29_000: 512}
    assert fit_config({**values, "batch_questions": 512}, SweepConfig(), 100).batch_questions == 512
    assert fit_config(values, SweepConfig(preset="paper"), 100).batch_questions is None


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    def axis(values: st.SearchStrategy[float]) -> Range | list[float]:
        if draw(st.booleans()):
            return draw(st.lists(values, min_size=1, max_size=3, unique=True))
        low, high = sorted((draw(values), draw(values)))
        return Range(low, high)

    axes = {
        "embedding_dim": axis(st.integers(1, 500)), "noise": axis(st.floats(0, 0.5)),
        "learning_rate": axis(st.floats(1e-5, 0.5)), "weight_decay": axis(st.floats(0, 0.1)),
        "training_questions": axis(draw(st.sampled_from([st.floats(0.01, 1), st.integers(2, 1000)]))),
    }  # fmt: skip
    epochs = draw(st.none() | st.lists(st.integers(1, 50), min_size=1, max_size=3, unique=True))
    return SearchSpace(encoder=["a", "b"], epochs=epochs, **axes)  # type: ignore[arg-type]


@given(space=spaces(), name=st.sampled_from(["fast", "paper"]))
def test_a_search_begins_inside_its_space(space: SearchSpace, name: str) -> None:
    config = SweepConfig(space=space, preset=name)
    axes = distributions(space, 1000)
    found = start_configurations(config, 1000)
    assert [values["encoder"] for values in found] == ["a", "b"]
    for values in found:
        assert list(values) == list(axes)
        assert all(axes[name]._contains(axes[name].to_internal_repr(value)) for name, value in values.items())
        assert suggest(optuna.trial.FixedTrial(values), config, 1000) == fit_config(values, config, 1000)


def test_a_search_begins_with_the_nearest_to_the_preset_and_the_most_questions() -> None:
    space = SearchSpace(
        encoder=["a"], embedding_dim=[16, 200, 300], noise=Range(0.1, 0.2), training_questions=[0.5, 300, 1.0],
        learning_rate=Range(1e-4, 1e-3), batch_questions=[16, 400],
    )  # fmt: skip
    [found] = start_configurations(SweepConfig(space=space), 20_000)
    assert found == {
        "encoder": "a", "embedding_dim": 200, "noise": 0.1, "training_questions": 1.0, "learning_rate": 1e-3,
        "weight_decay": 1e-5, "batch_questions": 400,
    }  # fmt: skip
    [found] = start_configurations(SweepConfig(space=space, preset="paper"), 20_000)
    assert found["batch_questions"] == 16  # the recipe's batch depends on the number of models: the first choice


def test_too_many_training_questions_are_refused() -> None:
    space = SearchSpace(training_questions=[0.5, 3000])
    with pytest.raises(ConfigError, match="training_questions goes up to 3000 but there are 2000 training questions"):
        distributions(space, 2000)


def test_distributions_have_the_right_kinds() -> None:
    found = distributions(SearchSpace(training_questions=Range(10, 100, log=True), epochs=[5, 10]), 1000)
    assert found["training_questions"] == optuna.distributions.IntDistribution(10, 100, log=True)
    assert found["embedding_dim"] == optuna.distributions.IntDistribution(8, 256, log=True)
    assert found["epochs"] == optuna.distributions.CategoricalDistribution([5, 10])
    assert "batch_questions" not in found


def test_finite_spaces_are_counted_and_enumerated() -> None:
    assert space_size(SearchSpace()) is None
    everything = list(enumerate_space(FINITE))
    assert space_size(FINITE) == len(everything) == len({tuple(sorted(one.items())) for one in everything}) == 12


def test_baseline_is_the_official_recipe_on_an_encoder_of_the_space() -> None:
    assert baseline_config(SweepConfig(space=SearchSpace(encoder=["lsa"]))) == preset("paper").replace(encoder="lsa")
    with_official = SweepConfig(space=SearchSpace(encoder=["lsa", "all-mpnet-base-v2"]), seed=3)
    assert baseline_config(with_official) == preset("paper").replace(seed=3)
