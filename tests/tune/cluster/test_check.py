"""What the check says of cluster files with one thing wrong, and that it says everything at once."""

import copy
import itertools
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tune.cluster.check import ClusterCheck
from tune.cluster.text import check_as_json, render_check

Check = Callable[..., ClusterCheck]
ROOT = Path(__file__).parents[3]
LOCAL = "deploy/cluster.local.yaml"
WORKER = "available_node_types.gpu_worker"
START = "ulimit -n 65536; ray start"

ERRORS: dict[str, tuple[dict[str, Any], str, str]] = {
    # what is wrong: changes, key, text
    "unknown key": ({"max_worker": 3}, "max_worker", "unknown key 'max_worker'; the nearest is 'max_workers'"),
    "unknown key of a node type": (
        {f"{WORKER}.min_worker": 1},
        f"{WORKER}.min_worker",
        "unknown key 'min_worker'; the nearest is 'min_workers'",
    ),
    "key of Ray 1": ({"min_workers": 1}, "min_workers", "Ray 2 no longer has this key; give every node type its own"),
    "missing key": ({"cluster_name": None}, "cluster_name", "missing, and must be given: A unique identifier"),
    "wrong kind": ({"max_workers": "four"}, "max_workers", "must be a whole number but is 'four'"),
    "negative": ({"idle_timeout_minutes": -1}, "idle_timeout_minutes", "must be at least 0 but is -1"),
    "fraction of a GPU": (
        {f"{WORKER}.resources.GPU": 0.5},
        f"{WORKER}.resources.GPU",
        "must be a whole number but is 0.5; a node has whole CPUs and GPUs, it is packs that share one: `tune run "
        "--gpus-per-pack 0.5`",
    ),
    "lower case resource": (
        {f"{WORKER}.resources": {"CPU": 4, "gpu": 1}},
        f"{WORKER}.resources.gpu",
        "is a resource of your own to Ray; write GPU",
    ),
    "worker without CPUs": (
        {f"{WORKER}.resources.CPU": 0},
        f"{WORKER}.resources.CPU",
        "a worker with CPU: 0 never holds a pack, which needs at least 1; raise it",
    ),
    "head that is none": (
        {"head_node_type": "haed"},
        "head_node_type",
        "'haed' is not among available_node_types; the nearest is 'head'",
    ),
    "no head": (
        {"head_node_type": None},
        "head_node_type",
        "missing; name one of available_node_types: head, gpu_worker",
    ),
    "more at least than at most": (
        {f"{WORKER}.min_workers": 5, "max_workers": 8},
        f"{WORKER}.min_workers",
        "5 is more than this type's max_workers, 4; lower it",
    ),
    "more at least than max_workers": (
        {f"{WORKER}.min_workers": 3, "max_workers": 2},
        "max_workers",
        "2 is less than the node types' min_workers together, 3; raise it, or lower those",
    ),
    "no workers": ({"max_workers": 0}, "max_workers", "no worker can ever start; raise it"),
    "unknown provider": (
        {"provider.type": "amazon"},
        "provider.type",
        "unknown provider 'amazon'; the nearest is 'azure'",
    ),
    "no region": ({"provider.region": None}, "provider.region", "missing: provider aws needs it"),
    "no Ray": (
        {"setup_commands": ["export RAY_AUTH_MODE=token"], "head_setup_commands": []},
        "head_setup_commands",
        "nothing installs Ray on the head; add to setup_commands: pip install -c constraints.txt -e .",
    ),
    "not this program": (
        {"setup_commands": ["export RAY_AUTH_MODE=token", "pip install -c constraints.txt 'ray[default]==2.60.0'"]},
        "worker_setup_commands",
        "nothing installs embedllm-tune on the worker: packs cannot run without it",
    ),
    "Ray too old": (
        {"setup_commands": ["export RAY_AUTH_MODE=token", "pip install embedllm-tune ray==2.9.3"]},
        "worker_setup_commands",
        "the worker gets Ray 2.9.3, but embedllm-tune needs ray>=2.52",
    ),
    "different Rays": (
        {
            "worker_setup_commands": ["pip install ray==2.55.0"],
            "head_setup_commands": ["pip install 'ray[default]==2.60.0'"],
        },
        "worker_setup_commands",
        "workers get Ray 2.55.0 but the head 2.60.0; Ray's nodes need the same Ray",
    ),
    "different Pythons": (
        {"worker_setup_commands": ["uv venv --python 3.12"], "head_setup_commands": ["uv venv --python 3.11"]},
        "worker_setup_commands",
        "workers get Python 3.12 but the head 3.11; Ray's nodes need the same Ray and the same minor version of Python",
    ),
    "Python too old": (
        {"docker": {"image": "rayproject/ray:2.60.0-py310-gpu", "container_name": "ray"}},
        "head_setup_commands",
        "the head gets Python 3.10, but embedllm-tune needs >=3.11",
    ),
    "authentication not settled": (
        {"setup_commands": ["pip install -c constraints.txt -e ."]},
        "setup_commands",
        "token authentication is not settled: workers do not join a head that finds a token",
    ),
    "authentication on the head only": (
        {
            "setup_commands": ["pip install -c constraints.txt -e ."],
            "head_setup_commands": ["export RAY_AUTH_MODE=token"],
        },
        "worker_setup_commands",
        "RAY_AUTH_MODE is not set on workers but token on the head: workers cannot join",
    ),
    "authentication misspelled": (
        {"setup_commands": ["pip install -c constraints.txt -e .", "export RAY_AUTH_MODE=tokens"]},
        "head_setup_commands",
        "RAY_AUTH_MODE is 'tokens' but is either token or disabled",
    ),
    "no token": (
        {"file_mounts": {"~/embedllm-tune/tune": "tune"}},
        "file_mounts",
        "RAY_AUTH_MODE is token but nothing brings a token to the nodes; make one with `ray get-auth-token --generate`",
    ),
    "no ray start": (
        {"worker_start_ray_commands": ["ray stop"]},
        "worker_start_ray_commands",
        "no `ray start` among them",
    ),
    "no ray start on the head": (
        {"head_start_ray_commands": []},
        "head_start_ray_commands",
        "no `ray start` among them",
    ),
    "no autoscaler": (
        {"head_start_ray_commands": [f"{START} --head"]},
        "head_start_ray_commands",
        "`ray start` on the head needs --autoscaling-config=~/ray_bootstrap_config.yaml",
    ),
    "no head start": (
        {"head_start_ray_commands": [f"{START} --autoscaling-config=~/ray_bootstrap_config.yaml"]},
        "head_start_ray_commands",
        "`ray start` on the head needs --head",
    ),
    "workers without address": (
        {"worker_start_ray_commands": [START]},
        "worker_start_ray_commands",
        "`ray start` on workers needs --address=$RAY_HEAD_IP:6379: without it each is a cluster of its own",
    ),
    "different ports": (
        {"worker_start_ray_commands": [f"{START} --address=$RAY_HEAD_IP:6380"]},
        "worker_start_ray_commands",
        "workers look for the head at $RAY_HEAD_IP:6380 but it listens on port 6379; use the same port",
    ),
    "missing source": (
        {"file_mounts.~/notes": "notes"},
        "file_mounts.~/notes",
        "notes is not there; correct it; relative paths start where `ray up` is run",
    ),
    "source that is no path": (
        {"file_mounts.~/notes": 3},
        "file_mounts.~/notes",
        "must be a path on this machine but is 3",
    ),
    "no user": ({"auth.ssh_user": None}, "auth.ssh_user", "missing: name the user to log in to the nodes as"),
    "missing key file": (
        {"auth.ssh_private_key": "~/.ssh/none"},
        "auth.ssh_private_key",
        "~/.ssh/none is not there; give the key you log in to the nodes with, or leave it to Ray",
    ),
    "Google's GPUs unnamed": (
        {
            "provider": {"type": "gcp", "region": "us-west1", "project_id": "mine"},
            f"{WORKER}.node_config": {"machineType": "g2-standard-4"},
            f"{WORKER}.resources": {"CPU": 4},
        },
        f"{WORKER}.resources.GPU",
        "missing: on gcp Ray does not find out by itself that gpu_worker has GPUs",
    ),
}

