"""What a cluster file has executed: on the head and on every worker, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["head", "worker"]
ROLES: tuple[Role, ...] = ("head", "worker")


@dataclass(frozen=True)
class Launch:
    """The commands of one kind of node.

    Args:
        role: head or worker.
        copies: `SOURCE -> TARGET` of everything copied before.
        initialization: run first, outside any container.
        setup: run when the node is new or its setup has changed.
        start: run every time Ray is started.
        image: of the container all but the first run in; None = no container.
        container_options: of `docker run`.
    """

    role: Role
    copies: tuple[str, ...]
    initialization: tuple[str, ...]
    setup: tuple[str, ...]
    start: tuple[str, ...]
    image: str | None
    container_options: tuple[str, ...]

    @property
    def steps(self) -> list[tuple[str, str]]:
        """What is done, in order: the kind of step and the command."""
        steps = {"copy": self.copies, "init": self.initialization, "setup": self.setup, "start": self.start}
        return [(step, command) for step, commands in steps.items() for command in commands]

    @property
    def text(self) -> str:
        """All of it, to be searched."""
        return "\n".join([*self.initialization, *self.setup, *self.start, *self.container_options])


def launches(config: Mapping[str, Any], *, prepared: bool) -> dict[Role, Launch]:
    """The commands of head and workers.

    Args:
        config: of the file.
        prepared: whether Ray has filled it in: it puts the common setup commands before each role's own.
    """
    docker = config.get("docker")
    docker = docker if isinstance(docker, dict) else {}
    mounts = config.get("file_mounts")
    copies = tuple(f"{source} -> {target}" for target, source in mounts.items()) if isinstance(mounts, dict) else ()
    found: dict[Role, Launch] = {}
    for role in ROLES:
        own = _commands(config.get(f"{role}_setup_commands"))
        found[role] = Launch(
            role,
            copies,
            _commands(config.get("initialization_commands")),
            own if prepared else _commands(config.get("setup_commands")) + own,
            _commands(config.get(f"{role}_start_ray_commands")),
            docker.get(f"{role}_image") or docker.get("image") or None,
            _commands(docker.get("run_options")) + _commands(docker.get(f"{role}_run_options")),
        )
    return found


def _commands(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else ()
