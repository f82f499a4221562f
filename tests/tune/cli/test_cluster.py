"""`cluster check` and `cluster wait` as they are typed."""

import json
import re
from pathlib import Path

import pytest

from tune.cli import main

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)


def test_the_plan_and_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", "check", "cluster.yaml"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("cluster.yaml: cluster embedllm-tune on aws\n")
    rows = [line.split() for line in out.splitlines()]
    assert ["gpu_worker", "worker", "g6.xlarge", "0", "4", "4", "1", "16", "4", "spot"] in rows
    assert "room for 8 packs at the same time, on 2 CPUs\nand 0.5 GPUs each." in out
    assert "\nOn the head:\n  copy  embedllm -> ~/embedllm-tune/embedllm\n" in out
    assert "  start ulimit -n 65536; ray start --address=$RAY_HEAD_IP:6379" in out
    assert out.endswith("\nNo problems found: start it with `ray up cluster.yaml`.\n")
    assert err == ""


def test_problems_and_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.yaml"
    text = (ROOT / "cluster.yaml").read_text()
    file.write_text(text.replace("max_workers: 4", "max_worker: 4", 1).replace("_minutes: 15", "_minutes: 1"))
    assert main(["cluster", "check", str(file)]) == 2
    out = capsys.readouterr().out
    line = text[: text.index("max_workers: 4")].count("\n") + 1
    assert f"\n1 error:\n  - line {line}, max_worker: unknown key 'max_worker'; the nearest is 'max_workers'\n" in out
    assert "\n3 warnings:\n" in out
    assert out.endswith("\nThis cluster would not work: correct the file before `ray up`.\n")


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", "check", "cluster.yaml", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["usable"], found["findings"], found["packs_at_once"], found["note"]) == (True, [], 8, None)
    assert [row["node_type"] for row in found["node_types"]] == ["head", "gpu_worker"]
    assert {"role": "worker", "step": "start", "command": "ray stop"} in found["commands"]

    (tmp_path / "c.yaml").write_text("a: [\n")
    assert main(["cluster", "check", str(tmp_path / "c.yaml"), "--format", "json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["usable"], found["findings"][0]["line"], found["node_types"]) == (False, 2, [])


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", "check", "none.yaml"]) == 2
    assert capsys.readouterr().err == (
        "error: none.yaml cannot be read (No such file or directory); give the cluster file you use with `ray up`\n"
    )


def test_the_group_says_what_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", "--help"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^  check +Check a cluster file", out, re.MULTILINE)
    assert re.search(r"^  wait +Ask an autoscaled cluster", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "gpus is 0 and cpus is 0; ask for at least one of either, and for no negative number"),
        (["--gpus", "-1"], "gpus is -1 and cpus is 0; ask for at least one of either, and for no negative number"),
        (["--gpus", "1", "--minutes", "0"], "minutes must be positive but is 0"),
        (["--gpus", "1", "--address", "localhost:1"], "no Ray cluster answers at 'localhost:1'"),
    ],
)
def test_waiting_for_nothing(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", "wait", *words]) == 2
    assert said in capsys.readouterr().err
