"""The arrows run only ablations -> tune -> embedllm, and the science needs neither Ray nor MLflow nor Optuna.

Every import statement counts, those inside functions too: a lazy import is still a dependency.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FORBIDDEN = {
    "embedllm": {"tune", "ablations", "ray", "mlflow", "optuna"},
    "tune": {"ablations"},
}


def imported_packages(source: str) -> list[tuple[int, str]]:
    """(line, top-level package) of every absolute import in a module, `importlib.import_module("…")` included."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name.split(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.append((node.lineno, node.module.split(".")[0]))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                found.append((node.lineno, node.args[0].value.split(".")[0]))
    return found


def broken_arrows(root: Path) -> list[str]:
    """Every import that runs against the arrows, as `file:line: package imports forbidden`."""
    return [
        f"{path.relative_to(root)}:{line}: {package} must not import {name}"
        for package, forbidden in FORBIDDEN.items()
        for path in sorted((root / package).rglob("*.py"))
        for line, name in imported_packages(path.read_text(encoding="utf-8"))
        if name in forbidden
    ]


def test_the_arrows_hold() -> None:
    assert broken_arrows(ROOT) == []


def test_every_package_is_looked_at() -> None:
    for package in FORBIDDEN:
        assert list((ROOT / package).rglob("*.py")), f"no modules found in {package}/: was it moved?"


@pytest.mark.parametrize(
    "statement",
    [
        "import ray",
        "import ray.tune as rt",
        "from mlflow.tracking import MlflowClient",
        "def lazy():\n    from optuna import samplers",
        "from tune.records import TrialRecord",
        "import importlib\nimportlib.import_module('ablations.figures')",
    ],
)
def test_a_planted_violation_in_embedllm_is_found(tmp_path: Path, statement: str) -> None:
    planted = tmp_path / "embedllm" / "deep" / "module.py"
    planted.parent.mkdir(parents=True)
    planted.write_text(statement)
    (problem,) = broken_arrows(tmp_path)
    assert problem.startswith("embedllm/deep/module.py:")
    assert "embedllm must not import" in problem


def test_a_planted_violation_in_tune_is_found(tmp_path: Path) -> None:
    (tmp_path / "tune").mkdir()
    (tmp_path / "tune" / "plan.py").write_text("import ray\nfrom embedllm import config\nimport ablations.figures\n")
    assert broken_arrows(tmp_path) == ["tune/plan.py:3: tune must not import ablations"]


def test_relative_and_allowed_imports_pass(tmp_path: Path) -> None:
    (tmp_path / "embedllm").mkdir()
    (tmp_path / "embedllm" / "ok.py").write_text("import rayleigh\nfrom . import ray\nfrom .tune import x\n")
    assert broken_arrows(tmp_path) == []
