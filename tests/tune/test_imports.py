"""Modules imported in the background: one at a time, whole, and with their errors kept for whoever needs them."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tune.imports import import_alone, import_aside

ROOT = Path(__file__).parents[2]

CIRCLE = {
    "__init__": "import time\ntime.sleep(0.2)\nfrom circle import left, right\n",
    "left": "import time\nimport circle\ntime.sleep(0.2)\nfrom circle.right import there\nhere = there\n",
    "right": "import time\nimport circle\ntime.sleep(0.2)\nthere = 1\n",
}


@pytest.fixture
def circle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose modules import one another, slowly."""
    (tmp_path / "circle").mkdir()
    for name, text in CIRCLE.items():
        (tmp_path / "circle" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


@pytest.mark.usefixtures("circle")
def test_threads_take_turns_and_see_modules_whole() -> None:
    found: dict[str, bool] = {}

    def load(name: str, attribute: str) -> None:
        found[name] = hasattr(import_alone(name), attribute)

    wanted = (("circle.left", "here"), ("circle.right", "there"), ("circle", "left"))
    threads = [threading.Thread(target=load, args=pair) for pair in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == {"circle.left": True, "circle.right": True, "circle": True}


def test_an_import_aside_leaves_the_module_to_be_found() -> None:
    import_aside("colorsys")
    assert import_alone("colorsys").rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)


def test_mlflow_survives_a_tracker_and_ray_tune_that_import_it_at_once() -> None:
    script = """
import ray.tune
from tune.imports import import_alone, import_aside
import_aside("tune.tracking.runs")
import_alone("mlflow")
import ray.air.integrations.mlflow
import_alone("tune.tracking.runs")
import mlflow
assert mlflow.store.tracking
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=120).returncode == 0
