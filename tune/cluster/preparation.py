"""What Ray itself makes of a cluster file: its defaults filled in, and its own validation.

`ray up` does both before it talks to a cloud, in functions that are not public. Where another version of Ray has moved
them, the file is judged by the published schema alone, and the check says so. Neither writes anything.
"""

import contextlib
import copy
import importlib
import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tune.cluster.findings import Finding, error, warning

MODULE = "ray.autoscaler._private.util"

LOG_LINE = re.compile(r"^\S+ \S+\t(?P<level>\w+) \S+:\d+ -- (?P<text>.*)$")
"""How Ray's launcher writes where it has no terminal."""


ABOUT_CONTAINERS = "Ray says: File Mount: "
"""That a file is mounted, which Ray says whether there are containers or not; outside them it does no harm."""


@dataclass(frozen=True)
class Prepared:
    """A cluster file as Ray's launcher goes on with it.

    Args:
        config: with Ray's defaults; as in the file where Ray refuses it or cannot be asked.
        complete: whether the defaults are in it.
        findings: what Ray said.
        note: what was not looked at, and why; None = nothing.
    """

    config: dict[str, Any]
    complete: bool
    findings: tuple[Finding, ...] = ()
    note: str | None = None


def prepare(config: Mapping[str, Any]) -> Prepared:
    """Fill in Ray's defaults and validate, as `ray up` does."""
    given = copy.deepcopy(dict(config))
    try:
        module = importlib.import_module(MODULE)
        fill_in, validate = module.prepare_config, module.validate_config
    except (ImportError, AttributeError):
        import ray

        note = (
            f"Ray {ray.__version__} has no {MODULE}.prepare_config: the file was checked with Ray's published schema "
            "only, and Ray's defaults are not shown"
        )
        return Prepared(given, False, note=note)
    said: list[Finding] = []
    filled = _asked(lambda: fill_in(copy.deepcopy(given)), said)
    if not given.get("docker"):
        said = [one for one in said if not one.text.startswith(ABOUT_CONTAINERS)]
    if filled is None:
        return Prepared(given, False, tuple(said))
    _asked(lambda: validate(_resources_filled(filled)), said)
    return Prepared(filled, True, tuple(said))


def _asked(ask: Callable[[], Any], said: list[Finding]) -> Any:
    """Ray's answer, or None where it refuses; what it logs and raises is added to what was said."""
    from jsonschema import ValidationError

    log = io.StringIO()
    refusal, answer = None, None
    with _aside(log):
        try:
            answer = ask()
        except ValidationError:
            pass  # `tune.cluster.schema` tells every violation, not just the first
        except Exception as failure:  # whatever Ray trips over: a file it trips over is not one to start with
            refusal = " ".join(str(failure).split()) or type(failure).__name__
            if isinstance(failure, (KeyError, TypeError, AttributeError, AssertionError)):
                refusal = f"{type(failure).__name__}: {refusal}"
    said += [warning(_key_of(text), f"Ray says: {text}") for text in _warnings(log.getvalue())]
    if refusal is not None:
        said.append(error(_key_of(refusal), f"Ray refuses the file: {refusal}"))
    return answer


@contextlib.contextmanager
def _aside(log: io.StringIO) -> Iterator[None]:
    """What Ray prints goes to the log, and what it says about its defaults nowhere."""
    logger = logging.getLogger(MODULE)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield
    finally:
        logger.setLevel(level)


def _warnings(log: str) -> Iterator[str]:
    for line in log.splitlines():
        found = LOG_LINE.match(line)
        if found and found["level"].startswith("WARN"):
            yield found["text"].strip()


def _key_of(text: str) -> str:
    """The key that Ray's message names first between backquotes, or after `field`; empty where it names none."""
    found = re.search(r"`(\w+)`|field (\w+)", text)
    return next((name for name in found.groups() if name), "") if found else ""


def _resources_filled(config: dict[str, Any]) -> dict[str, Any]:
    """A copy in which every node type has `resources`: a cloud that fills them in is not asked here."""
    config = copy.deepcopy(config)
    for node_type in (config.get("available_node_types") or {}).values():
        if isinstance(node_type, dict):
            node_type.setdefault("resources", {})
    return config
