"""Provenance: the right commit or none, and a command one can paste."""

import subprocess
import sys
from pathlib import Path

import pytest

import tune.tracking.provenance as provenance
from tune.tracking.provenance import Provenance, command_line, git_commit, package_versions


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    package = tmp_path / "package"
    package.mkdir()
    (package / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_the_commit_of_a_checkout(repository: Path) -> None:
    assert git_commit(repository / "package") == git(repository, "rev-parse", "HEAD")


def test_changed_code_is_dirty(repository: Path) -> None:
    (repository / "package" / "code.py").write_text("x = 2\n")
    assert git_commit(repository / "package") == git(repository, "rev-parse", "HEAD") + "-dirty"


def test_a_package_installed_inside_another_repository_does_not_claim_its_commit(repository: Path) -> None:
    installed = repository / ".venv" / "site-packages" / "tune"
    installed.mkdir(parents=True)
    (installed / "code.py").write_text("x = 1\n")
    assert git_commit(installed) is None


def test_no_version_control_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_commit(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert git_commit(tmp_path) is None, "git need not be installed"


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        (["/venv/bin/python", "-m", "tune", "run", "my data"], "python -m tune run 'my data'"),
        (["/venv/bin/python", "/venv/bin/embedllm-tune", "run", "data"], "embedllm-tune run data"),
        (["python3", "script.py"], "python3 script.py"),
    ],
)
def test_the_command_is_the_one_a_user_types(
    running: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", running)
    assert command_line() == expected


def test_versions_are_of_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "surely-not-installed"))
    versions = package_versions()
    assert set(versions) == {"python", "numpy"}


def test_collect_fills_every_field() -> None:
    collected = Provenance.collect(data_name="helm_lite", data_digest="0123")
    assert (collected.data_name, collected.data_digest) == ("helm_lite", "0123")
    assert "CPUs" in collected.machine
    assert collected.command
    assert collected.user
