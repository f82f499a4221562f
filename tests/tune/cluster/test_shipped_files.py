"""The shipped cluster files: valid by Ray's schema, by Ray itself and by our check; every command in them exists."""

import hashlib
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import ablations.cli
import embedllm.cli
import tune.cli
from embedllm.cli.parser import Parser
from embedllm.version import __version__
from tests.tune.cluster.conftest import ROOT
from tune.cluster.check import check_cluster
from tune.cluster.schema import ray_schema

FILES = ["cluster.yaml", "deploy/cluster.local.yaml"]
RAYJOB = "deploy/rayjob.yaml"
PROGRAMS = {
    "embedllm": embedllm.cli.PROGRAM,
    "embedllm-tune": tune.cli.program(),
    "embedllm-ablations": ablations.cli.program(),
}


def header(name: str) -> str:
    """The comment a file begins with, without its marks."""
    lines = (ROOT / name).read_text().splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line.removeprefix("#") for line in lines[:end])


def commands(name: str) -> list[list[str]]:
    """The commands in a file's header: its indented lines that begin with a program."""
    typed = re.findall(r"^   (?P<line>(?:ray|embedllm|embedllm-\w+) .*)$", header(name), re.MULTILINE)
    typed += re.findall(r": (ray dashboard \S+)$", header(name), re.MULTILINE)
    return [shlex.split(line) for line in typed]


def inner(words: list[str]) -> Iterator[list[str]]:
    """The commands of a shell line such as `a && b`."""
    rest: list[str] = []
    for word in [*words, "&&"]:
        if word != "&&":
            rest.append(word)
        elif rest:
            yield rest
            rest = []


def assert_parses(words: list[str]) -> None:
    """Our own program's line: the real parser takes it, and what it means is consistent."""
    program, name = (
        PROGRAMS[words[0]],
        next(candidate for candidate in (" ".join(words[1:3]), words[1]) if candidate in PROGRAMS[words[0]].commands),
    )
    module = program.commands[name].module
    loaded: Any = importlib.import_module(module) if isinstance(module, str) else module
    parser = Parser(name, "", loaded.EXAMPLE)
    loaded.add_arguments(parser)
    parser.complete()
    given = parser.parse(words[1 + len(name.split()) :])
    if name == "run":
        config = loaded.configuration(given)
        assert config.address == "auto", "a sweep on the cluster must join it"


@pytest.mark.parametrize("name", FILES)
def test_files_fit_rays_schema(name: str) -> None:
    import jsonschema

    jsonschema.validate(yaml.safe_load((ROOT / name).read_text()), ray_schema())


@pytest.mark.parametrize("name", FILES)
def test_ray_itself_accepts_them(name: str, home: Path) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(yaml.safe_load((ROOT / name).read_text())))


@pytest.mark.parametrize("name", FILES)
def test_our_check_finds_nothing(name: str, home: Path) -> None:
    check = check_cluster(Path(name))
    left_to_change = [finding for finding in check.findings if "an address for examples" in finding.text]
    assert list(check.findings) == left_to_change
    assert len(left_to_change) == (3 if "local" in name else 0)
    assert check.note is None


def test_the_cloud_file_is_what_it_says(home: Path) -> None:
    check = check_cluster(Path("cluster.yaml"))
    head, worker = check.types
    assert (head.role, head.cpus, head.gpus, head.market) == ("head", 0, 0, "on demand")
    assert (worker.least, worker.most, worker.gpus, worker.market) == (0, 4, 1, "spot")
    assert check.slots is not None
    assert check.slots.count == 8


@pytest.mark.parametrize("name", FILES)
def test_every_key_is_explained(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"\s*\w+:", line)]
    assert len(keys) > 10
    for number in keys:
        assert lines[number - 1].lstrip().startswith("#"), f"{name}:{number + 1}: no comment above {lines[number]!r}"


@pytest.mark.parametrize("name", [*FILES, RAYJOB])
def test_lines_can_be_read(name: str) -> None:
    command = re.compile(r"#?\s+(?:-|aws|ray|embedllm)")
    prose = [line for line in (ROOT / name).read_text().splitlines() if not command.match(line)]
    assert max(map(len, prose)) <= 125


@pytest.mark.parametrize("name", FILES)
def test_what_must_be_changed_is_marked(name: str) -> None:
    assert "Change before the first use:" in header(name)
    assert (ROOT / name).read_text().count("# CHANGE") >= 2


