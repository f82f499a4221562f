"""Room on a cluster whose nodes come and go."""

import logging

import pytest

from tune.engine.room import LOOK_SECONDS, Room
from tune.engine.slots import Node, Slots


def node(name: str, cpus: float = 2.0, alive: bool = True) -> Node:
    return Node(name, "127.0.0.1", alive, cpus, 0.0, 1e9)


def test_follows_the_nodes_up_to_what_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    now, nodes = [0.0], [node("a")]
    room = Room(Slots(2, 1, 0.0), 5, nodes=lambda: nodes, clock=lambda: now[0])
    assert room.now() == 2
    nodes.append(node("b"))
    assert room.now() == 2, "not looked again yet"
    for moment, found, wanted in [
        (1, nodes, 4),
        (2, [*nodes, node("c")], 5),  # six places, but no more than five are wanted
        (3, [node("a"), node("b", alive=False)], 2),
        (4, [node("head", cpus=0.0)], 0),
        (5, [node("a", cpus=1.0)], 1),
    ]:
        now[0], nodes[:] = moment * LOOK_SECONDS, found
        assert room.now() == wanted
    assert [record.message for record in caplog.records] == [
        "the cluster has changed: 4 at a time from now on (before: 2)",
        "the cluster has changed: 5 at a time from now on (before: 4)",
        "the cluster has changed: 2 at a time from now on (before: 5)",
        "no node of the cluster has 1 CPU any more; waiting for one that has "
        "(Ctrl-C stops the run, which can be continued later)",
        "the cluster has changed: 1 at a time from now on (before: 0)",
    ]


def test_says_nothing_while_nothing_changes(caplog: pytest.LogCaptureFixture) -> None:
    now, asked = [0.0], []

    def nodes() -> list[Node]:
        asked.append(now[0])
        return [node("a"), node("gpus", cpus=0.0)]

    room = Room(Slots(2, 1, 0.0), 8, nodes=nodes, clock=lambda: now[0])
    with caplog.at_level(logging.DEBUG):
        for moment in range(20):
            now[0] = float(moment)
            assert room.now() == 2
    assert asked == [LOOK_SECONDS, 2 * LOOK_SECONDS, 3 * LOOK_SECONDS]
    assert not caplog.records
