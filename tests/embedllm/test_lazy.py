import sys
from pathlib import Path

import pytest

from embedllm.lazy import imported_on_use


def test_names_come_from_their_module_when_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "parcel"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inside.py").write_text("gift = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    get = imported_on_use("parcel", {"inside": ("gift",)})
    assert "parcel.inside" not in sys.modules
    assert get("gift") == 42
    with pytest.raises(AttributeError, match="module 'parcel' has no attribute 'other'"):
        get("other")
