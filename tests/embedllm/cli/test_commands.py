"""The commands of `embedllm`, one after the other as a newcomer types them, on tiny simulated data."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embedllm.cli import PROGRAM, main
from embedllm.cli.data_import import COLUMNS
from embedllm.cli.fit import DEFAULT_PRESET
from embedllm.data import CorrectnessMatrix
from embedllm.evaluation import METRICS

Output = tuple[str, str]
TINY_FIT = ("--encoder", "lsa:16", "--embedding-dim", "4", "--batch-questions", "32", "--epochs", "3", "--seeds", "2")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data`, simulated, and `artifact`, fitted on it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("EMBEDLLM_CACHE", str(home / "cache"))
        assert main(["data", "simulate", "data", "--models", "6", "--questions", "200", "--missing", "0.1"]) == 0
        assert main(["fit", "data", "--out", "artifact", *TINY_FIT]) == 0
    return home


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Output]:
    """Run a command line at home; it must succeed (or end with `code`). Returns stdout and stderr."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("EMBEDLLM_CACHE", str(home / "cache"))

    def run_command(*words: str, code: int = 0) -> Output:
        returned = main(list(words))
        captured = capsys.readouterr()
        assert returned == code, captured.err
        return captured.out, captured.err

    return run_command


Run = Callable[..., Output]


@pytest.mark.parametrize("name", PROGRAM.commands)
def test_help_of_every_command(run: Run, name: str) -> None:
    out, _ = run(*name.split(), "--help")
    assert out.startswith(f"usage: embedllm {name} ")
    assert PROGRAM.commands[name].summary in out
    examples = out.partition("\nexample:\n")[2].splitlines()
    assert examples
    assert all(line.startswith(f"  embedllm {name} ") for line in examples)
    assert max(map(len, out.splitlines())) <= 100


def test_simulate_says_what_can_be_reached(run: Run, tmp_path: Path) -> None:
    out, _ = run("data", "simulate", str(tmp_path / "more"), "--models", "3", "--questions", "50", "--seed", "1")
    assert f"simulated 3 models on 50 questions, saved in {tmp_path}/more" in out
    assert "a predictor that knows the true probabilities expects accuracy 0." in out
    assert out.endswith(" over all questions; train, val and test each deviate a little from that\n")


def test_simulate_defaults_are_the_papers_shape(run: Run) -> None:
    from embedllm.data.simulate import PAPER_MODELS, PAPER_QUESTIONS

    text = " ".join(run("data", "simulate", "--help")[0].split())
    assert f"number of LLMs (default: {PAPER_MODELS})" in text
    assert f"across ten benchmarks (default: {PAPER_QUESTIONS})" in text


def test_describe(run: Run) -> None:
    out, _ = run("data", "describe", "data")
    assert "6 models, 200 questions, 10 benchmarks" in out
    assert "social_iqa" in out
    rows = json.loads(run("data", "describe", "data", "--format", "json")[0])
    assert [row["table"] for row in rows] == ["summary"] + 10 * ["benchmarks"] + 6 * ["models"]
    top = run("data", "describe", "data", "--table", "models", "--top", "2", "--format", "csv")[0]
    assert [row["rank"] for row in csv.DictReader(io.StringIO(top))] == ["1", "2"]


@pytest.mark.parametrize("top", ["0", "-3"])
def test_describe_refuses_to_list_no_models(run: Run, top: str) -> None:
    assert f"top must be at least 1, or null, but is {top}" in run("data", "describe", "data", "--top", top, code=2)[1]


def test_import_reports_and_takes_column_names(run: Run, tmp_path: Path) -> None:
    rows = [f"m{model},q{question},{(model + question) % 2}" for model in range(3) for question in range(4)]
    (tmp_path / "results.csv").write_text("subject,riddle,passed\n" + "\n".join(rows) + "\n")
    mapping = ("--columns.model", "subject", "--columns.question", "riddle", "--columns.label", "passed")
    out, _ = run("data", "import", str(tmp_path / "results.csv"), str(tmp_path / "imported"), *mapping)
    assert "models      3" in out
    assert CorrectnessMatrix.load(tmp_path / "imported").correct.sum() == 6


