"""`--dry-run` as a careful user types it, and a sweep that has nothing left to do."""

import dataclasses
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedllm.data import simulate
from embedllm.errors import ConfigError
from tune.cli import main
from tune.config import SearchSpace, SweepConfig
from tune.folder import SweepFolder
from tune.runner import resume_sweep, run_sweep

TINY = (
    "--space.encoder", "lsa:8", "--space.embedding-dim", "2,4", "--space.training-questions", "1.0",
    "--space.batch-questions", "32", "--space.epochs", "2", "--space.noise", "0", "--space.learning-rate", "0.01,0.02",
    "--space.weight-decay", "0", "--seeds", "2", "--slots", "1",
)  # fmt: skip
Run = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, ray_here: None) -> Iterator[Path]:
    """A folder with data in `pool`; Ray stays up in between."""
    home = tmp_path_factory.mktemp("home")
    simulate(models=6, questions=200, seed=1).save(home / "pool")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("EMBEDLLM_CACHE", str(home / "cache"))
        yield home


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line at home; it must end with `code` and leave no trace. Returns stdout, unwrapped."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("EMBEDLLM_CACHE", str(home / "cache"))

    def run_command(*words: str, code: int = 0) -> str:
        before = sorted(home.rglob("*"))
        returned = main(list(words))
        captured = capsys.readouterr()
        assert returned == code, captured.err + captured.out
        assert sorted(home.rglob("*")) == before
        assert max(map(len, captured.out.splitlines())) <= 100 or "://" in captured.out
        return " ".join(captured.out.split())

    return run_command


def test_the_plan_of_a_small_sweep(run: Run, home: Path) -> None:
    out = run("run", "pool", "--trials", "3", "--out", "sweep", "--dry-run", *TINY)
    assert out.startswith("Plan of a sweep; nothing has been started or written.")
    assert "data pool: 6 models x 200 questions; 160 for training, 20 for validation, 20 for testing (given" in out
    assert "search val_log_loss:min, 4 configurations over encoder lsa:8 embedding_dim 2,4 noise 0" in out
    assert "method sampler tpe, pruner none, preset fast, seed 0" in out
    assert "encoders lsa:8, available: to be fitted on the training questions, then encoded" in out
    assert "trials 3; 2 seeds each; plus the paper's recipe as the baseline" in out
    assert "cluster this machine: 2 CPUs, 0 GPUs, " in out
    assert "packs single trials (" in out
    assert "; 1 at a time, on 1 CPU each" in out
    assert "available to each" in out
    assert "of which the baseline occupies one slot for" in out
    assert f"folder {home}/sweep (" in out
    assert f"MLflow sqlite:///{home}/mlflow.db (a new database)" in out
    assert out.endswith("No problems found: run it without --dry-run.")


def test_every_problem_is_in_one_list(run: Run, home: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{sock.getsockname()[1]}"
    out = run(
        "run", "pool", "--out", "pool", "--tracking-uri", dead, "--space.encoder", "lsa:8,./nowhere",
        "--space.training-questions", "1000", "--slots", "9", "--split-seed", "7", "--dry-run", code=2,
    )  # fmt: skip
    assert "6 problems:" in out
    assert "split_seed 7 has no effect" in out
    assert f"{home}/pool exists and is not an empty folder; choose another" in out
    assert f"the MLflow tracking server {dead} does not answer (Connection refused)" in out
    assert "training_questions goes up to 1000 but there are 160 training questions" in out
    assert "question encoder './nowhere': no such folder" in out
    assert "slots is 9 but a cluster of 2 CPUs and 0 GPUs has room for only 2 packs of 1 CPU; ask" in out
    assert out.endswith("This sweep cannot run.")


def test_data_that_cannot_be_read(run: Run) -> None:
    out = run("run", "nowhere", "--dry-run", "--out", "sweep", code=2)
    assert "data nowhere: cannot be used, see below" in out
    assert "1 problem:" in out


def test_memory_that_does_not_suffice(run: Run) -> None:
    out = run(
        "run", "pool", "--out", "sweep", "--dry-run", *TINY[2:], "--space.encoder", "lsa:8", "--pack", "100000",
        "--space.embedding-dim", "4096", code=2,
    )  # fmt: skip
    assert "a pack of 100000 needs about" in out
    assert "are available to each pack; lower pack to 16, or use fewer seeds, or use a smaller embedding_dim" in out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--pruner", "hyperband", "--deterministic"), "pruner hyperband, preset fast, seed 0, deterministic"),
        (("--trials", "9"), "trials 9, but the space holds only 4; 2 seeds each"),
        (("--pack", "2"), "packs up to 2 trials trained together (as given); 1 at a time"),
        (("--time-budget", "0.1"), "no pack starts after the time budget of 0.1 s"),
        (("--space.noise", "0..0.1"), "val_log_loss:min, a continuous space over"),
    ],
)  # fmt: skip
def test_what_was_asked_for_is_in_the_plan(run: Run, words: tuple[str, ...], text: str) -> None:
    assert text in run("run", "pool", "--out", "sweep", "--dry-run", *TINY, *words)


def test_a_sweep_at_its_target_does_not_start_ray(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = SearchSpace(
        encoder=["lsa:8"], embedding_dim=[2, 4], noise=[0.0], training_questions=[1.0], learning_rate=[0.01],
        weight_decay=[0.0], epochs=[2], batch_questions=[32],
    )  # fmt: skip
    first = run_sweep(SweepConfig(data="pool", out="done", trials=2, seeds=2, slots=1, space=space))

    def never(*_: object) -> None:
        raise AssertionError("Ray was started")

    with monkeypatch.context() as patch:
        patch.setattr("tune.runner.ray_cluster", never)  # reads, crowns if need be, and is done
        again = resume_sweep("done")
        assert list(again.records) == list(first.records)
        assert again.winner is not None
        assert resume_sweep("done", trials=9).count("COMPLETE") == 2  # the space holds no more

    assert "reached its target: 2 of 2 trials finished; nothing left to run" in run(
        "resume", "done", "--dry-run", "--trials", "2"
    )
    used_up = run("resume", "done", "--dry-run", "--trials", "5")
    assert "has tried every configuration of its space: 2 trials finished; nothing left to run" in used_up
    folder = SweepFolder.open("done")
    wider = dataclasses.replace(space, embedding_dim=[2, 4, 6])
    dataclasses.replace(folder, config=folder.config.replace(space=wider)).save()
    more = run("resume", "done", "--dry-run", "--trials", "5")
    assert "trials 3 to go, 2 finished, but the space holds only 3; 2 seeds each; the baseline is fin" in more
    assert "occupies one slot" not in more
    simulate(models=6, questions=200, seed=2).save(home / "pool")
    assert "the data has changed since the sweep began" in run("resume", "done", "--dry-run", "--trials", "5", code=2)
    with pytest.raises(ConfigError, match=r"the data of .* has changed"):
        resume_sweep("done")


def test_an_aborted_sweep_says_how_to_go_on(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def abort(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(home)
    monkeypatch.setattr("tune.cli.session._conduct", abort)
    assert main(["run", "pool", "--trials", "3", "--out", "aborted", *TINY]) == 130
    err = capsys.readouterr().err
    assert "aborted; finished trials are kept: run `python -m tune resume aborted` to continue" in err
    assert err.endswith("interrupted\n")
