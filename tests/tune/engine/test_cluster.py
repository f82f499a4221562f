"""Starting and joining Ray, and what is told when it cannot be had."""

import os
import re
import socket
from pathlib import Path

import pytest
import ray

from embedllm.errors import ConfigError, EmbedLLMError
from tune.engine.cluster import check_address, hide_other_gpus, ray_cluster


def test_a_missing_cluster_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nmore")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at .auto. .*start one with `ray start --head`"):
        ray_cluster("auto").__enter__()


@pytest.mark.parametrize(
    ("mode", "advice"),
    [
        ("", "where that turned on token authentication, set RAY_AUTH_MODE=token"),
        ("token", "with the same token in ~/.ray/auth_token or RAY_AUTH_TOKEN as here"),
    ],
)
def test_a_cluster_that_may_want_another_token_is_told(monkeypatch: pytest.MonkeyPatch, mode: str, advice: str) -> None:
    def refuse(**options: object) -> None:
        raise ConnectionError("Failed to connect to Ray cluster")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", refuse)
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(ConfigError, match=re.escape(advice)):
        ray_cluster("auto").__enter__()


def test_a_missing_token_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise ray.exceptions.AuthenticationError(
            "Token authentication is enabled but no authentication token was found"
        )

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(ConfigError, match=r"RAY_AUTH_MODE is token but there is no token here; .*~/\.ray/auth_token"):
        ray_cluster("auto").__enter__()


def test_a_cluster_that_is_gone_is_told_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(ConfigError, match=f"no Ray cluster answers at '{address}' .*`resume SWEEP --address local`"):
        check_address(address)


def test_addresses_that_ray_finds_by_itself_are_left_to_it() -> None:
    for address in (None, "auto", "local"):
        check_address(address)
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        head.listen()
        check_address(f"127.0.0.1:{head.getsockname()[1]}")


def test_ray_that_is_late_is_started_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def late(**options: object) -> None:
        attempts.append(options["num_cpus"])
        raise Exception("The current node timed out during startup.")

    def silent(**options: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", late)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    with pytest.raises(EmbedLLMError, match="Ray did not start on this machine, 2 times: The current node timed out"):
        ray_cluster(None, num_cpus=2).__enter__()
    monkeypatch.setattr("ray.init", silent)
    with pytest.raises(EmbedLLMError, match="Ray did not start on this machine, 2 times: RuntimeError"):
        ray_cluster(None, num_cpus=2).__enter__()
    assert attempts == [2, 2]


def joined(monkeypatch: pytest.MonkeyPatch, error: Exception) -> dict[str, object]:
    """What Ray is asked for where joining a cluster ends in an error."""
    asked: dict[str, object] = {}

    def fail(**options: object) -> None:
        asked.update(options)
        raise error

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", fail)
    with pytest.raises(ConfigError) as caught:
        ray_cluster("auto").__enter__()
    return asked | {"told": str(caught.value)}


def test_ray_client_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"'ray://head:10001' but Ray Client is not supported; run this program on a "
    ):
        check_address("ray://head:10001")


def test_a_cluster_of_other_versions_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.11.2\nThis process…"
    told = str(joined(monkeypatch, RuntimeError(text))["told"])
    assert "(Version mismatch: The cluster was started with: Ray: 2.9.0 Python: 3.11.2 This process…)" in told
    assert told.endswith("install the cluster's versions here")
    with pytest.raises(RuntimeError, match="something else"):
        joined(monkeypatch, RuntimeError("something else"))


def test_where_the_program_must_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "run this program on a node of it" in str(joined(monkeypatch, ConnectionError("no node here"))["told"])


def test_workers_of_a_cluster_that_runs_already_use_the_same_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDLLM_CACHE", "cache")
    asked = joined(monkeypatch, ConnectionError("none"))
    assert asked["runtime_env"] == {"env_vars": {"EMBEDLLM_CACHE": str(tmp_path / "cache")}}
    # Ray refuses a variable that its job has in its environment.
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", '{"runtime_env": {"env_vars": {"EMBEDLLM_CACHE": "/a"}}}')
    assert joined(monkeypatch, ConnectionError("none"))["runtime_env"] is None
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR")
    monkeypatch.delenv("EMBEDLLM_CACHE")
    assert joined(monkeypatch, ConnectionError("none"))["runtime_env"] is None


@pytest.mark.parametrize(("under_ray", "given", "visible"), [(True, [], ""), (True, [1], "0,1"), (False, [], "0,1")])
def test_a_worker_without_gpus_sees_none(
    monkeypatch: pytest.MonkeyPatch, under_ray: bool, given: list[int], visible: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr("ray.is_initialized", lambda: under_ray)
    monkeypatch.setattr("ray.get_gpu_ids", lambda: given)
    hide_other_gpus()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible
