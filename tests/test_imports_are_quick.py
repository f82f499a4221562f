"""What must answer at once imports nothing heavy: `--help` of every command, and the start of a sweep no PyTorch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "ray", "mlflow", "optuna", "pandas", "pyarrow", "sklearn", "scipy", "transformers", "matplotlib")

SCRIPT = """
import contextlib, io, sys
from {package}.cli import main, {commands}
with contextlib.redirect_stdout(io.StringIO()):
    for name in {names}:
        assert main([*name.split(), "--help"]) == 0
    assert main(["--help"]) == 0
print(*sorted(set(sys.modules) & set({heavy!r})))
"""


@pytest.mark.parametrize(
    ("package", "commands", "names"),
    [
        ("embedllm", "PROGRAM", "PROGRAM.commands"),
        ("tune", "COMMANDS", "COMMANDS"),
        ("ablations", "commands", "commands()"),
    ],
)
def test_no_help_imports_anything_heavy(package: str, commands: str, names: str) -> None:
    script = SCRIPT.format(package=package, commands=commands, names=names, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.parametrize("module", ["tune.cli.session", "tune.tracking.runs", "tune.engine.execution"])
def test_the_start_of_a_sweep_does_not_wait_for_pytorch(module: str) -> None:
    script = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60).returncode == 0
