"""How a cluster is divided: its nodes, and the slots in which packs train on them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from embedllm.errors import ConfigError
from tune.labels import counted

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


def places(nodes: Sequence[Node], slots: Slots) -> int:
    """Packs that find room on the nodes at the same time, each on one; of `slots`, only what each takes counts."""
    return sum(node.places(slots) for node in nodes if node.alive)


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
        cpus = max(range(1, MAX_CPUS_PER_GPU_PACK + 1), key=lambda each: (places(nodes, Slots(1, each, gpus)), each))
    if nodes:
        fit = places(nodes, Slots(1, cpus, gpus)) or fit  # no room on any node: `check_slots` refuses
    if asked.slots is not None and asked.slots > fit:
        room, size = counted(fit, "pack"), f"{counted(all_cpus, 'CPU')} and {counted(all_gpus, 'GPU')}"
        raise ConfigError(
            f"slots is {asked.slots} but a cluster of {size} has room for only {room} of "
            f"{Slots(1, cpus, gpus).each}; ask for fewer slots or less per pack"
        )
    return Slots(asked.slots or min(fit, packs), cpus, gpus)
