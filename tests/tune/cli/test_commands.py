"""The commands of `python -m tune` as a newcomer types them, with a real Ray Tune on tiny simulated data."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedllm.data import simulate
from tune.cli import COMMANDS, main
from tune.folder import SweepFolder
from tune.runner import Sweep
from tune.search.study import SweepStudy, read_records

Output = tuple[str, str]
TINY = (
    "--space.encoder", "lsa:8,lsa:16", "--space.embedding-dim", "2,4", "--space.training-questions", "1.0",
    "--space.batch-questions", "32", "--space.epochs", "2", "--seeds", "2", "--slots", "1",
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, ray_here: None) -> Iterator[Path]:
    """A folder with `pool` (data) and `sweep`, run once for all tests; Ray stays up in between."""
    home = tmp_path_factory.mktemp("home")
    simulate(models=6, questions=200, seed=1).save(home / "pool")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("EMBEDLLM_CACHE", str(home / "cache"))
        assert main(["run", "pool", "--trials", "3", "--out", "sweep", *TINY]) == 0
        yield home


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Output]:
    """Run a command line at home; it must end with `code`. Returns stdout and stderr."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("EMBEDLLM_CACHE", str(home / "cache"))

    def run_command(*words: str, code: int = 0) -> Output:
        returned = main(list(words))
        captured = capsys.readouterr()
        assert returned == code, captured.err
        return captured.out, captured.err

    return run_command


Run = Callable[..., Output]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(run: Run, name: str) -> None:
    out, _ = run(*name.split(), "--help")
    assert out.startswith(f"usage: embedllm-tune {name} ")
    assert COMMANDS[name].summary in out
    examples = out.partition("\nexample:\n")[2].splitlines()
    assert examples
    assert all(line.startswith(f"  python -m tune {name}") for line in examples)
    assert max(map(len, out.splitlines())) <= 100


def test_the_overview_carries_the_name_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/tune/__main__.py"])
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: python -m tune COMMAND …")


def test_run_leaves_everything_in_one_folder(home: Path) -> None:
    trials = [record for record in read_records(home / "sweep") if record.role == "trial"]
    assert [record.state for record in trials] == ["COMPLETE"] * 3
    assert {"leaderboard.csv", "winner.json", "winner", "sweep.json"} <= {
        path.name for path in (home / "sweep").iterdir()
    }
    assert (home / "mlflow.db").is_file()


def test_resume_extends_and_reports(run: Run, home: Path) -> None:
    out, err = run("resume", "sweep", "--trials", "4")
    assert "pool: 6 models, 200 questions (160 train, 20 val, 20 test)" in err
    assert "embedding_dim 2,4" in err
    assert "4/4 trials" in err
    assert "Trials: 4 complete, 0 failed." in out
    assert "On the test questions, evaluated for finalists only:" in out
    assert "paper's recipe" in out
    assert '`embedllm route sweep/winner "QUESTION"` uses the winner.' in out
    assert f"mlflow ui --backend-store-uri sqlite:///{home}/mlflow.db" in out


def test_mlflow_has_parent_trials_baseline_and_files(home: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    [experiment] = [found for found in client.search_experiments() if found.name == "embedllm-tune"]
    runs = client.search_runs([experiment.experiment_id])
    [parent] = [found for found in runs if "mlflow.parentRunId" not in found.data.tags]
    children = [found for found in runs if found.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == len(read_records(home / "sweep"))
    assert parent.info.status == "FINISHED"
    assert parent.data.params["space.embedding_dim"] == "2,4"
    assert "trials" not in parent.data.params, "it would stay what it was when `resume --trials` changes it"
    assert parent.data.tags["target_trials"] == str(SweepFolder.open(home / "sweep").config.trials)
    assert parent.data.tags["address"] == "this machine"
    assert "test_log_loss" in parent.data.metrics
    assert {"leaderboard.csv", "report.html", "figures", "winner.json", "winner"} <= {
        file.path for file in client.list_artifacts(parent.info.run_id)
    }


def test_leaderboard_in_every_format(run: Run) -> None:
    out, _ = run("leaderboard", "sweep")
    assert "val log-loss" in out
    assert "MLflow: mlflow ui" in out
    rows = json.loads(run("leaderboard", "sweep", "--format", "json")[0])
    ranked = [row for row in rows if row["rank"] is not None]
    assert [row["rank"] for row in ranked] == list(range(1, len(ranked) + 1))
    assert [row["val_log_loss"] for row in ranked] == sorted(row["val_log_loss"] for row in ranked)
    assert {row["role"] for row in rows} == {"trial", "baseline"}
    top = list(csv.DictReader(io.StringIO(run("leaderboard", "sweep", "--top", "1", "--format", "csv")[0])))
    assert sorted(row["role"] for row in top) == ["baseline", "trial"]
    assert run("leaderboard", "sweep", "--format", "markdown")[0].startswith("| rank |")
    assert all(row["delta_low"] <= row["delta"] <= row["delta_high"] for row in ranked)
    assert sum(row["test_log_loss"] is not None for row in rows) == 2, "the winner and the baseline"
    page = run("leaderboard", "sweep", "--format", "html")[0]
    assert page.startswith("<!DOCTYPE html>")
    assert "Leaderboard of the sweep sweep" in page


def test_report_is_written_where_asked(run: Run, home: Path) -> None:
    assert (home / "sweep" / "report.html").is_file(), "the sweep's end writes it"
    out, _ = run("report", "sweep", "--out", "page.html")
    assert out == "page.html\n"
    assert "--space.embedding-dim 2,4" in (home / "page.html").read_text(), "how to do it again"


def test_rerun_gives_the_same_result(run: Run) -> None:
    out, err = run("rerun", "sweep", "0", "--format", "json")
    assert "trial 0: lsa:" in err
    rows = {row["metric"]: row for row in json.loads(out)}
    assert rows["val_log_loss"]["difference"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["leaderboard", "pool"], "pool is not a sweep: sweep.json is missing"),
        (["leaderboard", "sweep", "--sort", "speed"], "cannot sort by 'speed'; allowed: rank, trial"),
        (["rerun", "sweep", "99"], "has no trial 99; it has 0 to"),
        (["run", "pool", "--out", "sweep"], "holds a sweep already; continue it with `python -m tune resume sweep`"),
        (["run", "nowhere", "--out", "new"], "no such folder"),
        (["run", "pool", "--out", "new", "--tracking-uri", "file:/x"], "tracking URI 'file:/x' is neither"),
        (["run", "pool", "--out", "new", "--space.training-questions", "5000"], "there are 160 training questions"),
        (
            ["run", "pool", "--out", "new", "--space.training-questions", "1.2..1.8"],
            "no whole number lies in 1.2 to 1.8",
        ),
        (["resume", "sweep", "--trials", "1"], "are finished; ask for "),
        (["lead", "sweep"], "unknown command 'lead'; the nearest is `leaderboard`"),
    ],
)
def test_mistakes_are_told_and_nothing_is_left(run: Run, home: Path, words: list[str], message: str) -> None:
    _, err = run(*words, code=2)
    assert message in err
    assert "Traceback" not in err
    assert not (home / "new").exists()


