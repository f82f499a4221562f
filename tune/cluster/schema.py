"""The file against Ray's published JSON schema, every violation at once."""

import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tune.cluster.findings import Finding, error, nearest_of, path_of

REMOVED = {
    "head_node": "put its contents under available_node_types.NAME.node_config and name that type in head_node_type",
    "worker_nodes": "put its contents under available_node_types.NAME.node_config",
    "min_workers": "give every node type its own min_workers",
    "initial_workers": "give every node type its own min_workers",
    "autoscaling_mode": "use upscaling_speed",
    "target_utilization_fraction": "use upscaling_speed",
}
"""Keys of Ray 1 that old examples still have, and what took their place."""

FILLS_RESOURCES = ("aws",)
"""Providers whose node types need no `resources`: Ray asks the cloud for them."""

KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "`key: value` lines",
    "null": "null",
}


def ray_schema() -> dict[str, Any]:
    """The JSON schema that the installed Ray checks cluster files with."""
    import ray.autoscaler

    return json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text(encoding="utf-8"))


def check_schema(config: dict[str, Any], schema: dict[str, Any]) -> list[Finding]:
    """Unknown keys, keys that are missing and values of the wrong kind."""
    from jsonschema import Draft7Validator  # Ray's own dependency, and what it validates with

    config = copy.deepcopy(config)
    kind = _provider_of(config)
    if kind == "local":
        config.pop("min_workers", None)  # Ray takes it for this provider, and out of the file before it validates
    violations = sorted(Draft7Validator(schema).iter_errors(config), key=lambda one: [str(part) for part in one.path])
    return [finding for one in violations for finding in _reworded(one, kind)]


def _provider_of(config: dict[str, Any]) -> object:
    provider = config.get("provider")
    return provider.get("type") if isinstance(provider, dict) else None


def _reworded(violation: Any, provider: object) -> Iterator[Finding]:
    """One violation in words that say what to do; unknown keys one by one."""
    path: Sequence[object] = list(violation.absolute_path)
    key, given = path_of(*path), violation.instance
    rule, wanted = violation.validator, violation.validator_value
    if rule == "additionalProperties":
        allowed = list(violation.schema.get("properties", {}))
        for name in given:
            if name in allowed:
                continue
            if not path and name in REMOVED:
                yield error(name, f"Ray 2 no longer has this key; {REMOVED[name]}")
            else:
                yield error(path_of(*path, name), f"unknown key {name!r}{nearest_of(name, allowed)}")
    elif rule == "required":
        for name in wanted:
            if name not in given and not (name == "resources" and provider in FILLS_RESOURCES):
                yield error(path_of(*path, name), f"missing, and must be given{_meaning(violation.schema, name)}")
    elif rule == "type":
        kinds = " or ".join(KINDS.get(kind, kind) for kind in ([wanted] if isinstance(wanted, str) else wanted))
        advice = ""
        if len(path) >= 2 and path[-2] == "resources" and isinstance(given, float):
            advice = "; a node has whole CPUs and GPUs, it is packs that share one: `tune run --gpus-per-pack 0.5`"
        yield error(key, f"must be {kinds} but is {given!r}{advice}")
    elif rule == "minimum":
        yield error(key, f"must be at least {wanted} but is {given!r}")
    elif rule == "enum":
        yield error(key, f"must be one of {', '.join(map(repr, wanted))} but is {given!r}")
    else:
        yield error(key, str(violation.message))


def _meaning(schema: dict[str, Any], name: str) -> str:
    said = schema.get("properties", {}).get(name, {}).get("description")
    return f": {said}" if said else ""
