"""The package's front door: every public name is there, and nothing heavy comes with it."""

import os
import subprocess
import sys

import pytest

import embedllm


@pytest.mark.parametrize("name", embedllm.__all__)
def test_public_names_exist(name: str):
    assert getattr(embedllm, name) is not None


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="module 'embedllm' has no attribute 'nothing'"):
        _ = embedllm.nothing


@pytest.mark.parametrize(("given", "expected"), [(None, "20000"), ("7", "7")])
def test_idle_threads_spin_shortly_unless_told_otherwise(given: str | None, expected: str):
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment |= {} if given is None else {"GOMP_SPINCOUNT": given}
    script = "import sys, embedllm, os; assert 'torch' not in sys.modules; print(os.environ['GOMP_SPINCOUNT'])"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
