"""Every command and every line of Python in the README runs as it stands, in one folder, in order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
TARGETS = ("make tune", "make test")  # they set up an environment of their own; `.ci/run` calls them from a fresh clone


def commands() -> list[list[str]]:
    """Argument lists to run: each line of a shell block, each Python block as a whole."""
    found = []
    for language, block in BLOCKS:
        lines = [re.sub(r"\s+#.*", "", line) for line in block.splitlines()]
        if language == "python":
            found.append([sys.executable, "-c", block])
        else:
            found += [["bash", "-c", line] for line in lines if line and line not in TARGETS]
    return found


def test_the_two_commands_are_there():
    assert all(target in README for target in TARGETS)
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    assert all(f"\n{target.split()[1]}:" in makefile for target in TARGETS)


def test_files_and_folders_the_readme_names_exist():
    for name in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (Path(__file__).parents[1] / name).exists(), name


@pytest.mark.timeout(400)
def test_commands_run_as_they_stand(tmp_path: Path):
    wanted = commands()
    assert len(wanted) >= 8
    (tmp_path / "configs").symlink_to(Path(__file__).parents[1] / "configs")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in wanted:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert done.stdout.strip(), f"{command[-1]} printed nothing"
