"""What a sweep's folder remembers of MLflow."""

from pathlib import Path

import pytest

from embedllm.errors import ConfigError
from tune.tracking.identity import IDENTITY_FILE, claim, tracked_at


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
