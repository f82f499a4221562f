"""The node types of a cluster file: how many of each, what they hold, and how many packs find room on them."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from embedllm.errors import ConfigError
from tune.cluster.findings import Finding, error, nearest_of, path_of, warning
from tune.config import SweepConfig
from tune.engine.slots import Node, Slots, plan_slots

LOCAL_TYPE = "local.cluster.node"
"""What Ray calls the machines of an on-premises cluster."""

DEFAULT_MAX_WORKERS = 2
"""Ray's own for clouds where the file does not say."""

GPU_INSTANCES = {
    "aws": ("InstanceType", re.compile(r"(p\d|g\d|gr\d)")),
    "azure": ("vmSize", re.compile(r"standard_n[cdvg]", re.IGNORECASE)),
    "gcp": ("machineType", re.compile(r"(.*/)?(a2|a3|a4|g2|g4)-")),
}
"""Provider -> the key that names the machine, and the names of those with GPUs."""

DETECTS_GPUS = ("aws",)
"""Providers that tell Ray a machine's GPUs by themselves."""


@dataclass(frozen=True)
class NodeType:
    """One node type, head included.

    Args:
        name: its key in `available_node_types`.
        role: what it is for.
        least: nodes that always run.
        most: nodes at most; the head is one.
        cpus: CPUs of each that Ray may use; None = found out by Ray on the node.
        gpus: the same for GPUs.
        machine: the cloud's name of it, or an address; None where the file has none.
        market: how it is paid.
    """

    name: str
    role: Literal["head", "worker"]
    least: int
    most: int
    cpus: int | None
    gpus: int | None
    machine: str | None
    market: Literal["spot", "on demand", "own"]


def node_types(config: Mapping[str, Any]) -> list[NodeType]:
    """Head first. Of a file with errors, what can be made out."""
    provider = _mapping(config.get("provider"))
    if provider.get("type") == "local":
        return _own_machines(config, provider)
    head = config.get("head_node_type")
    found: list[NodeType] = []
    for name, values in _mapping(config.get("available_node_types")).items():
        values = _mapping(values)
        machine, resources = _mapping(values.get("node_config")), _mapping(values.get("resources"))
        cap = _count(config.get("max_workers"), DEFAULT_MAX_WORKERS)
        least, most = (
            _count(values.get("min_workers"), 0),
            _count(values.get("max_workers"), 0 if name == head else cap),
        )
        common = (
            _whole(resources.get("CPU")),
            _whole(resources.get("GPU", 0 if _no_gpus(machine, provider, resources) else None)),
            _machine_name(machine, provider),
            _market(machine, provider),
        )
        if name == head:
            found.insert(0, NodeType(name, "head", 1, 1, *common))
        if name != head or most:
            found.append(NodeType(name, "worker", least, min(most, cap), *common))
    return found


def check_node_types(config: Mapping[str, Any]) -> list[Finding]:
    """Counts that contradict one another, and machines that cannot do what they are there for."""
    provider = _mapping(config.get("provider"))
    if provider.get("type") == "local":
        return []
    if "available_node_types" not in config:
        return [
            warning(
                "available_node_types",
                "not given: Ray starts machines of its own choice, without GPUs; name your own, as cluster.yaml does",
            )
        ]
    types = _mapping(config.get("available_node_types"))
    return [*_check_head(config, types), *_check_counts(config, types), *_check_resources(provider, config, types)]


def _check_head(config: Mapping[str, Any], types: Mapping[str, Any]) -> Iterator[Finding]:
    head = config.get("head_node_type")
    if head is None:
        yield error("head_node_type", f"missing; name one of available_node_types: {', '.join(types)}")
    elif not isinstance(head, str):
        return  # the schema tells
    elif head not in types:
        yield error("head_node_type", f"{head!r} is not among available_node_types{nearest_of(head, types)}")
    elif "CPU" not in (resources := _mapping(_mapping(types[head]).get("resources"))) or resources["CPU"]:
        yield warning(
            path_of("available_node_types", head, "resources", "CPU"),
            "packs of trials may be placed on the head, beside the program that steers them and Ray's own; "
            "set CPU: 0 to keep it free",
        )


def _check_counts(config: Mapping[str, Any], types: Mapping[str, Any]) -> Iterator[Finding]:
    cap, head = config.get("max_workers"), config.get("head_node_type")
    if cap is None:
        yield warning("max_workers", f"not given: Ray starts {DEFAULT_MAX_WORKERS} workers at most; say how many")
    cap = _count(cap, DEFAULT_MAX_WORKERS)
    all_least = all_most = 0
    for name, values in types.items():
        values, key = _mapping(values), path_of("available_node_types", name)
        least = _count(values.get("min_workers"), 0)
        most = _count(values.get("max_workers"), 0 if name == head else cap)
        all_least, all_most = all_least + least, all_most + most
        if least > most:
            yield error(f"{key}.min_workers", f"{least} is more than this type's max_workers, {most}; lower it")
        elif most > cap:
            yield warning(f"{key}.max_workers", f"{most} is never reached: max_workers of the whole file is {cap}")
    if all_least > cap:
        yield error(
            "max_workers",
            f"{cap} is less than the node types' min_workers together, {all_least}; raise it, or lower those",
        )
    elif all_most < cap and all_most:
        yield warning("max_workers", f"{cap} is never reached: the node types' max_workers make {all_most} together")
    if not all_most or not cap:
        yield error("max_workers", "no worker can ever start; raise it, and max_workers of a node type but the head's")