def test_import_offers_every_column_the_library_knows() -> None:
    from embedllm.data.importing.layout import SYNONYMS

    assert set(COLUMNS) == set(SYNONYMS)


def test_import_tells_every_problem_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("model,question,label\na,q1,2\na,q2,x\n")
    _, err = run("data", "import", str(tmp_path / "bad.csv"), str(tmp_path / "imported"), code=2)
    assert "error: 1 problem in" in err
    assert "'2' (row 1), 'x' (row 2)" in err
    assert "Traceback" not in err
    assert not (tmp_path / "imported").exists()


def test_download_without_network_names_the_alternatives(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> str:
        raise ConnectionError("name resolution failed")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    _, err = run("data", "download", str(tmp_path / "public"), "--revision", "abc", code=2)
    assert "cannot fetch RZ412/EmbedLLM at revision abc" in err
    assert "embedllm data simulate" in err


def test_encode_fills_the_cache(run: Run) -> None:
    assert "200 questions, width 8, encoded in" in run("encode", "data", "--encoder", "lsa:8")[0]
    assert "200 questions, width 8, read from the cache" in run("encode", "data", "--encoder", "lsa:8")[0]


def test_encode_refuses_a_seed_without_effect(run: Run) -> None:
    _, err = run("encode", "data", "--encoder", "lsa:8", "--split-seed", "5", code=2)
    assert "--split-seed 5 has no effect: the data gives all three sides; add --split random" in err


def test_encode_refuses_a_device_there_is_not(run: Run) -> None:
    _, err = run("encode", "data", "--encoder", "lsa:8", "--device", "bogus", code=2)
    assert "device must be" in err
    assert "but is 'bogus'" in err


def test_fit_compares_with_every_baseline(run: Run) -> None:
    out, err = run("fit", "data", "--out", "again", *TINY_FIT)
    assert "simulated data: 6 models, 160 questions to train on" in out
    assert "EmbedLLM: lsa:16, dimension 4, noise 0.05, 3 epochs; 2 seeds" in out
    for title in ("EmbedLLM, 2 seeds averaged", "per-model mean", "kNN", "logistic regression per model", "oracle"):
        assert title in out
    assert "±: standard deviation over seeds" in out
    assert "standard error over questions, EmbedLLM: accuracy 0." in out
    assert "saved in again" in err


def test_fit_compares_where_only_one_question_is_asked(run: Run, tmp_path: Path) -> None:
    """All labels may then be equal, and ROC-AUC and its deviation are undefined."""
    data, artifact = str(tmp_path / "data"), str(tmp_path / "artifact")
    run("data", "simulate", data, "--models", "1", "--questions", "10")
    tiny = ("fit", data, "--out", artifact, "--encoder", "lsa:8", "--embedding-dim", "4")
    first = json.loads(run(*tiny, "--seeds", "2", "--format", "json")[0])[0]
    assert first["roc_auc"] is None
    assert first["accuracy_sd"] is not None
    assert "roc_auc_sd" not in first
    out, _ = run(*tiny, "--seeds", "1", "--epochs", "1")
    assert "1 model, 8 questions to train on, 1 test question; split: given\n" in out
    assert "1 epoch; 1 seed in" in out
    assert "nan" not in out


def test_fit_as_json_holds_every_metric_and_sd(run: Run) -> None:
    out, _ = run("fit", "data", "--out", "again", *TINY_FIT, "--format", "json")
    first, second, *baselines = json.loads(out)
    assert {"method", "title", "side", "seeds", *METRICS, *(f"{name}_sd" for name in METRICS)} <= set(first)
    assert {"accuracy_se", "log_loss_se", "routing_micro_se"} <= set(first)
    assert (first["method"], first["side"], first["seeds"]) == ("embedllm", "test", 2)
    assert second["method"] == "embedllm_averaged"
    assert [row["method"] for row in baselines] == [
        "model_mean", "benchmark_lookup", "predicted_benchmark_lookup", "knn", "logistic_regression",
        "random_by_share", "oracle",
    ]  # fmt: skip


def test_configuration_precedence(run: Run, home: Path, tmp_path: Path) -> None:
    """Command line over file over preset over the class's defaults."""
    (tmp_path / "fit.yaml").write_text("learning_rate: 0.005\nnoise: 0.2\n")
    run("fit", "data", "--out", "configured", *TINY_FIT, "--config", str(tmp_path / "fit.yaml"), "--noise", "0")
    fit = json.loads((home / "configured" / "config.json").read_text())["fit"]
    assert fit["noise"] == 0  # command line
    assert fit["learning_rate"] == 0.005  # file
    assert fit["schedule"] == "one-cycle"  # preset
    assert fit["weight_decay"] == 1e-5  # default
    run("fit", "data", "--out", "configured", *TINY_FIT, "--preset", "paper")
    fit = json.loads((home / "configured" / "config.json").read_text())["fit"]
    assert (fit["schedule"], fit["learning_rate"], fit["epochs"]) == ("constant", 1e-4, 3)


def test_the_help_of_fit_names_the_default_preset(run: Run) -> None:
    out, _ = run("fit", "--help")
    assert f"Defaults are those of --preset {DEFAULT_PRESET}; paper has learning_rate 0.0001" in " ".join(out.split())


def test_fit_refuses_what_it_would_overwrite_before_training(run: Run) -> None:
    _, err = run("fit", "data", "--out", "data", *TINY_FIT, code=2)
    assert "data exists and is not an artifact; choose another folder or empty it" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--noise", "-1", "--epochs", "0"],
            "epochs must be at least 1 but is 0; noise must be zero or positive but is",
        ),
        (["--seeds", "0"], "seeds must be at least 1 but is 0"),
        (["--training-questions", "9999"], "9999"),
        (["--preset", "quick"], "preset must be one of paper, fast but is 'quick'"),
        (["--device", "bogus"], "device must be"),
        (["--split", "random", "--split-seed", "-1"], "split_seed must be at least 0 but is -1"),
        (
            ["--split-seed", "5"],
            "--split-seed 5 has no effect: the data gives all three sides; add --split random",
        ),
        (
            ["--split", "given", "--split-seed", "-1"],
            "--split-seed -1 has no effect: --split is given; add --split random",
        ),
        (["--encoder", "lsa:wide"], "WIDTH in `lsa:WIDTH` must be a positive whole number"),
    ],
)
def test_bad_fits(run: Run, words: list[str], message: str) -> None:
    _, err = run("fit", "data", "--out", "bad", *TINY_FIT, *words, code=2)
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("key", ["seeds", "side", "split", "split_seed", "format", "encoder", "learning_rate", "seed"])
def test_null_is_refused_in_a_file_where_it_means_nothing(run: Run, tmp_path: Path, key: str) -> None:
    (tmp_path / "null.yaml").write_text(f"{key}: null\n")
    _, err = run("fit", "data", "--out", "bad", "--config", str(tmp_path / "null.yaml"), code=2)
    assert f"{key} must be " in err
    assert "but is null" in err
    assert "Traceback" not in err


