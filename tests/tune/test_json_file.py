"""The small files of a sweep's folder: all or nothing, and what is damaged is told."""

from pathlib import Path

import pytest

from embedllm.errors import ConfigError
from tune.json_file import read_json, write_json


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"α": [1, None]})
    assert read_json(tmp_path / "a.json", "") == {"α": [1, None]}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_write_that_fails_leaves_the_older_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert read_json(tmp_path / "a.json", "") == {"a": 1}


def test_a_disk_that_fills_up_leaves_the_older_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    write = Path.write_text

    def half(path: Path, text: str, encoding: str) -> int:
        write(path, text[:3], encoding)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", half)
        with pytest.raises(OSError, match="No space left on device"):
            write_json(tmp_path / "a.json", {"a": 2})
    assert read_json(tmp_path / "a.json", "") == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(("content", "why"), [("", "Expecting value"), ("[1]", "a JSON object is expected")])
def test_a_damaged_file_is_told_with_its_remedy(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ConfigError, match=rf"a\.json is damaged \({why}.*\); delete it"):
        read_json(tmp_path / "a.json", "delete it")
