"""What a sweep's folder remembers of MLflow."""

import shutil
from pathlib import Path

import pytest

from embedllm.errors import ConfigError
from tune.tracking.identity import IDENTITY_FILE, claim, is_copy, tracked_at


def test_a_folder_keeps_its_identity(tmp_path: Path) -> None:
    first = claim(tmp_path, f"sqlite:///{tmp_path}/m.db", "e")
    written = (tmp_path / IDENTITY_FILE).stat().st_mtime_ns
    assert claim(tmp_path, None, "e") == first
    assert (tmp_path / IDENTITY_FILE).stat().st_mtime_ns == written, "nothing has changed"
    assert tracked_at(tmp_path) == first[0]


def test_a_damaged_file_stops_a_sweep_and_no_leaderboard(tmp_path: Path) -> None:
    (tmp_path / IDENTITY_FILE).write_text("")
    assert tracked_at(tmp_path) is None
    with pytest.raises(ConfigError, match=r"mlflow\.json is damaged .*; delete it: the sweep then gets"):
        claim(tmp_path, None, "e")


def test_a_copy_has_an_identity_of_its_own_and_a_moved_folder_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    uri = f"sqlite:///{tmp_path}/m.db"
    _, first = claim(tmp_path / "a", uri, "e")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert is_copy(tmp_path / "b")
    assert not is_copy(tmp_path / "a")
    _, second = claim(tmp_path / "b", None, "e")
    assert first != second
    assert not is_copy(tmp_path / "b")
    (tmp_path / "b").rename(tmp_path / "c")
    assert claim(tmp_path / "c", None, "e") == (uri, second)