def _check_resources(
    provider: Mapping[str, Any], config: Mapping[str, Any], types: Mapping[str, Any]
) -> Iterator[Finding]:
    for name, values in types.items():
        machine, resources = _mapping(_mapping(values).get("node_config")), _mapping(_mapping(values).get("resources"))
        key = path_of("available_node_types", name, "resources")
        for resource in resources:
            known = {"cpu": "CPU", "cpus": "CPU", "gpu": "GPU", "gpus": "GPU"}.get(str(resource).lower())
            if known and resource != known:
                yield error(f"{key}.{resource}", f"is a resource of your own to Ray; write {known}")
        if name == config.get("head_node_type"):
            continue
        if resources.get("CPU") == 0 and config.get("head_node_type") in list(types):  # else this may be the head
            yield error(f"{key}.CPU", "a worker with CPU: 0 never holds a pack, which needs at least 1; raise it")
        if resources.get("GPU") == 0 and _is_gpu_machine(machine, provider):
            yield warning(f"{key}.GPU", f"{_machine_name(machine, provider)} has GPUs, but GPU: 0 leaves them unused")
        if "GPU" not in resources and provider.get("type") not in DETECTS_GPUS and _is_gpu_machine(machine, provider):
            yield error(
                f"{key}.GPU",
                f"missing: on {provider.get('type')} Ray does not find out by itself that {name} has GPUs, and never "
                "starts one for a pack that wants a GPU; write GPU: and how many",
            )


def largest_cluster(types: Sequence[NodeType], max_workers: int) -> list[Node] | None:
    """Every node there can be at the same time, those with most GPUs first; None where some node's size is unknown."""
    nodes: list[Node] = []
    for each in sorted(types, key=lambda one: (one.role != "head", -(one.gpus or 0))):
        if each.cpus is None or each.gpus is None:
            return None
        room = 1 if each.role == "head" else min(each.most, max_workers + 1 - len(nodes))
        nodes += [Node(each.name, "", True, each.cpus, each.gpus, 0.0)] * room
    return nodes


def packs_at_once(nodes: Sequence[Node]) -> Slots | None:
    """How a sweep with default settings divides these nodes; None if not even one pack finds room."""
    resources = {"CPU": sum(node.cpus for node in nodes), "GPU": sum(node.gpus for node in nodes)}
    try:
        return plan_slots(SweepConfig(), sys.maxsize, resources, nodes)
    except ConfigError:
        return None


def _own_machines(config: Mapping[str, Any], provider: Mapping[str, Any]) -> list[NodeType]:
    addresses = provider.get("worker_ips")
    count = len(addresses) if isinstance(addresses, list) else _count(config.get("max_workers"), 0)
    most = min(count, _count(config.get("max_workers"), count))
    least = min(most, _count(config.get("min_workers"), count))
    head = str(provider.get("head_ip") or provider.get("coordinator_address") or "")
    shown = f"{addresses[0]}, …" if isinstance(addresses, list) and len(addresses) > 1 else None
    shown = str(addresses[0]) if isinstance(addresses, list) and len(addresses) == 1 else shown
    return [
        NodeType("head", "head", 1, 1, None, None, head or None, "own"),
        NodeType("workers", "worker", least, most, None, None, shown, "own"),
    ]


def _market(machine: Mapping[str, Any], provider: Mapping[str, Any]) -> Literal["spot", "on demand"]:
    options = _mapping(machine.get("InstanceMarketOptions"))  # AWS
    scheduling = machine.get("scheduling")  # Google
    first = _mapping(scheduling[0] if isinstance(scheduling, list) and scheduling else scheduling)
    azure = _mapping(machine.get("azure_arm_parameters"))
    spot = (
        options.get("MarketType") == "spot"
        or first.get("preemptible") is True
        or first.get("provisioningModel") == "SPOT"
        or azure.get("priority") == "Spot"
    )
    return "spot" if spot else "on demand"


def _machine_name(machine: Mapping[str, Any], provider: Mapping[str, Any]) -> str | None:
    key, _ = GPU_INSTANCES.get(str(provider.get("type")), ("", None))
    name = machine.get(key, _mapping(machine.get("azure_arm_parameters")).get(key))
    return None if name is None else str(name)


def _is_gpu_machine(machine: Mapping[str, Any], provider: Mapping[str, Any]) -> bool:
    _, pattern = GPU_INSTANCES.get(str(provider.get("type")), ("", None))
    name = _machine_name(machine, provider)
    return bool(machine.get("guestAccelerators")) or bool(pattern and name and pattern.match(name))


def _no_gpus(machine: Mapping[str, Any], provider: Mapping[str, Any], resources: Mapping[str, Any]) -> bool:
    """Whether a type that names no GPUs has none: its CPUs are named, or its machine is known to have none."""
    detected = provider.get("type") in DETECTS_GPUS and _is_gpu_machine(machine, provider)
    return not detected and (bool(resources) or _machine_name(machine, provider) is not None)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None