WARNINGS: dict[str, tuple[dict[str, Any], str, str]] = {
    "packs on the head": (
        {"available_node_types.head.resources": {}},
        "available_node_types.head.resources.CPU",
        "packs of trials may be placed on the head",
    ),
    "max_workers not given": (
        {"max_workers": None},
        "max_workers",
        "not given: Ray starts 2 workers at most; say how many",
    ),
    "type's max never reached": (
        {"max_workers": 2},
        f"{WORKER}.max_workers",
        "4 is never reached: max_workers of the whole",
    ),
    "max_workers never reached": (
        {"max_workers": 9},
        "max_workers",
        "9 is never reached: the node types' max_workers make 4",
    ),
    "GPUs unused": (
        {f"{WORKER}.resources.GPU": 0},
        f"{WORKER}.resources.GPU",
        "g6.xlarge has GPUs, but GPU: 0 leaves them",
    ),
    "Ray not pinned": (
        {"setup_commands": ["export RAY_AUTH_MODE=token", "pip install embedllm-tune ray"]},
        "head_setup_commands",
        "Ray is not pinned on the head: nodes set up on different days get different versions",
    ),
    "Ray other than here": (
        {"setup_commands": ["export RAY_AUTH_MODE=token", "pip install embedllm-tune ray==2.53.0"]},
        "head_setup_commands",
        "the head gets Ray 2.53.0, but `ray up` here is of Ray",
    ),
    "authentication disabled": (
        {"setup_commands": ["pip install -c constraints.txt -e .", "export RAY_AUTH_MODE=disabled"]},
        "setup_commands",
        "token authentication is disabled: anyone who reaches the cluster's ports can run code",
    ),
    "token in the file": (
        {"setup_commands": ["pip install -c constraints.txt -e .", "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=abc"]},
        "setup_commands",
        "the token itself is written in the file",
    ),
    "short idle timeout": ({"idle_timeout_minutes": 1}, "idle_timeout_minutes", "1: workers leave between the packs"),
    "short idle timeout of a type": (
        {f"{WORKER}.idle_timeout_s": 60},
        f"{WORKER}.idle_timeout_s",
        "60: workers leave between",
    ),
    "fixed head address": (
        {"worker_start_ray_commands": [f"{START} --address=10.0.0.1:6379"]},
        "worker_start_ray_commands",
        "--address is 10.0.0.1:6379; $RAY_HEAD_IP:6379 is the head of this cluster",
    ),
    "misspelled key of the provider": (
        {"provider.availability_zones": "us-west-2a"},
        "provider.availability_zones",
        "unknown key 'availability_zones', which Ray ignores; the nearest is 'availability_zone'",
    ),
    "no node types": (
        {"available_node_types": None, "head_node_type": None, "max_workers": 2},
        "available_node_types",
        "not given: Ray starts machines of its own choice, without GPUs",
    ),
}