def test_missing_data_names_the_commands_that_make_it(run: Run) -> None:
    _, err = run("fit", "nowhere", "--out", "bad", code=2)
    assert "no such folder; make one with `embedllm data import SRC DATA`" in err


def test_evaluate_reproduces_what_fit_reported(run: Run) -> None:
    fitted = json.loads(run("fit", "data", "--out", "again", *TINY_FIT, "--format", "json")[0])[1]
    [row] = json.loads(run("evaluate", "again", "data", "--format", "json")[0])
    assert (row["side"], row["models"], row["questions"]) == ("test", 6, 20)
    for name in METRICS:
        assert row[name] == pytest.approx(fitted[name], abs=1e-6)


def test_evaluate_finds_a_random_split_again(run: Run) -> None:
    words = ("fit", "data", "--out", "again", *TINY_FIT, "--split", "random", "--split-seed", "5")
    assert "20 test questions; split: random, seed 5\n" in run(*words)[0]
    fitted = json.loads(run(*words, "--training-questions", "50", "--format", "json")[0])[1]
    [row] = json.loads(run("evaluate", "again", "data", "--format", "json")[0])
    assert [row[name] for name in METRICS] == pytest.approx([fitted[name] for name in METRICS], abs=1e-6)


def test_evaluate_per_benchmark_and_per_model(run: Run) -> None:
    rows = json.loads(run("evaluate", "artifact", "data", "--side", "all", "--by", "model", "--format", "json")[0])
    assert len(rows) == 6
    assert sum(row["routed_share"] for row in rows) == pytest.approx(1)
    benchmarks = json.loads(
        run("evaluate", "artifact", "data", "--side", "all", "--by", "benchmark", "--format", "json")[0]
    )
    assert sum(row["questions"] for row in benchmarks) == 200
    [whole] = json.loads(run("evaluate", "artifact", "data", "--side", "all", "--format", "json")[0])
    for name in ("routing_micro", "routing_regret"):
        average = np.average([row[name] for row in benchmarks], weights=[row["questions"] for row in benchmarks])
        assert whole[name] == pytest.approx(average)
    _, err = run("evaluate", "artifact", "data", "--side", "train")
    assert "trained on train questions" in err


