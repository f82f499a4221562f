"""How many orders a cluster has room for, now: nodes join and leave while a run lasts."""

import logging
import time
from collections.abc import Callable, Sequence

from tune.engine.slots import Node, Slots, cluster_nodes, places

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Between two looks at the cluster's nodes: a node takes longer to start, and Ray longer to miss one."""


class Room:
    """Counts the slots of the nodes that are alive.

    Ray Tune is not left to find out by itself. An order it holds for a node that is not there yet, or no longer, would
    keep its trials from the nodes that are, and the sampler would have proposed them too early.

    Args:
        slots: how the cluster was divided at first; what each order takes stays as it is.
        most: orders wanted at the same time, however large the cluster becomes.
        nodes: asks Ray for the cluster's nodes.
        clock: seconds.
    """

    def __init__(
        self,
        slots: Slots,
        most: int,
        *,
        nodes: Callable[[], Sequence[Node]] = cluster_nodes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots = slots
        self._most = most
        self._nodes = nodes
        self._clock = clock
        self._count = slots.count
        self._looked = clock()

    def now(self) -> int:
        """Orders there is room for at the same time; 0 while no node is left that could take one."""
        moment = self._clock()
        if moment - self._looked >= LOOK_SECONDS:
            self._looked = moment
            self._change(min(self._most, places(self._nodes(), self._slots)))
        return self._count

    def _change(self, count: int) -> None:
        if count == self._count:
            return
        if count:
            logger.warning("the cluster has changed: %d at a time from now on (before: %d)", count, self._count)
        else:
            logger.warning(
                "no node of the cluster has %s any more; waiting for one that has "
                "(Ctrl-C stops the run, which can be continued later)",
                self._slots.each,
            )
        self._count = count
