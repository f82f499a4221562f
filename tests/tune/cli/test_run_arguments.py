"""From the command line and YAML to a `SweepConfig`."""

import dataclasses
from pathlib import Path

import pytest

from embedllm.cli.parser import Parser, UsageError
from embedllm.errors import ConfigError
from tune.cli import run
from tune.config import Range, SearchSpace, SweepConfig

SWEEP_YAML = Path(__file__).parents[3] / "configs" / "sweep.yaml"


def parse(*words: str) -> SweepConfig:
    parser = Parser("python -m tune run", "Search.", run.EXAMPLE)
    run.add_arguments(parser)
    parser.complete()
    return run.configuration(parser.parse(words))


def test_nothing_given_is_the_default() -> None:
    assert parse() == SweepConfig()


def test_the_shipped_file_is_the_default() -> None:
    assert parse("--config", str(SWEEP_YAML)) == SweepConfig()


def test_options_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("data: pool\ntrials: 7\nspace:\n  noise: [0.1]\n  embedding_dim: {low: 2, high: 4}\n")
    config = parse("--trials", "9", "--config", str(file), "--space.noise", "0,0.2")
    assert (config.data, config.trials) == ("pool", 9)
    assert config.space == SearchSpace(noise=[0.0, 0.2], embedding_dim=Range(2, 4))
    assert parse("lake", "--config", str(file)).data == "lake"


@pytest.mark.parametrize(
    ("typed", "axis"),
    [
        ("8..256:log", Range(8, 256, log=True)),
        ("8..256", Range(8, 256)),
        ("8", [8]),
        ("8,16", [8, 16]),
        ("[8, 16]", [8, 16]),
        ("{low: 8, high: 16}", Range(8, 16)),
    ],
)
def test_axes_as_typed(typed: str, axis: object) -> None:
    assert parse("--space.embedding-dim", typed).space.embedding_dim == axis
    assert parse(f"--space.embedding_dim={typed}").space.embedding_dim == axis


@pytest.mark.parametrize("typed", ["lsa,../models/minilm", "./../minilm", "a..b"])
def test_dots_of_a_path_are_no_range(typed: str) -> None:
    assert parse("--space.encoder", typed).space.encoder == typed.split(",")


def test_text_and_small_numbers() -> None:
    space = parse("--space.encoder", "lsa,all-MiniLM-L6-v2", "--space.learning-rate", "1e-4..1e-2:log").space
    assert space.encoder == ["lsa", "all-MiniLM-L6-v2"]
    assert space.learning_rate == Range(1e-4, 1e-2, log=True)
    assert parse("--space.batch-questions", "null").space.batch_questions is None


@pytest.mark.parametrize("name", SweepConfig().space.axes())
def test_axes_are_shown_as_they_are_typed(name: str) -> None:
    axis = getattr(SweepConfig().space, name)
    assert getattr(parse(f"--space.{name}", run.show_axis(axis)).space, name) == axis


@pytest.mark.parametrize("axis", [Range(0.0123456789, 0.05), Range(1e-07, 0.1, log=True), Range(8, 256)])
def test_ends_of_a_range_keep_every_digit(axis: Range) -> None:
    name = "embedding_dim" if axis.high > 1 else "weight_decay"
    assert getattr(parse(f"--space.{name}", run.show_axis(axis)).space, name) == axis


def test_a_flag_needs_no_value() -> None:
    assert parse("--deterministic", "pool").deterministic
    assert parse("--deterministic", "pool").data == "pool"
    assert parse("--deterministic", "true", "pool").data == "pool"
    assert not parse("--deterministic=false").deterministic