def test_an_interrupted_sweep_says_how_to_go_on(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    real = Sweep.run

    def interrupted(self: Sweep, *args: object, **kwargs: object) -> object:
        result = real(self, *args, **kwargs)  # type: ignore[arg-type]
        return dataclasses.replace(result, stopped="interrupted", winner=None)

    monkeypatch.setattr(Sweep, "run", interrupted)
    out, _ = run("resume", "sweep", code=130)
    assert "Ended early: interrupted. Run `python -m tune resume sweep` to continue." in out


def test_a_sweep_that_is_running_is_left_alone(run: Run, home: Path) -> None:
    files = [home / "sweep" / name for name in ("sweep.json", "mlflow.json", "runs.jsonl", "journal.log")]
    folder = SweepFolder.open(home / "sweep")
    with SweepStudy(folder.path, folder.config, folder.questions["train"]):
        before = [file.read_bytes() for file in files]
        _, err = run("resume", "sweep", "--trials", "50", code=2)
        assert [file.read_bytes() for file in files] == before
    assert "is being run by another process; wait for it or stop it, then use `python -m tune resume" in err


def test_the_baseline_can_be_run_again_too(run: Run) -> None:
    out, err = run("rerun", "sweep", "paper", "--format", "json")
    rows = {row["metric"]: row for row in json.loads(out)}
    assert rows["val_log_loss"]["difference"] == pytest.approx(0, abs=1e-5)
    assert "test_log_loss" in rows, "the baseline is judged on the test questions, too"
    assert err.startswith("trial paper: ")


def test_resume_takes_new_surroundings(run: Run, home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "sweep", tmp_path / "sweep")
    shutil.copytree(home / "pool", tmp_path / "moved")
    simulate(models=6, questions=200, seed=2).save(tmp_path / "other")
    sweep = str(tmp_path / "sweep")
    _, err = run("resume", sweep, "--data", str(tmp_path / "other"), code=2)
    assert f"{tmp_path / 'other'} is not the data that" in err
    _, err = run("resume", sweep, "--address", "127.0.0.1:9", code=2)
    assert "no Ray cluster answers at '127.0.0.1:9'" in err
    assert SweepFolder.open(sweep).config.address is None, "what does not answer is not kept"
    run("resume", sweep, "--data", str(tmp_path / "moved"), "--dry-run")
    assert SweepFolder.open(sweep).config.data != str(tmp_path / "moved"), "a dry run writes nothing"
    run("resume", sweep, "--data", str(tmp_path / "moved"), "--address", "local")
    assert SweepFolder.open(sweep).config.data == str(tmp_path / "moved")


def test_a_space_smaller_than_the_target_is_told(run: Run) -> None:
    grid = ("--sampler", "grid", "--space.noise", "0", "--space.learning-rate", "0.01", "--space.weight-decay", "0")
    out, _ = run("run", "pool", "--out", "grid", "--trials", "9", *TINY, *grid)
    assert "The search space has no more configurations: 4 trials instead of 9." in out


def test_a_trial_that_fails_again_fails_the_rerun(run: Run) -> None:
    wild = ("--space.learning-rate", "1e30", "--space.encoder", "lsa:8", "--space.embedding-dim", "2")
    _, err = run("run", "pool", "--out", "wild", "--trials", "1", *TINY, *wild, code=2)
    assert "no trial of" in err
    out, err = run("rerun", "wild", "0", code=2)
    assert out == ""
    assert "failed again: seed 0: diverged" in err
