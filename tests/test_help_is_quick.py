"""`--help` answers at once: no command imports anything heavy before it runs."""

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