def test_evaluate_on_other_data_matches_models_by_name(run: Run, home: Path, tmp_path: Path) -> None:
    data = CorrectnessMatrix.load(home / "data")
    names = data.model_names
    names[0] = "a stranger"
    order = [5, 0, 3]
    models = data.models.set_column(data.models.column_names.index("model_name"), "model_name", [names]).take(order)
    CorrectnessMatrix(data.correct[order], data.attempts[order], data.questions, models).save(tmp_path / "other")
    out, err = run("evaluate", "artifact", str(tmp_path / "other"), "--format", "json")
    [row] = json.loads(out)
    assert (row["side"], row["models"], row["questions"]) == ("all", 2, 200)
    assert "left out: 1 model the artifact does not know, such as 'a stranger'" in err
    known = json.loads(run("evaluate", "artifact", "data", "--side", "all", "--by", "model", "--format", "json")[0])
    expected = np.average(
        [known[model]["accuracy"] for model in (5, 3)], weights=[known[model]["answers"] for model in (5, 3)]
    )
    assert row["accuracy"] == pytest.approx(expected)


def test_route_ranks_models(run: Run) -> None:
    out, _ = run("route", "artifact", "What is a derivative?", "--top", "3")
    assert out.startswith("What is a derivative?\n\nrank  model")
    rows = json.loads(run("route", "artifact", "one?", "two?", "--top", "null", "--format", "json")[0])
    assert [row["rank"] for row in rows] == [*range(1, 7), *range(1, 7)]
    assert {row["question"] for row in rows} == {"one?", "two?"}
    chances = [row["probability"] for row in rows[:6]]
    assert chances == sorted(chances, reverse=True)


def test_route_reads_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("first?\n\nsecond?\n"))
    rows = list(csv.DictReader(io.StringIO(run("route", "artifact", "-", "--top", "1", "--format", "csv")[0])))
    assert [row["question"] for row in rows] == ["first?", "second?"]


def test_route_takes_bytes_that_are_no_text(run: Run) -> None:
    """As `embedllm route artifact $'caf\\xff x'` passes them on."""
    out, _ = run("route", "artifact", "caf\udcff x", "--top", "1")
    assert out.startswith("caf\ufffd x\n\nrank  model")


def test_route_refuses_empty_questions_and_no_artifacts(run: Run) -> None:
    assert "a question is empty" in run("route", "artifact", " ", code=2)[1]
    assert "top must be at least 1, or null, but is 0" in run("route", "artifact", "why?", "--top", "0", code=2)[1]
    assert "data is not an artifact" in run("route", "data", "why?", code=2)[1]
