"""Real labels, where the shared reference data lies beside the repository: the official layout gives them back."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedllm.data import CorrectnessMatrix, default_split, describe, import_data

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data"


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the reference data is not at {SHARED}")
@pytest.mark.parametrize(("name", "missing"), [("helm_lite", 0.0), ("mmlu_pro", 0.0049)])
def test_reference_data(tmp_path, name, missing):
    command = [sys.executable, SHARED / "to_official_csv.py", name, tmp_path / "csv"]
    subprocess.run(command, check=True)
    report = import_data(tmp_path / "csv", tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    labels = np.load(SHARED / name / "correctness.npz")["correctness"]
    assert np.array_equal(data.attempts, labels != 255)
    assert np.array_equal(data.correct, np.where(labels == 255, 0, labels))
    assert report.missing_share == pytest.approx(missing, abs=1e-4)
    assert default_split(data).name == "given"
    assert describe(data).summary["models"][0] == len(labels)
