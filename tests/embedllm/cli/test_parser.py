"""The parser: typed fields, YAML, overrides, and the text of every error."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from embedllm.cli.parser import Notation, Parser, UsageError, nearest
from embedllm.config import FitConfig
from embedllm.errors import ConfigError


@pytest.fixture
def parser() -> Parser:
    parser = Parser("embedllm fit", "Train.", "embedllm fit data --out model")
    parser.add_argument("data", metavar="DATA", help="folder")
    parser.add_argument("--out", metavar="ARTIFACT", required=True, help="where to")
    parser.add_config_file()
    parser.add_fields(
        "configuration", FitConfig(), only=[name for name in FitConfig.__dataclass_fields__ if name != "seed"]
    )
    parser.complete()
    return parser


def given(parser: Parser, *words: str) -> dict[str, object]:
    """What the user gave, of the configuration's fields."""
    arguments = parser.parse(["pool", "--out", "model", *words]).as_dict()
    return {key: value for key, value in arguments.items() if key in FitConfig.__dataclass_fields__}


def test_only_given_fields_are_present_and_typed(parser: Parser) -> None:
    assert given(parser) == {}
    assert given(parser, "--learning-rate", "1e-3", "--batch-questions", "64", "--training-questions", "null") == {
        "learning_rate": 1e-3,
        "batch_questions": 64,
        "training_questions": None,
    }


def test_the_yaml_spelling_works_as_an_option(parser: Parser) -> None:
    assert given(parser, "--batch_questions=64", "--noise_per", "question") == {
        "batch_questions": 64,
        "noise_per": "question",
    }


@pytest.mark.parametrize("order", [("--config", "{file}", "--noise", "0.3"), ("--noise", "0.3", "--config={file}")])
def test_options_win_over_the_file_in_any_order(parser: Parser, tmp_path: Path, order: tuple[str, ...]) -> None:
    file = tmp_path / "fit.yaml"
    file.write_text("noise: 0.1\nlearning_rate: 1e-3\n")
    words = [word.format(file=file) for word in order]
    assert given(parser, *words) == {"noise": 0.3, "learning_rate": 1e-3}


