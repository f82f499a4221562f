"""What a design would cost, before it is run: batches, time and memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ablations.batches import Batch, Encoding, expected_seconds, expected_width, kind_of
from ablations.cell import READS_ENCODINGS, Cell
from ablations.config import AblationConfig
from ablations.design import Plan
from ablations.outcome import CellOutcome
from ablations.queue import MAX_BATCH, BatchOutcome, CellQueue
from embedllm.data.splits import Split
from tune.engine.slots import Node, Slots
from tune.planning.memory import DataShape, pack_memory

if TYPE_CHECKING:
    from ablations.runner import Ablation

PROBE_QUESTIONS, PROBE_JUDGED, PROBE_EPOCHS, PROBE_SEEDS = 2000, 300, 2, 4
"""Training questions, questions of the other sides, epochs and seeds of a probe."""


@dataclass(frozen=True)
class Estimate:
    """The cost of what is not finished yet.

    Args:
        batches: sent to workers.
        seconds: wall time, without starting workers and encoding questions.
        memory: bytes of one worker at its largest batch.
        slots: how the machine would be divided.
    """

    batches: int
    seconds: float
    memory: int
    slots: Slots


def estimate(ablation: "Ablation") -> Estimate:
    """Time a few small cells of each kind here, and play the design through with cells that take as long as they would.

    Raises:
        ConfigError: if not even one batch fits this machine or cluster.
    """
    cells = ablation.waiting()
    resources, nodes = _resources(ablation.config.address)
    slots = ablation.slots(resources, max(1, len(cells)), nodes)
    seconds = {cell.key: expected_seconds(ablation.plan, cell, ablation.data) for cell in cells}
    taken = _probe(ablation, cells)
    queue = CellQueue(
        ablation.families(cells),
        seconds,
        slots.count,
        most=ablation.config.pack or MAX_BATCH,
        on_finished=lambda outcomes: None,
        fail=lambda cell, reason: CellOutcome(cell.key, ()),
    )
    free = [0.0] * slots.count
    running: list[tuple[float, str, float]] = []
    largest = 0
    while not queue.done:
        while (order := queue.next_order(str(queue.batches))) is not None:
            largest = max(largest, _memory(ablation, order.cells))
            slot = int(np.argmin(free))
            spent = sum(taken[kind_of(cell)] * seconds[cell.key] for cell in order.cells)
            free[slot] += spent
            running.append((free[slot], str(queue.batches - 1), spent))
        running.sort(reverse=True)
        _, key, spent = running.pop()
        queue.finished(key, BatchOutcome((), spent))
    return Estimate(queue.batches, max(free), largest or _memory(ablation, ()), slots)


def _resources(address: str | None) -> tuple[dict[str, float], list[Node]]:
    """CPUs and GPUs of the cluster, and its nodes; of this machine too as Ray counts them, which heeds the limits of a
    container."""
    from tune.engine.cluster import ray_cluster
    from tune.engine.slots import cluster_nodes

    with ray_cluster(address) as resources:
        return resources, cluster_nodes()


def _probe(ablation: "Ablation", cells: Sequence[Cell]) -> dict[str, float]:
    """Kind of work -> how long its cells take here relative to what :func:`expected_seconds` says of them."""
    import torch

    by_kind: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=ablation.plan.training_questions):
        by_kind.setdefault(kind_of(cell), []).append(cell)
    before = torch.get_num_threads()
    torch.set_num_threads(ablation.config.cpus_per_pack or 1)
    try:
        return {kind: _time(ablation, members[len(members) // 2]) for kind, members in by_kind.items()}
    finally:
        torch.set_num_threads(before)


def _time(ablation: "Ablation", cell: Cell) -> float:
    """Compute a few seeds of a cell on few questions with random encodings; the second time counts."""
    from ablations.worker import CellWorker, DesignPayload

    data, split, encoder = ablation.data, ablation.plan.splits[cell.split], cell.config.encoder
    chance = np.random.default_rng(0)
    train, val, test = (
        chance.permutation(side)[:most]
        for side, most in ((split.train, PROBE_QUESTIONS), (split.val, PROBE_JUDGED), (split.test, PROBE_JUDGED))
    )
    config = cell.config.replace(training_questions=None, epochs=min(cell.config.epochs, PROBE_EPOCHS))
    cells = [replace(cell, config=config.replace(seed=seed)) for seed in range(PROBE_SEEDS)]
    plan = Plan({cell.split: Split(cell.split, train, val, test)}, cells)
    matrix = chance.standard_normal((data.num_questions, expected_width(encoder)), dtype=np.float32)
    worker = CellWorker(DesignPayload(data, plan, {}, {encoder: matrix}), ablation.config.cpus_per_pack or 1)
    batch = Batch(tuple(cells), Encoding(encoder) if cell.method in READS_ENCODINGS else None)
    worker(batch)  # the first call pays for libraries
    outcome = worker(batch)
    return outcome.seconds / sum(expected_seconds(plan, each, data) for each in cells)


def _memory(ablation: "Ablation", cells: Sequence[Cell]) -> int:
    """Bytes of a worker with this batch: of training, which takes more than the baselines do."""
    data, plan = ablation.data, ablation.plan
    trained = [cell for cell in cells if cell.method == "embedllm"]
    encoders = {cell.config.encoder for cell in plan.cells if cell.method in READS_ENCODINGS}
    widths = {name: expected_width(name) for name in encoders} or {"none": 1}
    val = max((len(plan.splits[cell.split].val) for cell in cells), default=0)
    shape = DataShape(data.num_models, data.num_questions - val, val, widths, bool((data.attempts != 1).any()))
    config = AblationConfig(encoder=next(iter(widths))).recipe()
    return pack_memory([cell.config for cell in trained] or [config], 1, shape).total
