from pathlib import Path

import pytest

from embedllm.errors import ConfigError
from tune.tracking.uri import how_to_view, resolve_tracking_uri


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "sqlite:////sweeps/mlflow.db"),
        ("sqlite:////data/my.db", "sqlite:////data/my.db"),
        ("https://mlflow.example.org", "https://mlflow.example.org"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
    ],
)
def test_tracking_uris(given: str | None, expected: str) -> None:
    assert resolve_tracking_uri(given, Path("/sweeps/first")) == expected


def test_a_relative_database_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_tracking_uri("sqlite:///my.db", tmp_path) == f"sqlite:///{tmp_path.resolve()}/my.db"


def test_the_environment_names_the_server_unless_the_command_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert resolve_tracking_uri(None, Path("/sweeps/first")) == "http://server:5000"
    assert resolve_tracking_uri("http://other:5000", Path("/sweeps/first")) == "http://other:5000"


@pytest.mark.parametrize("uri", ["./mlruns", "file:///data/mlruns"])
def test_a_file_store_is_refused_with_the_way_out(uri: str) -> None:
    with pytest.raises(ConfigError, match="is neither a server nor a database; use https://SERVER:PORT, or sqlite:///"):
        resolve_tracking_uri(uri, Path("/sweeps/first"))


def test_how_to_view_is_a_command_or_an_address() -> None:
    assert how_to_view("sqlite:////a/mlflow.db") == "mlflow ui --backend-store-uri sqlite:////a/mlflow.db"
    assert how_to_view("https://mlflow.example.org") == "https://mlflow.example.org"
