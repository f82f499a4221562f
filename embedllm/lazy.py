"""Names of a package imported on first use, so that the command line's `--help` need not wait for heavy libraries.

__getattr__ = imported_on_use(__name__, {"model": ("EmbedLLM",)})        # in the package's __init__.py
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def imported_on_use(package: str, home: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The package's `__getattr__` (PEP 562).

    Args:
        package: its `__name__`.
        home: module of the package -> public names that live there.

    Returns:
        Called with a name, it imports the module and returns what it names there; AttributeError for any other name.
    """
    module_of = {name: module for module, names in home.items() for name in names}

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{module_of[name]}"), name)

    return get
