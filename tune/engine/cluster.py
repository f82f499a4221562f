"""Ray as a sweep needs it: started here or joined, and divided into slots."""

import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from embedllm.errors import ConfigError, EmbedLLMError
from tune.imports import import_aside
from tune.labels import counted, error_line

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

NO_WORKERS = (
    "no node of the cluster has a CPU for Ray to use yet; ask an autoscaled cluster for workers with `python -m tune "
    "cluster wait --gpus N` (or `--cpus N`), or add a node with `ray start --address=HEAD:PORT`"
)
"""What to do about a head that does not train, alone."""

MAX_CPUS_PER_GPU_PACK = 4
"""A pack on a GPU computes there; more threads only help to copy."""


@dataclass(frozen=True)
class Slots:
    """How a cluster is divided.

    Args:
        count: packs trained at the same time.
        cpus: CPU threads of each.
        gpus: GPUs, or the share of one, of each.
    """

    count: int
    cpus: int
    gpus: float

    @property
    def resources(self) -> dict[str, float]:
        """As Ray Tune wants them."""
        return {"cpu": self.cpus, "gpu": self.gpus} if self.gpus else {"cpu": self.cpus}

    @property
    def each(self) -> str:
        """What a slot has, in words."""
        return " and ".join([counted(self.cpus, "CPU"), *([counted(self.gpus, "GPU")] if self.gpus else [])])


@dataclass(frozen=True)
class Node:
    """One machine of a cluster.

    Args:
        id: Ray's.
        address: IP address.
        alive: whether Ray hears from it.
        cpus: CPUs Ray may use.
        gpus: GPUs Ray may use.
        memory: bytes Ray's workers may use.
    """

    id: str
    address: str
    alive: bool
    cpus: float
    gpus: float
    memory: float

    def places(self, slots: Slots) -> int:
        """Packs this node has resources for at the same time."""
        by_cpu = int(self.cpus // slots.cpus)
        if not slots.gpus:
            return by_cpu
        if slots.gpus > 1:
            return min(by_cpu, int(self.gpus // slots.gpus))
        return min(by_cpu, int(self.gpus) * math.floor(1 / slots.gpus + 1e-9))


def cluster_nodes() -> list[Node]:
    """Every machine of the cluster Ray is connected to, dead ones included."""
    import ray

    return [
        Node(
            id=node["NodeID"],
            address=node["NodeManagerAddress"],
            alive=node["Alive"],
            cpus=node["Resources"].get("CPU", 0.0),
            gpus=node["Resources"].get("GPU", 0.0),
            memory=node["Resources"].get("memory", 0.0),
        )
        for node in ray.nodes()
    ]


def memory_per_pack(slots: Slots, nodes: Sequence[Node]) -> int | None:
    """Bytes of host memory for each pack, on the node where they have least; None where Ray does not know."""
    shares = [
        node.memory / min(places, slots.count)
        for node in nodes
        if node.alive and node.memory and (places := node.places(slots))
    ]
    return int(min(shares)) if shares else None


def _places(nodes: Sequence[Node], cpus: int, gpus: float) -> int:
    """Packs that find room at the same time, each on one node."""
    return sum(node.places(Slots(1, cpus, gpus)) for node in nodes if node.alive)


class AskedOfCluster(Protocol):
    """What a configuration asks of a cluster, each None = by itself; see `SweepConfig`."""

    @property
    def slots(self) -> int | None: ...

    @property
    def cpus_per_pack(self) -> int | None: ...

    @property
    def gpus_per_pack(self) -> float | None: ...


def plan_slots(asked: AskedOfCluster, packs: int, resources: dict[str, float], nodes: Sequence[Node] = ()) -> Slots:
    """Divide a cluster among packs.

    Args:
        asked: what the user wants.
        packs: most there can be; of slots that nobody asked for there are never more.
        resources: `CPU` and `GPU` of the whole cluster, as `ray.cluster_resources()` gives them.
        nodes: its machines, where they are known: CPUs of a node without GPUs are of no use to packs on GPUs.

    Raises:
        ConfigError: if not even one pack finds room.
    """
    all_cpus, all_gpus = int(resources.get("CPU", 0)), resources.get("GPU", 0.0)
    if not all_cpus:
        raise ConfigError(NO_WORKERS)
    gpus = asked.gpus_per_pack if asked.gpus_per_pack is not None else (0.5 if all_gpus else 0.0)
    problems = []
    if gpus > all_gpus:
        problems.append(f"gpus_per_pack is {gpus:g} but the cluster has {counted(all_gpus, 'GPU')}")
    if (asked.cpus_per_pack or 1) > all_cpus:
        problems.append(f"cpus_per_pack is {asked.cpus_per_pack or 1} but the cluster has {counted(all_cpus, 'CPU')}")
    if problems:
        raise ConfigError("a pack does not fit the cluster: " + "; ".join(problems))
    by_gpu = None
    if gpus:
        by_gpu = int(all_gpus) * math.floor(1 / gpus + 1e-9) if gpus <= 1 else int(all_gpus // gpus)
    cpus = asked.cpus_per_pack or (1 if by_gpu is None else min(MAX_CPUS_PER_GPU_PACK, max(1, all_cpus // by_gpu)))
    fit = all_cpus // cpus if by_gpu is None else min(by_gpu, all_cpus // cpus)
    if nodes and gpus and not asked.cpus_per_pack:
        cpus = max(range(1, MAX_CPUS_PER_GPU_PACK + 1), key=lambda each: (_places(nodes, each, gpus), each))
    if nodes:
        fit = _places(nodes, cpus, gpus) or fit  # no room on any node: `check_slots` refuses
    if asked.slots is not None and asked.slots > fit:
        room, size = counted(fit, "pack"), f"{counted(all_cpus, 'CPU')} and {counted(all_gpus, 'GPU')}"
        raise ConfigError(
            f"slots is {asked.slots} but a cluster of {size} has room for only {room} of "
            f"{Slots(1, cpus, gpus).each}; ask for fewer slots or less per pack"
        )
    return Slots(asked.slots or min(fit, packs), cpus, gpus)


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

    check_address(address)
    try:
        ray.init(address=address, runtime_env=_environment_of_workers(), **QUIET_OPTIONS)
    except ConnectionError as error:
        raise _no_cluster(address, error_line(error)) from error
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
    return ConfigError(
        f"no Ray cluster answers at {address!r} ({why}); start one with `ray start --head` (where that turned on token "
        "authentication, set RAY_AUTH_MODE=token) and run this program on a node of it, or run on this machine alone: "
        "leave `address` out, or `resume SWEEP --address local`"
    )
