"""The whole check of a cluster file."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tune.cluster.authentication import check_authentication
from tune.cluster.file import read_cluster_file
from tune.cluster.findings import Finding
from tune.cluster.installation import check_installation
from tune.cluster.launch import Launch, Role, launches
from tune.cluster.node_types import (
    DEFAULT_MAX_WORKERS,
    NodeType,
    check_node_types,
    largest_cluster,
    node_types,
    packs_at_once,
)
from tune.cluster.preparation import Prepared, prepare
from tune.cluster.provider import check_provider
from tune.cluster.ray_start import check_idle_timeout, check_ray_start
from tune.cluster.schema import check_schema, ray_schema
from tune.cluster.sources import check_sources
from tune.engine.slots import Slots


@dataclass(frozen=True)
class ClusterCheck:
    """What was found in a cluster file, and what it would start.

    Args:
        path: the file.
        name: of the cluster.
        provider: its type.
        max_workers: workers at the same time, of all types.
        findings: in order of the file, errors before warnings.
        types: node types, the head first; empty where the file is no cluster file.
        slots: how a sweep with default settings divides the largest cluster; None where that cannot be told.
        commands: what runs on the head and on workers.
        note: what was not looked at; None = nothing.
    """

    path: Path
    name: str
    provider: str
    max_workers: int
    findings: tuple[Finding, ...]
    types: tuple[NodeType, ...] = ()
    slots: Slots | None = None
    commands: Mapping[Role, Launch] = dataclasses.field(default_factory=dict)
    note: str | None = None

    @property
    def errors(self) -> list[Finding]:
        """Findings that keep it from working."""
        return [finding for finding in self.findings if finding.level == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """Findings that do not."""
        return [finding for finding in self.findings if finding.level == "warning"]


def check_cluster(path: Path) -> ClusterCheck:
    """Look at everything that can be known before `ray up`; nothing is started, written or asked of a network.

    Raises:
        ConfigError: if the file cannot be read.
    """
    file = read_cluster_file(path)
    if not file.config:
        return ClusterCheck(path, path.stem, "", 0, file.findings)
    given, schema = file.config, ray_schema()
    prepared = prepare(given)
    ours = [*file.findings, *check_schema(given, schema), *check_provider(given, _keys_of_provider(schema))]
    ours += [*check_node_types(given), *check_sources(prepared.config)]
    roles = launches(prepared.config, prepared=prepared.complete)
    provider = given.get("provider")
    kind = str(provider.get("type")) if isinstance(provider, dict) else ""
    ours += check_installation(roles)
    ours += check_authentication(prepared.config, roles)
    if prepared.complete or "head_start_ray_commands" in given:  # else these are Ray's, which it did not fill in
        ours += check_ray_start(prepared.config, roles, local=kind == "local")
    ours += check_idle_timeout(prepared.config)
    found = [*ours, *_news(prepared, ours)]
    located = [dataclasses.replace(one, line=one.line or file.line_of(one.key)) for one in dict.fromkeys(found)]
    located.sort(key=lambda one: (one.level, one.line or 0))
    types = node_types(given if kind == "local" else prepared.config)
    workers = _max_workers(prepared.config, types)
    nodes = largest_cluster(types, workers)
    return ClusterCheck(
        path,
        str(given.get("cluster_name", path.stem)),
        kind,
        workers,
        tuple(located),
        tuple(types),
        packs_at_once(nodes) if nodes else None,
        roles,
        prepared.note,
    )


def _keys_of_provider(schema: Mapping[str, Any]) -> list[str]:
    return list(schema.get("properties", {}).get("provider", {}).get("properties", {}))


def _news(prepared: Prepared, ours: Sequence[Finding]) -> list[Finding]:
    """What Ray said that was not said already, in more words: it stops at its first error."""
    ours_errors = [finding.key for finding in ours if finding.level == "error"]
    told = {part for key in ours_errors for part in key.replace("[", ".").split(".")}
    return [
        finding
        for finding in prepared.findings
        if not (finding.key in told if finding.key else ours_errors and finding.level == "error")
    ]


def _max_workers(config: Mapping[str, Any], types: Sequence[NodeType]) -> int:
    given = config.get("max_workers")
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    own = [one.most for one in types if one.role == "worker" and one.market == "own"]
    return sum(own) if own else DEFAULT_MAX_WORKERS
