"""Whether the cluster settles who may use it: Ray's token authentication.

With it, whoever has no token can neither join nor run code. `ray start` on the head turns it on by itself where it
finds a token, on workers it does not: a file that says nothing gives an open cluster, or one no worker ever joins.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tune.cluster.findings import Finding, error, warning
from tune.cluster.launch import Launch, Role

MODE = re.compile(r"RAY_AUTH_MODE\s*[=:]\s*[\"']?(\w+)")
TOKEN_GIVEN = re.compile(r"RAY_AUTH_TOKEN(?:_PATH)?\s*=")
TOKEN_WRITTEN_OUT = re.compile(r"RAY_AUTH_TOKEN\s*=\s*[\"']?[^\s\"'$]")
TOKEN_FILE = "auth_token"

HOW = (
    "as cluster.yaml does: a file_mounts entry ~/.ray/auth_token: ~/.ray/auth_token, and RAY_AUTH_MODE=token in the "
    "environment of every node"
)


def check_authentication(config: Mapping[str, Any], roles: Mapping[Role, Launch]) -> Iterator[Finding]:
    """One mode for all nodes, said in the file; with `token`, a token on all of them that is not in the file itself."""
    modes = {role: next(iter(MODE.findall(launch.text)[-1:]), None) for role, launch in roles.items()}
    head, worker = modes["head"], modes["worker"]
    if head is None and worker is None:
        yield error(
            "setup_commands",
            "token authentication is not settled: workers do not join a head that finds a token, and a head without "
            f"one lets anyone who reaches it run code; settle it {HOW}",
        )
        return
    for role, mode in modes.items():
        if mode not in (None, "token", "disabled"):
            yield error(f"{role}_setup_commands", f"RAY_AUTH_MODE is {mode!r} but is either token or disabled")
    if head != worker:
        yield error(
            "worker_setup_commands",
            f"RAY_AUTH_MODE is {worker or 'not set'} on workers but {head or 'not set'} on the head: workers cannot "
            f"join; set it in setup_commands, {HOW}",
        )
    if "disabled" in (head, worker):
        yield warning(
            "setup_commands",
            f"token authentication is disabled: anyone who reaches the cluster's ports can run code; turn it on {HOW}",
        )
    if head == "token" and not _brings_token(config) and not TOKEN_GIVEN.search(roles["head"].text):
        yield error(
            "file_mounts",
            f"RAY_AUTH_MODE is token but nothing brings a token to the nodes; make one with `ray get-auth-token "
            f"--generate` and mount it {HOW}",
        )
    if any(TOKEN_WRITTEN_OUT.search(launch.text) for launch in roles.values()):
        yield warning(
            "setup_commands",
            "the token itself is written in the file, which is copied to the head and perhaps kept in a repository; "
            f"keep it in a file of its own, {HOW}",
        )


def _brings_token(config: Mapping[str, Any]) -> bool:
    mounts, synced = config.get("file_mounts"), config.get("cluster_synced_files")
    paths = [*(mounts if isinstance(mounts, dict) else ()), *(synced if isinstance(synced, list) else ())]
    return any(TOKEN_FILE in str(path) for path in paths)
