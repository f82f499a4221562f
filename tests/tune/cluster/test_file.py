"""Cluster files that are no YAML, no mapping, or something else."""

from pathlib import Path

import pytest

from embedllm.errors import ConfigError
from tune.cluster.file import read_cluster_file


def read(tmp_path: Path, text: str) -> list[tuple[int | None, str]]:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    return [(one.line, one.text) for one in read_cluster_file(file).findings]


def test_broken_yaml_is_told_with_its_place(tmp_path: Path) -> None:
    ((line, text),) = read(tmp_path, "cluster_name: a\nprovider: {type: aws\n")
    assert line == 3
    assert text.startswith("line 3, column 1: not valid YAML: while parsing a flow mapping")


@pytest.mark.parametrize(("text", "held"), [("", "nothing"), ("- a\n", "a list"), ("a\n", "a str")])
def test_no_mapping(tmp_path: Path, text: str, held: str) -> None:
    assert read(tmp_path, text) == [
        (None, f"the file must hold `key: value` lines, as cluster.yaml does, but holds {held}")
    ]


def test_a_manifest_of_kubernetes(tmp_path: Path) -> None:
    ((_, text),) = read(tmp_path, "apiVersion: ray.io/v1\nkind: RayJob\n")
    assert text == (
        "this is a Kubernetes manifest (RayJob), not a file for `ray up`; check it with "
        "`kubectl apply --dry-run=server -f c.yaml`"
    )


def test_a_key_given_twice(tmp_path: Path) -> None:
    ((line, text),) = read(tmp_path, "max_workers: 1\nprovider: {}\nmax_workers: 2\n")
    assert (line, text) == (3, "given twice, in lines 1 and 3; only the last counts: remove one")


def test_lines_of_keys_and_of_what_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("a:\n  b:\n    - x\n    - y\n")
    read = read_cluster_file(file)
    assert [read.line_of(key) for key in ("a", "a.b", "a.b[1]", "a.b.c", "d")] == [1, 2, 4, 2, None]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"c\.yaml cannot be read \(No such file or directory\); give the cluster file"
    ):
        read_cluster_file(tmp_path / "c.yaml")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="it is not UTF-8 text"):
        read_cluster_file(tmp_path / "c.yaml")
