"""Which designs there are: every module of `ablations/designs/` holds one."""

import importlib
import pkgutil
from functools import cache

from ablations import designs
from ablations.design import Design
from embedllm.cli.parser import nearest
from embedllm.errors import ConfigError

PARTS = ("name", "title", "plan", "tables", "draw", "findings", "caveats")
"""What makes a class a design."""
LAST = 100
"""Position of a design that names none."""


@cache
def design_classes() -> dict[str, type[Design]]:
    """Name of its command -> class, by `position`, then by name."""
    found = {}
    for module in pkgutil.iter_modules(designs.__path__, f"{designs.__name__}."):
        content = vars(importlib.import_module(module.name)).values()
        for item in content:
            if isinstance(item, type) and item.__module__ == module.name and all(hasattr(item, part) for part in PARTS):
                found[item.name] = item  # type: ignore[attr-defined]  # just looked at
    return dict(sorted(found.items(), key=lambda item: (getattr(item[1], "position", LAST), item[0])))


def find_design(name: str) -> type[Design]:
    """The class of a design.

    Raises:
        ConfigError: if there is none of that name.
    """
    known = design_classes()
    if name not in known:
        raise ConfigError(f"there is no design {name!r}; the nearest is {nearest(name, known)!r}")
    return known[name]
