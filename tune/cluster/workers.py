"""Workers wanted before a sweep: asked of the autoscaler and waited for.

By the nodes it finds when it starts, a sweep decides what each pack takes. On a cluster that begins with no workers it
would find none.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from embedllm.errors import EmbedLLMError
from tune.cluster.autoscaler import nodes_to_come
from tune.engine.cluster import ray_cluster
from tune.engine.slots import Node, cluster_nodes
from tune.labels import counted

LOOK_SECONDS = 2.0
"""Time between two looks at the cluster."""


@dataclass(frozen=True)
class Wanted:
    """What a sweep is to find.

    Args:
        cpus: CPUs of all nodes together.
        gpus: GPUs of all nodes together.
    """

    cpus: int = 0
    gpus: int = 0

    @property
    def bundles(self) -> list[dict[str, float]]:
        """As the autoscaler is asked: one by one, so that nodes of any size will do."""
        return [{"GPU": 1.0}] * self.gpus + [{"CPU": 1.0}] * self.cpus

    def met_by(self, nodes: Sequence[Node]) -> bool:
        """Whether the nodes that are alive hold as much."""
        cpus, gpus = _held(nodes)
        return cpus >= self.cpus and gpus >= self.gpus


def wait_for_workers(
    wanted: Wanted, address: str, seconds: float, *, on_news: Callable[[str], None] = lambda line: None
) -> str:
    """Ask the autoscaler for nodes, wait until they have joined, and withdraw the request.

    Nodes stay as long as they are used, and `idle_timeout_minutes` longer.

    Args:
        wanted: resources of the whole cluster.
        address: of the cluster.
        seconds: time they have.
        on_news: told whenever a node came or went, or the autoscaler says something else about one to come.

    Returns:
        What the cluster holds.

    Raises:
        ConfigError: if no cluster answers.
        EmbedLLMError: if the nodes did not come in time.
    """
    end = time.monotonic() + seconds
    with ray_cluster(address):
        from ray.autoscaler.sdk import request_resources

        request_resources(bundles=wanted.bundles)
        try:
            said, news = "", ""
            while True:
                nodes, to_come = cluster_nodes(), nodes_to_come()
                said = describe(nodes)
                if (latest := "; ".join([said, *to_come])) != news:
                    news = latest
                    on_news(news)
                if wanted.met_by(nodes):
                    return said
                if time.monotonic() >= end:
                    break
                time.sleep(min(LOOK_SECONDS, max(0.0, end - time.monotonic())))
        finally:
            request_resources(bundles=[])
    wished = " and ".join(
        counted(number, noun) for number, noun in ((wanted.gpus, "GPU"), (wanted.cpus, "CPU")) if number
    )
    why = f" ({'; '.join(to_come)})" if to_come else ""
    raise EmbedLLMError(
        f"the cluster has {said} after {seconds / 60:.3g} minutes, not {wished}{why}; `ray monitor` with the cluster "
        "file may show why (a machine that cannot be reached or set up, no such machines to be had, a quota, "
        "max_workers of the cluster file); ask for less, or wait longer with --minutes"
    )


def describe(nodes: Sequence[Node]) -> str:
    """`3 nodes with 8 CPUs and 2 GPUs`."""
    alive = [node for node in nodes if node.alive]
    cpus, gpus = _held(nodes)
    return f"{counted(len(alive), 'node')} with {counted(cpus, 'CPU')} and {counted(gpus, 'GPU')}"


def _held(nodes: Sequence[Node]) -> tuple[float, float]:
    alive = [node for node in nodes if node.alive]
    return sum(node.cpus for node in alive), sum(node.gpus for node in alive)