def test_an_empty_file_is_fine(parser: Parser, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing chosen yet\n")
    assert given(parser, "--config", str(tmp_path / "empty.yaml")) == {}


def test_words_after_the_double_dash_are_left_alone(parser: Parser) -> None:
    parser.add_argument("questions", nargs="*")
    arguments = parser.parse(["--out", "model", "pool", "--", "--is_this a question?"])
    assert arguments.questions == ["--is_this a question?"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--lerning-rate", "1"], "unknown option --lerning-rate; the nearest allowed is --learning-rate"),
        (["--lerning_rate=1"], "unknown option --lerning-rate; the nearest allowed is --learning-rate"),
        (["--bach", "1", "--epocs", "2"], "--bach; the nearest allowed is --batch-questions\nunknown option --epocs"),
        (["stray"], "unexpected argument 'stray'"),
        (["--embedding-dim", "wide"], "embedding_dim must be a whole number but is 'wide'"),
        (["--noise", "loud"], "noise must be a number but is 'loud'"),
        (["--batch-questions", "x"], "batch_questions must be a whole number or null but is 'x'"),
        (["--noise-per", "epoch"], "noise_per must be one of pair, question but is 'epoch'"),
        (["--noise"], "--noise needs a value, as in `--noise NUMBER`"),
        (["--noise", "--epochs", "3"], "--noise needs a value, as in `--noise NUMBER`"),
        (["--config"], "--config needs a value, as in `--config FILE`"),
        (["--config", "--noise", "0.3"], "--config needs a value, as in `--config FILE`"),
        (["--embed", "3"], "unknown option --embed; the nearest allowed is --embedding-dim"),
        (["--config", "no.yaml"], "--config: there is no file no.yaml"),
    ],
)
def test_what_does_not_fit_is_said(parser: Parser, words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        given(parser, *words)
    assert message in str(error.value)


def test_missing_arguments_are_named(parser: Parser) -> None:
    with pytest.raises(UsageError, match="missing DATA, --out"):
        parser.parse([])


def test_every_unknown_key_of_a_file_is_named_at_once(parser: Parser, tmp_path: Path) -> None:
    file = tmp_path / "typos.yaml"
    file.write_text("noize: 0.1\nepochs: 3\nlerning_rate: 1e-3\n")
    with pytest.raises(ConfigError) as error:
        given(parser, "--config", str(file))
    assert str(error.value) == (
        f"{file}: unknown key 'noize'; the nearest allowed is 'noise'; "
        "unknown key 'lerning_rate'; the nearest allowed is 'learning_rate'"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("noise: [0.1", "is not valid YAML"),
        ("noise: 0\nepochs: 3\nnoise: 0.1", "bad.yaml: key 'noise' is given twice, in lines 1 and 3; keep one"),
        ("noise: loud", "bad.yaml: noise must be a number but is 'loud'"),
        ("- noise", "must hold `key: value` lines but holds a list"),
        ("noise: loud", "noise must be a number but is 'loud'"),
        ("embedding_dim: null", "bad.yaml: embedding_dim must be a whole number but is null"),
        (
            "epochs: null\nkeep: ~",
            "epochs must be a whole number but is null; keep must be one of best, last but is null",
        ),
    ],
)
def test_a_bad_file_is_told(parser: Parser, tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    with pytest.raises(UsageError, match=message):
        given(parser, "--config", str(file))


def test_null_is_fine_where_it_is_allowed(parser: Parser, tmp_path: Path) -> None:
    file = tmp_path / "open.yaml"
    file.write_text("patience: null\ntraining_questions: null\n")
    assert given(parser, "--config", str(file)) == {"patience": None, "training_questions": None}


def test_null_is_fine_for_what_may_be_left_out(parser: Parser, tmp_path: Path) -> None:
    """As `data` in configs/sweep.yaml."""
    parser.add_argument("pool", nargs="?", type=str, default="simulated")
    parser.add_argument("--label", type=str)
    file = tmp_path / "open.yaml"
    file.write_text("pool: null\nlabel: null\n")
    arguments = parser.parse(["data", "--out", "model", "--config", str(file)])
    assert arguments.label is None


def test_null_on_the_command_line_is_called_null(parser: Parser) -> None:
    with pytest.raises(UsageError, match=r"^embedding_dim must be a whole number but is null$"):
        given(parser, "--embedding-dim", "null")


@pytest.mark.parametrize("typed", ["--columns.model_name", "--columns.model-name"])
def test_an_option_declared_with_underscores_works_in_both_spellings(parser: Parser, typed: str) -> None:
    parser.add_argument("--columns.model_name", type=str)
    arguments = parser.parse(["pool", "--out", "model", typed, "llm"])
    assert arguments.columns.model_name == "llm"


def test_what_help_hides_is_never_proposed(parser: Parser, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("print_shtub: 3\n")
    with pytest.raises(ConfigError) as of_key:
        given(parser, "--config", str(file))
    with pytest.raises(UsageError) as of_option:
        given(parser, "--print-shtub")
    assert "unknown key 'print_shtub'" in str(of_key.value)
    assert "unknown option --print-shtub" in str(of_option.value)
    assert "shtab" not in str(of_key.value) + str(of_option.value)


def test_a_hidden_argument_is_no_key(parser: Parser, tmp_path: Path) -> None:
    file = tmp_path / "hidden.yaml"
    file.write_text("print_shtab: bash\n")
    with pytest.raises(ConfigError, match="unknown key 'print_shtab'"):
        given(parser, "--config", str(file))


def test_help_has_meaning_metavar_and_default_of_every_field(parser: Parser) -> None:
    text = " ".join(parser.format_help().split())
    assert text.startswith("usage: embedllm fit DATA --out ARTIFACT [options] Train.")
    assert "--noise NUMBER Standard deviation α of the Gaussian noise" in text
    assert "while training (default: 0.05)" in text
    assert "--noise-per {pair,question}" in text
    assert "--batch-questions INT|null" in text
    assert "null = never stop early (default: null)" in text
    assert "--seed" not in text
    assert text.endswith("example: embedllm fit data --out model")


def test_nearest() -> None:
    assert nearest("lerning_rate", ["noise", "learning_rate"]) == "learning_rate"
    assert nearest("bach", ["patience", "epochs", "batch_questions"]) == "batch_questions"
    assert nearest("zzz", ["noise"]) == "noise"


@pytest.fixture
def listing() -> Parser:
    parser = Parser("tune run")
    commas = Notation("A,B,…", lambda typed: f"[{typed}]", str)
    parser.add_fields("lists", Lists(), notation=commas)
    parser.complete()
    return parser


@dataclass(frozen=True)
class Lists:
    """Fields that are typed as lists.

    Args:
        shifts: numbers.
        sizes: more numbers.
    """

    shifts: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


def test_a_listed_value_may_be_a_negative_number(listing: Parser) -> None:
    arguments = listing.parse(["--shifts", "-1,2", "--sizes", "3"])
    assert (arguments.shifts, arguments.sizes) == ([-1, 2], [3])


@pytest.mark.parametrize("words", [["--shifts", "--sizes", "3"], ["--sizes", "3", "--shifts"], ["--shifts", "--"]])
def test_the_next_option_is_not_taken_as_a_value(listing: Parser, words: list[str]) -> None:
    with pytest.raises(UsageError, match=r"^--shifts needs a value, as in `--shifts A,B,…`$"):
        listing.parse(words)


def test_an_option_of_other_commands_is_unknown_even_without_its_value(listing: Parser) -> None:
    with pytest.raises(UsageError, match="unknown option --config"):
        listing.parse(["--config"])


def test_a_negative_number_is_a_value(parser: Parser) -> None:
    assert given(parser, "--noise", "-1") == {"noise": -1.0}
