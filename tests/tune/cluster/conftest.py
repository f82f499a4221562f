"""Cluster files in which one thing is wrong, and what the check says of them."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tune.cluster.check import ClusterCheck, check_cluster

ROOT = Path(__file__).parents[3]

Check = Callable[..., ClusterCheck]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a token and a key, and the repository as the folder one works in."""
    folder = tmp_path / "home"
    token = folder / ".ray" / "auth_token"
    token.parent.mkdir(parents=True)
    token.write_text("secret")
    key = folder / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.touch(mode=0o600)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(ROOT)
    return folder


@pytest.fixture
def check_text(home: Path, tmp_path: Path) -> Check:
    """The check of a text."""

    def check(text: str) -> ClusterCheck:
        file = tmp_path / "cluster.yaml"
        file.write_text(text)
        return check_cluster(file)

    return check


@pytest.fixture
def check_changed(check_text: Check) -> Check:
    """The check of a shipped file with some values changed: `a.b=1` as `{"a.b": 1}`; None takes a key out."""

    def check(changes: dict[str, Any], shipped: str = "cluster.yaml") -> ClusterCheck:
        config = copy.deepcopy(yaml.safe_load((ROOT / shipped).read_text()))
        for path, value in changes.items():
            *above, name = path.split(".")
            part = config
            for key in above:
                part = part[key]
            if value is None:
                del part[name]
            else:
                part[name] = value
        return check_text(yaml.safe_dump(config, sort_keys=False))

    return check
