"""What Ray's autoscaler says about nodes that have not joined: being set up, or failed, and why.

It is what `ray status` prints, on either of Ray's two autoscalers, by a function that is not public: where another
version of Ray has moved it, or the cluster has no autoscaler, nothing is said.
"""

from collections.abc import Iterator

PENDING, FAILED = "Pending:", "Recent failures:"


def nodes_to_come() -> list[str]:
    """`pending: 10.0.0.2: local.cluster.node, setting-up`, `failed: …`, in the cluster this process is connected to."""
    try:
        status = _status()
    except Exception:  # it only explains; whatever goes wrong in it must not end the waiting
        return []
    return [
        *(f"pending: {line}" for line in _section(status, PENDING)),
        *(f"failed: {line}" for line in _section(status, FAILED)),
    ]


def _status() -> str:
    """As `ray status` prints it."""
    import ray
    from ray._private import ray_constants
    from ray.autoscaler._private.commands import debug_status
    from ray.experimental.internal_kv import _internal_kv_get

    said, error = (
        _internal_kv_get(key) for key in (ray_constants.DEBUG_AUTOSCALING_STATUS, ray_constants.DEBUG_AUTOSCALING_ERROR)
    )
    return str(debug_status(said, error, address=ray.get_runtime_context().gcs_address))


def _section(status: str, title: str) -> Iterator[str]:
    """Lines under a title, which are indented; `(no pending nodes)` is none."""
    lines = iter(status.splitlines())
    for line in lines:
        if line.strip() == title:
            break
    for line in lines:
        if not line.startswith(" "):
            return
        text = line.strip().rstrip(",")
        if not text.startswith("(no "):
            yield text