def test_every_field_has_an_option_under_one_heading() -> None:
    listed = [name for names in run.GROUPS.values() for name in names]
    own = ["objectives", "data", "space"]
    assert sorted([*listed, *own]) == sorted(field.name for field in dataclasses.fields(SweepConfig))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trails", "3"], "unknown option --trails; the nearest allowed is --trials"),
        (["--space.nois", "0"], "unknown option --space.nois; the nearest allowed is --space.noise"),
        (["--trials", "many"], "trials must be a whole number but is 'many'"),
        (["--sampler", "anneal"], "sampler must be one of tpe, random, qmc, grid, cmaes but is 'anneal'"),
        (
            ["--space.noise", "loud"],
            "space.noise must be a mapping of low, high, log or a list, each a number but is \"['loud']\"",
        ),
        (
            ["--space.noise", "0..x"],
            "space.noise must be a mapping of low, high, log or a list, each a number but is \"['0..x']\"",
        ),
        (
            ["--space.noise", "3,x"],
            "space.noise must be a mapping of low, high, log or a list, each a number but is \"[3.0, 'x']\"",
        ),
    ],
)
def test_bad_usage(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(*words)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trials", "0"], "trials must be at least 1 but is 0"),
        (
            ["--space.noise", "0.3..0.1", "--space.embedding-dim", "64..8:log"],
            "invalid search space: space.embedding_dim: a range needs low <= high but has low 64, high 8; swap them; "
            "space.noise: a range needs low <= high but has low 0.3, high 0.1; swap them",
        ),
        (["--objective", "test_accuracy"], "objective must be one of val_log_loss"),
    ],
)
def test_bad_values(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(*words)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "space:\n  embedding_dim: {low: 64, high: 8}\n",
            "invalid search space: space.embedding_dim: a range needs low <= high but has low 64, high 8; swap them",
        ),
        ("space:\n  noise: [-1]\n", "invalid search space: noise must not be negative but is [-1.0]"),
        ("trials: 0\n", "invalid sweep configuration: trials must be at least 1 but is 0"),
    ],
)
def test_a_bad_value_is_told_with_the_file_that_was_given(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as error:
        parse("--config", str(file))
    assert str(error.value) == f"with --config {file}: {message}"


@pytest.mark.parametrize(
    ("typed", "meant"), [("8:64", "8..64"), ("1e-4:1e-2:log", "1e-4..1e-2:log"), ("0:0.2", "0..0.2")]
)
def test_a_colon_makes_no_range(typed: str, meant: str) -> None:
    with pytest.raises(UsageError) as error:
        parse("--space.noise", typed)
    assert str(error.value) == f"'{typed}' is no AXIS; a range is LOW..HIGH, as in {meant}"


def test_unknown_keys_of_a_file_nested_ones_too(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("trails: 3\nspace:\n  nois: [0]\n")
    with pytest.raises(ConfigError) as error:
        parse("--config", str(file))
    assert "unknown key 'trails'; the nearest allowed is 'trials'" in str(error.value)
    assert "unknown key 'space.nois'; the nearest allowed is 'space.noise'" in str(error.value)


@pytest.mark.parametrize(
    "words",
    [
        ("--objectives", "val_accuracy:max,training_questions:min"),
        ("--objectives=val_accuracy, training_questions",),
        ("--objectives", "[val_accuracy, {name: training_questions, direction: min}]"),
        ("--objective", "val_accuracy", "--objectives", "val_accuracy,training_questions"),
    ],
)
def test_objectives_as_typed(words: tuple[str, ...]) -> None:
    config = parse(*words)
    assert config == SweepConfig(objectives=["val_accuracy", "training_questions"])
    assert run.show_objectives(config.objectives) == "val_accuracy:max,training_questions:min"


def test_objectives_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("objectives:\n- val_brier\n- {name: embedding_dim, direction: min}\nfinalists: 3\n")
    config = parse("--config", str(file))
    assert config == SweepConfig(objectives=["val_brier", "embedding_dim"], finalists=3)
    assert parse("--config", str(file), "--objectives", "null").objectives is None


def test_an_objective_that_is_not_the_first_of_the_objectives_is_refused() -> None:
    with pytest.raises(ConfigError, match="objective is val_log_loss but objectives begin with val_accuracy"):
        parse("--objective", "val_log_loss", "--objectives", "val_accuracy,training_questions")
    with pytest.raises(ConfigError, match="the nearest allowed is 'val_log_loss'"):
        parse("--objectives", "val_logloss:min,training_questions:min")
