"""The lines that start Ray: on the head with the autoscaler, on workers towards the head."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tune.cluster.findings import Finding, error, warning
from tune.cluster.launch import Launch, Role

DEFAULT_PORT = "6379"
FIRST_AUTOSCALER = re.compile(r"\bRAY_enable_autoscaler_v2=[\"']?0")
SHORT_IDLE = 5
"""Minutes a worker may be idle at least: between the packs of a sweep, or two commands typed one after the other."""


def check_ray_start(config: Mapping[str, Any], roles: Mapping[Role, Launch], *, local: bool) -> Iterator[Finding]:
    """What `ray start` lacks.

    Args:
        config: as Ray completes it.
        roles: their commands.
        local: whether the machines are one's own (`provider: {type: local}`).
    """
    head, worker = _start(roles["head"]), _start(roles["worker"])
    if head is None:
        yield error("head_start_ray_commands", "no `ray start` among them: the head would not run Ray; add one")
    else:
        yield from _check_head(config, head, local)
        if local and not FIRST_AUTOSCALER.search(roles["head"].text):
            yield _second_autoscaler()
    if worker is None:
        yield error("worker_start_ray_commands", "no `ray start` among them: workers would never join; add one")
    else:
        yield from _check_worker(worker, _option(head or "", "port") or DEFAULT_PORT)


def check_idle_timeout(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Workers that leave between two packs are paid for twice."""
    minutes = config.get("idle_timeout_minutes")
    if isinstance(minutes, int | float) and minutes < SHORT_IDLE:
        yield warning(
            "idle_timeout_minutes",
            f"{minutes:g}: workers leave between the packs of a sweep, or before the next one starts, and take minutes "
            f"to come back; give at least {SHORT_IDLE}, better 15",
        )
    types = config.get("available_node_types")
    for name, values in types.items() if isinstance(types, dict) else ():
        seconds = values.get("idle_timeout_s") if isinstance(values, dict) else None
        if isinstance(seconds, int | float) and seconds < 60 * SHORT_IDLE:
            yield warning(
                f"available_node_types.{name}.idle_timeout_s",
                f"{seconds:g}: workers leave between the packs of a sweep; give at least {60 * SHORT_IDLE}, better 900",
            )


def _check_head(config: Mapping[str, Any], command: str, local: bool) -> Iterator[Finding]:
    key = "head_start_ray_commands"
    if not re.search(r"--head\b", command):
        yield error(key, "`ray start` on the head needs --head")
    if _option(command, "autoscaling-config") is None:
        yield error(
            key,
            "`ray start` on the head needs --autoscaling-config=~/ray_bootstrap_config.yaml: without it no worker is "
            "ever started",
        )
    if not local:
        return
    own, provider = _option(command, "node-ip-address"), config.get("provider")
    address = provider.get("head_ip") if isinstance(provider, dict) else None
    if own is None:
        wanted = address or "HEAD_IP"
        yield error(
            key,
            f"`ray start` on the head needs --node-ip-address={wanted}: on machines of your own Ray may take the "
            "loopback address for its own, and no worker joins",
        )
    elif address and own != address and not own.startswith("$"):
        yield error(key, f"--node-ip-address is {own} but provider.head_ip is {address}; give both the same address")


def _second_autoscaler() -> Finding:
    """What happens on machines of one's own where the file leaves the autoscaler to Ray, seen with Ray 2.60: its second
    one never records the head as started, takes it for a worker, and starts no machine twice."""
    return warning(
        "head_start_ray_commands",
        "nothing says which of its autoscalers Ray is to use, and the one it takes counts the head among machines of "
        "your own as a worker: one machine never joins, and none that is lost comes back; write "
        "RAY_enable_autoscaler_v2=0 before `ray start --head`",
    )


def _check_worker(command: str, port: str) -> Iterator[Finding]:
    key, address = "worker_start_ray_commands", _option(command, "address")
    if address is None:
        yield error(
            key, f"`ray start` on workers needs --address=$RAY_HEAD_IP:{port}: without it each is a cluster of its own"
        )
        return
    host, _, given = address.rpartition(":")
    if given != port:
        yield error(key, f"workers look for the head at {address} but it listens on port {port}; use the same port")
    elif host != "$RAY_HEAD_IP":
        yield warning(key, f"--address is {address}; $RAY_HEAD_IP:{port} is the head of this cluster, wherever it runs")


def _start(launch: Launch) -> str | None:
    """The last command that starts Ray."""
    return next((command for command in reversed(launch.start) if re.search(r"\bray\s+start\b", command)), None)


def _option(command: str, name: str) -> str | None:
    found = re.search(rf"--{name}[\s=]+[\"']?([^\s\"';]+)", command)
    return found[1] if found else None
