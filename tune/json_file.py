"""The small JSON files of a sweep's folder: written all or nothing, and a clear word about a damaged one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embedllm.errors import ConfigError
from embedllm.storage import replaced_file


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write `file`, all or nothing: a full disk or a kill leaves the older one."""
    with replaced_file(file) as staged:
        staged.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(file: Path, remedy: str) -> dict[str, Any]:
    """What :func:`write_json` wrote.

    Args:
        file: exists.
        remedy: what to do about a damaged file.

    Raises:
        ConfigError: if it is no JSON object.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{file} is damaged ({error}); {remedy}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file} is damaged (a JSON object is expected); {remedy}")
    return content
