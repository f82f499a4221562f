"""The provider: what it needs, what it does not take, and keys it may not know."""

import difflib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tune.cluster.findings import Finding, error, nearest_of, warning

NEEDS = {"aws": ("region",), "gcp": ("region", "project_id"), "azure": ("location", "resource_group")}
"""Provider -> keys without which Ray stops, some of them after it has begun to make things."""

KNOWN = ("aws", "azure", "gcp", "local", "aliyun", "vsphere", "external", "kuberay", "spark", "fake_multinode")

NOT_ON_OWN_MACHINES = ("available_node_types", "head_node", "worker_nodes")

EXAMPLES = [ipaddress.ip_network(network) for network in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
"""Networks that are kept for documentation (RFC 5737): no machine has an address in them."""

ALIKE = 0.8
"""Likeness from which an unknown key is taken for a misspelling: providers have keys that the schema does not list."""


def check_provider(config: Mapping[str, Any], known_keys: Sequence[str]) -> Iterator[Finding]:
    """Findings on `provider` and what hangs on it.

    Args:
        config: as in the file.
        known_keys: keys of `provider` that Ray's schema lists.
    """
    provider = config.get("provider")
    if not isinstance(provider, dict) or not isinstance(provider.get("type"), str):
        return  # the schema tells
    kind = provider["type"]
    if kind not in KNOWN:
        yield error("provider.type", f"unknown provider {kind!r}{nearest_of(kind, KNOWN)}")
    for name in NEEDS.get(kind, ()):
        if not provider.get(name):
            yield error(f"provider.{name}", f"missing: provider {kind} needs it")
    for name in provider:
        alike = difflib.get_close_matches(str(name), known_keys, 1, ALIKE)
        if name not in known_keys and alike:
            yield warning(f"provider.{name}", f"unknown key {name!r}, which Ray ignores; the nearest is {alike[0]!r}")
    if kind == "local":
        yield from _check_own_machines(config, provider)


def _check_own_machines(config: Mapping[str, Any], provider: Mapping[str, Any]) -> Iterator[Finding]:
    for name in NOT_ON_OWN_MACHINES:
        if config.get(name):
            yield error(
                name,
                "Ray stops at this key where provider.type is local; leave it out: the machines are those of "
                "provider.head_ip and provider.worker_ips, and Ray finds out what they hold",
            )
    if provider.get("coordinator_address"):
        if "max_workers" not in config:
            yield error("max_workers", "missing: needed with provider.coordinator_address")
        return
    head, workers = provider.get("head_ip"), provider.get("worker_ips")
    for name, given in (("head_ip", head), ("worker_ips", workers)):
        if not given:
            yield error(f"provider.{name}", "missing: provider local needs head_ip and a list of worker_ips")
    if not isinstance(workers, list):
        return
    for number, address in enumerate(workers):
        if address == head:
            yield error(f"provider.worker_ips[{number}]", f"{address} is the head; leave it out of the workers")
        elif address in workers[:number]:
            yield error(f"provider.worker_ips[{number}]", f"{address} is given twice; leave one out")
    for key, address in (
        ("provider.head_ip", head),
        *((f"provider.worker_ips[{n}]", a) for n, a in enumerate(workers)),
    ):
        if isinstance(address, str) and _loopback(address):
            yield error(key, f"{address} is every machine's own address; give the one the others reach it by")
        elif isinstance(address, str) and _example(address):
            yield warning(key, f"{address} is an address for examples, which no machine has; give that of your machine")


def _example(address: str) -> bool:
    try:
        return any(ipaddress.ip_address(address) in network for network in EXAMPLES)
    except ValueError:  # a name
        return False


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
