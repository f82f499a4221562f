"""The new design that the package's documentation shows: written to two files, it is a command."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

import ablations

SCRIPT = """
import sys
import ablations.designs, ablations.plots
ablations.designs.__path__.append({folder!r} + "/designs")
ablations.plots.__path__.append({folder!r} + "/plots")
from ablations.cli import main
sys.exit(main(sys.argv[1:]))
"""
WORDS = ("--encoder", "lsa:8", "--embedding-dim", "8", "--out", "out", "--slots", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The two files, cut out of the docstring: its indented blocks that are Python."""
    blocks: list[str] = [""]
    for line in (ablations.__doc__ or "").splitlines():
        if line.startswith("    ") or not line:
            blocks[-1] += line + "\n"
        elif blocks[-1]:
            blocks.append("")
    code = [textwrap.dedent(block).strip() + "\n" for block in blocks if "import" in block]
    for name, text in zip(("designs", "plots"), code, strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weight_decay.py").write_text(text)
    (tmp_path / "main.py").write_text(SCRIPT.format(folder=str(tmp_path)))
    return tmp_path


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(folder / "main.py"), "weight-decay", *words]
    environment = os.environ | {"EMBEDLLM_CACHE": str(folder / "cache"), "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.slow
def test_the_example_of_the_documentation_is_a_command(folder: Path, data_folder: Path) -> None:
    process = start(folder, str(data_folder), *WORDS, "--seeds", "2", "--values", "0,1e-3")
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert "cells   4: 4 embedllm" in output
    assert "- The lowest test log-loss" in output
    assert "caveat: One split of the questions; 2 seeds." in output
    assert (folder / "out" / "weight-decay" / "figures" / "log_loss.png").stat().st_size > 5000


@pytest.mark.slow
def test_a_killed_design_recomputes_no_finished_cell(folder: Path, data_folder: Path) -> None:
    words = (str(data_folder), *WORDS, "--seeds", "8", "--pack", "2", "--values", "0,1e-5,1e-4,1e-3,1e-2,1e-1")
    process = start(folder, *words)
    parts = folder / "out" / "weight-decay" / "parts"
    deadline = time.monotonic() + 200
    while len(list(parts.glob("*.jsonl"))) < 3:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for child in family:  # Ray ends these by itself once its driver is gone, only later than a test can wait
        if child.is_running():
            child.kill()
    kept = {file.name: file.read_bytes() for file in parts.glob("*.jsonl")}
    assert 3 <= len(kept) < 24

    process = start(folder, *words)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    done = sum(text.count(b"\n") for text in kept.values())
    assert f"done    {done} of them, by earlier runs" in output
    assert {name: (parts / name).read_bytes() for name in kept} == kept
    keys = [json.loads(line)["key"] for file in parts.glob("*.jsonl") for line in file.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == 48  # each cell was computed once
