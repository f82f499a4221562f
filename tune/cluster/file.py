"""A cluster file as text and as values, with the line every key stands in."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from embedllm.errors import ConfigError
from tune.cluster.findings import Finding, path_of


@dataclass(frozen=True)
class ClusterFile:
    """A cluster file that was read.

    Args:
        path: where it is.
        config: its values; empty where it is not a mapping.
        lines: key path -> line, from 1.
        findings: what is wrong with it as YAML; nothing else can be said of a file that has an error here.
    """

    path: Path
    config: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def line_of(self, key: str) -> int | None:
        """The line of a key, or of the nearest one above it that is in the file."""
        while key and key not in self.lines:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self.lines.get(key)


def read_cluster_file(path: Path) -> ClusterFile:
    """Read a cluster file; YAML that is broken is a finding like any other.

    Raises:
        ConfigError: if there is no such file, or it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        why = failure.strerror if isinstance(failure, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path} cannot be read ({why}); give the cluster file you use with `ray up`") from failure
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        config = yaml.safe_load(text)
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        said = " ".join(part for part in (failure.context, failure.problem) if part)
        return _broken(path, f"{place}not valid YAML: {said}", mark.line + 1 if mark else None)
    except yaml.YAMLError as failure:  # such as characters YAML has no room for
        return _broken(path, f"not valid YAML: {' '.join(str(failure).split())}", None)
    if not isinstance(config, dict):
        held = "nothing" if config is None else f"a {type(config).__name__}"
        return _broken(path, f"the file must hold `key: value` lines, as cluster.yaml does, but holds {held}", None)
    if "apiVersion" in config:
        text = f"this is a Kubernetes manifest ({config.get('kind', 'of no kind')}), not a file for `ray up`"
        return _broken(path, f"{text}; check it with `kubectl apply --dry-run=server -f {path.name}`", None)
    lines: dict[str, int] = {}
    findings = []
    for key, line in _walk(root, ""):
        if key in lines:
            said = f"given twice, in lines {lines[key]} and {line}; only the last counts: remove one"
            findings.append(Finding("error", key, said, line))
        lines[key] = line
    return ClusterFile(path, config, lines, tuple(findings))


def _broken(path: Path, text: str, line: int | None) -> ClusterFile:
    return ClusterFile(path, {}, {}, (Finding("error", "", text, line),))


def _walk(node: yaml.Node | None, above: str) -> Iterator[tuple[str, int]]:
    """Key path and line of everything below a node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = path_of(*([above] if above else []), key.value)
            yield path, key.start_mark.line + 1
            yield from _walk(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            path = f"{above}[{number}]"
            yield path, value.start_mark.line + 1
            yield from _walk(value, path)
