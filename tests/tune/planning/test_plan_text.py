"""The plan as it is printed, of clusters that are not at hand."""

from pathlib import Path

import pytest

from tune.config import SearchSpace, SweepConfig
from tune.engine.slots import Node, Slots
from tune.planning.dry_run import DryRun
from tune.planning.memory import GIB, DataShape
from tune.planning.plan import ClusterPlan
from tune.planning.plan_text import render_plan
from tune.planning.schedule import plan_packs


def shown(nodes: int, gpus: float) -> str:
    config = SweepConfig(address="auto", trials=2, space=SearchSpace(encoder=["e"]))
    slots = Slots(1, 1, gpus)
    shape = DataShape(models=8, train=100, val=20, widths={"e": 16}, weighted=False)
    packs = plan_packs(config, shape, slots, GIB, None)
    machines = [Node(str(number), "10.0.0.1", True, 1, gpus, GIB) for number in range(nodes)]
    cluster = ClusterPlan(machines, slots, packs, [])
    plan = DryRun(config, Path("/tmp/sweep"), True, None, None, [], cluster, None, [])
    return " ".join(render_plan(plan, []).split())


@pytest.mark.parametrize(
    ("nodes", "gpus", "said"),
    [
        (1, 1, ("1 node at auto: 1 CPU, 1 GPU, ", "on 1 CPU and 1 GPU each")),
        (2, 0.5, ("2 nodes at auto: 2 CPUs, 1 GPU, ", "on 1 CPU and 0.5 GPUs each")),
        (2, 0, ("2 nodes at auto: 2 CPUs, 0 GPUs, ", "on 1 CPU each")),
    ],
)
def test_counts_agree_with_their_nouns(nodes: int, gpus: float, said: tuple[str, str]) -> None:
    text = shown(nodes, gpus)
    assert all(part in text for part in said), text