LOCAL_ERRORS: dict[str, tuple[dict[str, Any], str, str]] = {
    "node types": (
        {"available_node_types": {"worker": {"node_config": {}, "resources": {"CPU": 1}}}},
        "available_node_types",
        "Ray stops at this key where provider.type is local; leave it out",
    ),
    "no head": ({"provider.head_ip": None}, "provider.head_ip", "missing: provider local needs head_ip and a list of"),
    "head among the workers": (
        {"provider.worker_ips": ["192.0.2.10"], "max_workers": 1},
        "provider.worker_ips[0]",
        "192.0.2.10 is the head; leave it out of the workers",
    ),
    "worker twice": (
        {"provider.worker_ips": ["192.0.2.11", "192.0.2.11"]},
        "provider.worker_ips[1]",
        "192.0.2.11 is given twice; leave one out",
    ),
    "loopback": (
        {"provider.worker_ips": ["localhost"], "max_workers": 1},
        "provider.worker_ips[0]",
        "localhost is every machine's own address; give the one the others reach it by",
    ),
    "more at least than at most": (
        {"max_workers": 1},
        "max_workers",
        "Ray refuses the file: The specified global `max_workers` is smaller than the sum of `min_workers`",
    ),
    "no own address": (
        {"head_start_ray_commands": [f"{START} --head --autoscaling-config=~/ray_bootstrap_config.yaml"]},
        "head_start_ray_commands",
        "`ray start` on the head needs --node-ip-address=192.0.2.10: on machines of your own",
    ),
    "another address": (
        {"provider.head_ip": "192.0.2.20"},
        "head_start_ray_commands",
        "--node-ip-address is 192.0.2.10 but provider.head_ip is 192.0.2.20; give both the same address",
    ),
}


LOCAL_WARNINGS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no key for the head": (
        {"auth.ssh_private_key": None},
        "auth.ssh_private_key",
        "not given: the head logs in to the workers by ssh, and must have a key for that already",
    ),
    "fewer workers than machines": (
        {"max_workers": 1, "min_workers": 1},
        "max_workers",
        "Ray says: The value of `max_workers` supplied (1) is less than",
    ),
    "Ray's second autoscaler": (
        {
            "head_start_ray_commands": [
                f"{START} --head --node-ip-address=192.0.2.10 --autoscaling-config=~/ray_bootstrap_config.yaml"
            ]
        },
        "head_start_ray_commands",
        "nothing says which of its autoscalers Ray is to use",
    ),
    "addresses of the shipped file": (
        {},
        "provider.head_ip",
        "192.0.2.10 is an address for examples, which no machine",
    ),
}


def told(check: ClusterCheck, level: str, key: str, text: str) -> bool:
    return any(one.level == level and one.key == key and text in one.text for one in check.findings)


def shown(check: ClusterCheck) -> str:
    return "\n".join(f"{one.level} {one.key}: {one.text}" for one in check.findings)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_told_with_its_key_and_what_to_do(name: str, check_changed: Check) -> None:
    changes, key, text = ERRORS[name]
    check = check_changed(changes)
    assert told(check, "error", key, text), shown(check)


@pytest.mark.parametrize("name", WARNINGS)
def test_a_warning_is_told_and_is_no_error(name: str, check_changed: Check) -> None:
    changes, key, text = WARNINGS[name]
    check = check_changed(changes)
    assert told(check, "warning", key, text), shown(check)
    assert check.errors == []


