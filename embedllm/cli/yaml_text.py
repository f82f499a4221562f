"""YAML as configuration files are written in it: each key once."""

from collections.abc import Iterator
from typing import Any

import yaml

from embedllm.errors import EmbedLLMError


class RepeatedKeys(EmbedLLMError):
    """Keys given twice in one mapping, of which YAML would silently take the last."""


def load_yaml(text: str) -> Any:
    """What the text says.

    Raises:
        RepeatedKeys: naming every key given twice, and its lines.
        yaml.YAMLError: if it is no YAML.
    """
    repeated = list(repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader)))
    if repeated:
        raise RepeatedKeys("; ".join(repeated))
    return yaml.safe_load(text)


def repeated_keys(node: yaml.Node | None, prefix: str = "") -> Iterator[str]:
    """A sentence on every key that a mapping gives twice, in the order of the text."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from repeated_keys(item, prefix)
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, int] = {}
    for key, value in node.value:
        name, line = f"{prefix}{key.value}", key.start_mark.line + 1
        if name in first:
            yield f"key {name!r} is given twice, in lines {first[name]} and {line}; keep one"
        first.setdefault(name, line)
        yield from repeated_keys(value, f"{name}.")
