"""Files and folders replaced all or nothing, and only where they are ours."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from embedllm.storage import FolderKind, replaced_file, replaced_folder

KIND = FolderKind("a thing", marker="thing.json", keys=("made",), files=("thing.json", "body"))


def write(target: Path, text: str) -> None:
    with replaced_folder(target) as staging:
        (staging / "body").write_text(text)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    write(tmp_path / "t", "old")
    return tmp_path / "t"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_left_beside_a_replaced_folder(target: Path):
    write(target, "new")
    assert (target / "body").read_text() == "new"
    assert names(target.parent) == ["t"]


@pytest.mark.parametrize("failing", ["t", "new"])
def test_a_failed_exchange_leaves_the_old_folder(target: Path, failing: str, monkeypatch: pytest.MonkeyPatch):
    rename = Path.rename

    def broken(self: Path, other: Path) -> Path:
        if self.name == "t" if failing == "t" else self.name.startswith(".t-new-"):
            raise OSError("stale handle")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(OSError, match="stale handle"):
        write(target, "new")
    assert (target / "body").read_text() == "old"
    assert names(target.parent) == ["t"]


def test_the_old_folder_is_whole_until_the_new_one_is_in_place(target: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []

    def watch(path: Path, **_: object) -> None:
        seen.append((path.name.startswith(".t-old-"), (target / "body").read_text()))

    monkeypatch.setattr("embedllm.storage.shutil.rmtree", watch)
    write(target, "new")
    assert seen == [(True, "new")]


def test_a_failing_body_changes_nothing(target: Path):
    def interrupted() -> None:
        with replaced_folder(target) as staging:
            (staging / "body").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (target / "body").read_text() == "old"
    assert names(target.parent) == ["t"]


def test_the_current_folder_is_replaced(target: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(target)
    write(Path("."), "new")
    assert Path("body").read_text() == (target / "body").read_text() == "new"


def test_a_file_is_refused_before_the_body_runs(tmp_path: Path):
    (tmp_path / "t").write_text("precious")
    with pytest.raises(NotADirectoryError, match="t is a file, not a folder"):
        write(tmp_path / "t", "new")
    assert (tmp_path / "t").read_text() == "precious"


def test_what_a_killed_process_left_is_removed_and_nothing_else(target: Path):
    script = (
        "import os, sys; from pathlib import Path; from embedllm.storage import replaced_folder\n"
        "with replaced_folder(Path(sys.argv[1])): os._exit(9)"
    )
    ended = subprocess.Popen([sys.executable, "-c", script, target])
    assert ended.wait() == 9
    assert len(names(target.parent)) == 2
    host = socket.gethostname()
    (target.parent / f".t-old-{host}-{ended.pid}-abc").mkdir()
    kept = [
        f".t-new-{host}-{os.getpid()}-abc",  # being written by this process, in another thread
        f".t-new-elsewhere-{ended.pid}-abc",
        f".tt-new-{host}-{ended.pid}-abc",
        f".t-new-{host}-notes",
    ]
    for name in kept:
        (target.parent / name).mkdir()
    write(target, "new")
    assert names(target.parent) == sorted([*kept, "t"])


def test_only_our_own_folders_may_be_replaced(tmp_path: Path):
    folder = tmp_path / "t"
    assert KIND.refusal(folder) is None
    folder.mkdir()
    assert KIND.refusal(folder) is None
    (folder / "thing.json").write_text('{"made": "today"}')
    assert KIND.refusal(folder) is None
    (folder / "body").mkdir()
    assert KIND.refusal(folder) == ("holds body, which is not part of a thing; choose another folder or move it away")
    shutil.rmtree(folder / "body")
    for content in ("[]", "{", '{"title": 1}', "made"):
        (folder / "thing.json").write_text(content)
        assert KIND.refusal(folder) == (
            "exists and is not a thing; choose another folder or empty it (it holds thing.json)"
        )


def test_a_folder_that_cannot_be_looked_into_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def denied(_: Path) -> None:
        raise PermissionError("Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    assert KIND.refusal(tmp_path) == "cannot be inspected (Permission denied); choose another folder"


def test_a_file_is_replaced_whole_and_readable_by_others(tmp_path: Path):
    target = tmp_path / "report.html"
    for text in ("old", "new"):
        with replaced_file(target) as staged:
            assert staged.parent == tmp_path
            staged.write_text(text)
        assert target.read_text() == text
    assert names(tmp_path) == ["report.html"]
    assert target.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failing_body_leaves_the_old_file_alone(tmp_path: Path, error: BaseException):
    target = tmp_path / "report.html"
    target.write_text("old")

    def write_half() -> None:
        with replaced_file(target) as staged:
            staged.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert (names(tmp_path), target.read_text()) == (["report.html"], "old")


def test_a_failed_exchange_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "report.html"
    target.write_text("old")

    def fail(*_: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(PermissionError), replaced_file(target) as staged:
        staged.write_text("new")
    assert (names(tmp_path), target.read_text()) == (["report.html"], "old")
