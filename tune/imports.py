"""Heavy modules, imported in the background while something else is waited for, by one thread at a time.

MLflow, Ray Tune and PyTorch have packages that import one another in circles. Where two threads begin at different ends
of one, Python lets one of them see a module half imported, and the package stays broken for as long as the process
lives. Imports hold the interpreter's lock, so that taking turns costs no time.
"""

import threading
from importlib import import_module
from types import ModuleType

_TURN = threading.RLock()


def import_alone(name: str) -> ModuleType:
    """Import a module while no other thread does so through this function; at once if it is there already."""
    with _TURN:
        return import_module(name)


def import_aside(name: str) -> None:
    """Begin to import a module in a thread. What it raises, if it does, whoever needs the module will see."""
    threading.Thread(target=import_alone, args=(name,), daemon=True).start()