@pytest.mark.parametrize("name", LOCAL_ERRORS)
def test_errors_on_machines_of_ones_own(name: str, check_changed: Check) -> None:
    changes, key, text = LOCAL_ERRORS[name]
    check = check_changed(changes, LOCAL)
    assert told(check, "error", key, text), shown(check)


HIDING = ("head that is none", "no head", "wrong kind", "no workers", "unknown provider", "no token")
"""Errors that make others of the table meaningless, or are made so: without a mode there is no talk of tokens."""


@pytest.mark.parametrize("name", LOCAL_WARNINGS)
def test_warnings_on_machines_of_ones_own(name: str, check_changed: Check) -> None:
    changes, key, text = LOCAL_WARNINGS[name]
    check = check_changed(changes, LOCAL)
    assert told(check, "warning", key, text), shown(check)
    assert check.errors == []


INDEPENDENT = [name for name, (changes, _, _) in ERRORS.items() if len(changes) == 1 and name not in HIDING]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.sampled_from(INDEPENDENT), min_size=2, max_size=5, unique=True))
def test_every_problem_is_told_at_once(names: list[str], check_changed: Check) -> None:
    touched: set[str] = set()
    kept = []
    for name in names:  # two changes of one key, or of one inside the other, are one change
        (path,) = ERRORS[name][0]
        if not any(path.startswith(other) or other.startswith(path) for other in touched):
            kept.append(name)
            touched.add(path)
    check = check_changed(dict(itertools.chain.from_iterable(ERRORS[name][0].items() for name in kept)))
    for name in kept:
        _, key, text = ERRORS[name]
        assert told(check, "error", key, text), (name, shown(check))


def test_findings_know_their_line(check_text: Check) -> None:
    check = check_text("cluster_name: a\nprovider:\n  type: aws\n  region: r\nmax_worker: 2\n")
    (found,) = [one for one in check.errors if one.key == "max_worker"]
    assert found.line == 5


def test_a_problem_is_told_once(check_changed: Check) -> None:
    check = check_changed({"available_node_types": {"a": {"resources": {}, "node_config": {}}}}, LOCAL)
    assert [one.key for one in check.errors] == ["available_node_types"], shown(check)
    check = check_changed({"head_node_type": "haed"})
    assert [one.key for one in check.errors] == ["head_node_type"], shown(check)


def test_nothing_is_printed_and_nothing_is_left(
    check_changed: Check, capfd: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    check_changed({})
    check_changed({}, LOCAL)
    assert capfd.readouterr() == ("", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cluster.yaml", "home"]


def test_a_folder_with_a_working_copys_weight(check_changed: Check, tmp_path: Any) -> None:
    (tmp_path / "copy" / ".venv").mkdir(parents=True)
    check = check_changed({"file_mounts.~/copy": str(tmp_path / "copy")})
    assert told(check, "warning", "file_mounts.~/copy", "holds .venv, which `ray up` reads and copies too"), shown(
        check
    )


def test_a_key_that_others_can_read(check_changed: Check, tmp_path: Any) -> None:
    key = tmp_path / "key.pem"
    key.write_text("secret")
    key.chmod(0o644)
    text = f"{key} can be read by others, and ssh refuses such a key; run `chmod 600 {key}`"
    assert told(check_changed({"auth.ssh_private_key": str(key)}), "error", "auth.ssh_private_key", text)
    key.chmod(0o600)
    assert check_changed({"auth.ssh_private_key": str(key)}).findings == ()


def test_an_image_of_ones_own_is_taken_on_trust(check_changed: Check) -> None:
    image = {"image": "example.org/embedllm-tune:1", "container_name": "ray"}
    check = check_changed(
        {"docker": image, "setup_commands": ["export RAY_AUTH_MODE=token"], "head_setup_commands": []}
    )
    assert check.errors == [], shown(check)


def paths(config: Any, above: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Every key and place of a nested configuration."""
    for key in config if isinstance(config, dict) else range(len(config)) if isinstance(config, list) else ():
        yield (*above, key)
        yield from paths(config[key], (*above, key))


ODD = [None, [], {}, [1], {"a": [2]}, 3, -1, 0.5, True, "", "text", date(2026, 1, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("shipped", ["cluster.yaml", LOCAL])
@pytest.mark.parametrize("value", ODD, ids=repr)
def test_no_value_makes_the_check_itself_fail(value: Any, shipped: str, check_text: Check) -> None:
    original = yaml.safe_load((ROOT / shipped).read_text())
    for path in paths(original):
        config = copy.deepcopy(original)
        part: Any = config
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value
        check = check_text(yaml.safe_dump(config))
        render_check(check)
        check_as_json(check)
