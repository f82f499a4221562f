"""Ray as a sweep needs it: started here, or joined."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedllm.errors import ConfigError, EmbedLLMError
from tune.imports import import_aside
from tune.labels import error_line

QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files per pack
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours: see tune.interrupt
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the dispatcher tells what failed
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # nothing to save: the study knows all
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_prestart_worker_first_driver": "0",  # Ray Tune's actors have an environment of their own: others start in vain
}
"""Environment under which Ray Tune is run, where the user has not set it otherwise."""

QUIET_OPTIONS: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}

START_ATTEMPTS = 2
"""Ray gives its processes 30 seconds to start, which a very busy machine may miss once."""

CONNECT_SECONDS = 5.0
"""What a cluster's head has to answer in."""


def hide_other_gpus() -> None:
    """Keep PyTorch in a worker off GPUs it was not given. To be called before PyTorch is imported.

    Where a pack takes no GPU, Ray leaves a node's GPUs visible to it (RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO, or another
    version's default): PyTorch would take the first, and so would every other worker.
    """
    import ray

    if ray.is_initialized() and not ray.get_gpu_ids():
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@contextmanager
def ray_cluster(address: str | None, num_cpus: int | None = None) -> Iterator[dict[str, float]]:
    """Ray for the duration of the block, and its resources. A Ray this process is connected to already is left running.

    Args:
        address: cluster to join, or None to start Ray on this machine.
        num_cpus: CPUs Ray may use of this machine; None = all.

    Raises:
        ConfigError: if there is no cluster at `address`.
        EmbedLLMError: if Ray does not start here.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield ray.cluster_resources()
        return
    # Ray Tune takes a second to import, Ray longer to start: waiting, for the most part.
    import_aside("tune.engine.execution")
    on_term = signal.getsignal(signal.SIGTERM)
    if address is None:
        _start_ray(num_cpus)
    else:
        _join_ray(address)
    if callable(on_term) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_term)  # Ray's own would end the process as if it had crashed
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()


def _start_ray(num_cpus: int | None) -> None:
    import ray

    for attempt in range(START_ATTEMPTS):
        try:
            ray.init(address="local", num_cpus=num_cpus, include_dashboard=False, **QUIET_OPTIONS)
            return
        except Exception as error:  # Ray raises a bare Exception where one of its processes is late
            ray.shutdown()
            if attempt + 1 == START_ATTEMPTS:
                raise EmbedLLMError(
                    f"Ray did not start on this machine, {START_ATTEMPTS} times: {error_line(error)} "
                    "Is the machine overloaded, or out of memory or disk space? Try again when it is not"
                ) from error


def check_address(address: str | None) -> None:
    """Refuse a cluster, `HOST:PORT`, that does not answer within seconds: Ray itself tries for many minutes.

    Raises:
        ConfigError: if nothing listens there, or it is an address of Ray Client.
    """
    if "://" in (address or ""):
        raise ConfigError(
            f"address is {address!r} but Ray Client is not supported; run this program on a node of the cluster, with "
            "the address `auto` or HOST:PORT"
        )
    host, _, port = (address or "").rpartition(":")
    if "/" in host or not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise _no_cluster(str(address), str(error)) from error


def _join_ray(address: str) -> None:
    import ray
    from ray.exceptions import AuthenticationError

    check_address(address)
    try:
        ray.init(address=address, runtime_env=_environment_of_workers(), **QUIET_OPTIONS)
    except ConnectionError as error:
        raise _no_cluster(address, error_line(error)) from error
    except AuthenticationError as error:
        raise ConfigError(
            "RAY_AUTH_MODE is token but there is no token here; put the cluster's, which `ray get-auth-token` shows on "
            "its head, into ~/.ray/auth_token or RAY_AUTH_TOKEN"
        ) from error
    except RuntimeError as error:
        if "Version mismatch" not in str(error):
            raise
        versions = " ".join(str(error).split())
        raise ConfigError(
            f"the Ray cluster at {address!r} runs other versions of Ray or Python ({versions}); install the cluster's "
            "versions here"
        ) from error


def _environment_of_workers() -> dict[str, Any] | None:
    """What workers of a cluster that runs already need of this process's environment: they have their node's."""
    from embedllm.encoders.cache import CACHE_VARIABLE  # imported here: pyarrow comes with it, which takes a while

    folder = os.environ.get(CACHE_VARIABLE)
    # A Ray job's own environment reaches workers as it is, and Ray refuses to be given a variable of it again.
    if not folder or CACHE_VARIABLE in os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", ""):
        return None
    return {"env_vars": {CACHE_VARIABLE: str(Path(folder).expanduser().resolve())}}


def _no_cluster(address: str, why: str) -> ConfigError:
    token = (  # Ray does not say whether it was refused or found nobody
        "with the same token in ~/.ray/auth_token or RAY_AUTH_TOKEN as here"
        if os.environ.get("RAY_AUTH_MODE") == "token"
        else "where that turned on token authentication, set RAY_AUTH_MODE=token"
    )
    return ConfigError(
        f"no Ray cluster answers at {address!r} ({why}); start one with `ray start --head` ({token}) and run this "
        "program on a node of it. A sweep also runs on this machine alone: leave `address` out, or "
        "`resume SWEEP --address local`"
    )