@pytest.mark.parametrize("name", FILES)
def test_commands_of_the_header_exist(name: str) -> None:
    typed = commands(name)
    used = {words[1] for words in typed if words[0] == "ray"}
    assert used >= {"up", "exec", "attach", "dashboard", "rsync-up", "rsync-down", "down"}
    import click  # Ray's and MLflow's own
    from mlflow.cli import cli as mlflow
    from ray.scripts.scripts import cli

    for words in typed:
        if words[0] != "ray":
            assert_parses(words)
            continue
        command = cli.commands[words[1]]
        context = command.make_context(words[1], words[2:])  # click's own parser; raises for what is unknown
        if "cluster_config_file" in context.params:
            assert context.params["cluster_config_file"] == name
        for line in inner(shlex.split(context.params.get("cmd") or "")):
            if line[0] in PROGRAMS:
                assert_parses(line)
            else:
                assert line[0] == "mlflow"
                subcommand = mlflow.get_command(click.Context(mlflow), line[1])
                assert subcommand is not None
                subcommand.make_context(line[1], line[2:])


def test_the_rayjob(home: Path) -> None:
    job = yaml.safe_load((ROOT / RAYJOB).read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    lines = list(inner(shlex.split(spec["entrypoint"])))
    assert [line[1] for line in lines] == ["cluster", "run"]
    for line in lines:
        assert_parses(line)
    cluster = spec["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    head, (workers,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert head["rayStartParams"] == {"num-cpus": "0"}
    containers = [group["template"]["spec"]["containers"][0] for group in (head, workers)]
    assert len({container["image"] for container in containers}) == 1
    gpus = int(containers[1]["resources"]["limits"]["nvidia.com/gpu"]) * workers["replicas"]
    assert ["embedllm-tune", "cluster", "wait", "--gpus", str(gpus)] in lines
    volumes = {volume["name"] for volume in head["template"]["spec"]["volumes"]}
    (mount,) = containers[0]["volumeMounts"]
    assert mount["name"] in volumes
    assert all(line.split("=")[-1].startswith(mount["mountPath"]) for line in lines[1] if line.startswith("/"))
    (again,) = re.findall(r"`(embedllm-tune resume [^`]*)`", header(RAYJOB))
    assert_parses(shlex.split(again))
    assert shlex.split(again)[-1] in lines[1], "what is resumed is what was run"


def test_one_version_of_everything() -> None:
    pinned = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert f"FROM rayproject/ray:{pinned[1]}-py3" in dockerfile
    job = yaml.safe_load((ROOT / RAYJOB).read_text())
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]
    assert (ROOT / RAYJOB).read_text().count(f"image: REGISTRY/embedllm-tune:{__version__}\n") == 2
    assert f"embedllm-tune:{__version__} ." in dockerfile


def test_everything_that_is_installed_is_copied() -> None:
    wanted = {"embedllm", "tune", "ablations", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    for name in FILES:
        assert wanted <= set(yaml.safe_load((ROOT / name).read_text())["file_mounts"].values())
    copied = " ".join(
        re.findall(r"^COPY --chown=ray (.*) \S+$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    )
    assert wanted <= set(copied.split())


def test_files_that_the_deployment_page_names_exist() -> None:
    for link in re.findall(r"\]\(([\w./-]+)\)", (ROOT / "deploy" / "README.md").read_text()):
        assert (ROOT / "deploy" / link).exists(), link


def unquoted(text: str) -> str:
    """Without the quotes and backslashes that a command collects on its way through shells."""
    return re.sub(r"[\"'\\]", "", text)


STUB = """#!/bin/sh
printf '%s\\n' "{name} $*" >> "{log}"
"""


def test_ray_up_runs_what_the_check_shows(home: Path, tmp_path: Path) -> None:
    log, bin_folder, state = tmp_path / "log", tmp_path / "bin", tmp_path / "state"
    bin_folder.mkdir()
    (state / "ray").mkdir(parents=True)
    for name in ("ssh", "rsync"):
        (bin_folder / name).write_text(STUB.format(name=name, log=log))
        (bin_folder / name).chmod(0o755)
    file = tmp_path / "cluster.yaml"
    text, name = (ROOT / "deploy" / "cluster.local.yaml").read_text(), f"embedllm-tune-test-{os.getpid()}"
    file.write_text(text.replace("embedllm-tune-local", name))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(state), "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", "up", "-y", "--no-config-cache", str(file)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    for sockets in Path("/tmp").glob(f"ray_ssh_*/{hashlib.sha256(name.encode()).hexdigest()[:10]}"):
        sockets.rmdir()  # Ray's folder for ssh connections, which it puts there whatever TMPDIR says
    assert done.returncode == 0, done.stdout + done.stderr
    recorded = log.read_text()
    for step, command in check_cluster(file).commands["head"].steps:
        if step == "copy":
            source, target = command.split(" -> ")
            local = str(home / source.removeprefix("~/")) if source.startswith("~") else source
            slash = "/" if Path(local).is_dir() else ""
            assert f" {local}{slash} ubuntu@192.0.2.10:{target}{slash}\n" in recorded
        else:
            assert unquoted(command) in unquoted(recorded)
    assert "RAY_enable_autoscaler_v2=0 ray start --head --port=6379 --node-ip-address=192.0.2.10" in recorded
    assert "--exclude __pycache__" in recorded
    assert recorded.index("venv/bin/pip install") < recorded.index("ray start --head")
