"""The queue without Ray: batches of the right length, retries, an end."""

from collections.abc import Sequence

import pytest

from ablations import queue as module
from ablations.cell import Cell
from ablations.outcome import CellOutcome
from ablations.queue import BatchOutcome, CellQueue
from embedllm.config import FitConfig


def cells(count: int, method: str = "knn") -> list[Cell]:
    return [Cell(method, FitConfig(seed=seed, training_questions=9), "a") for seed in range(count)]  # type: ignore[arg-type]


class Run:
    """A queue and what it told."""

    def __init__(self, work: dict, seconds: float = 1.0, slots: int = 1, most: int = module.MAX_BATCH) -> None:
        self.told: list[CellOutcome] = []
        self.queue = CellQueue(
            work,
            {cell.key: seconds for each in work.values() for cell in each},
            slots,
            most=most,
            on_finished=self.take,
            fail=lambda cell, reason: CellOutcome(cell.key, (), failure=reason),
        )

    def take(self, outcomes: Sequence[CellOutcome]) -> None:
        self.told += outcomes

    def finish(self, key: str, seconds: float) -> None:
        batch = self.queue._running[key]
        self.queue.finished(key, BatchOutcome([CellOutcome(cell.key, ()) for cell in batch.cells], seconds))


def test_batches_take_the_time_they_should_once_their_kind_is_known() -> None:
    run = Run({("embedllm", None): cells(400, "embedllm")}, most=1000)
    first = run.queue.next_order("1")
    assert first is not None
    assert len(first.cells) == module.FIRST_SECONDS
    run.finish("1", 0.1 * len(first.cells))  # ten times faster than expected
    second = run.queue.next_order("2")
    assert second is not None
    assert len(second.cells) == pytest.approx(10 * module.TARGET_SECONDS, abs=1)


def test_the_last_batches_are_smaller_so_that_no_slot_idles() -> None:
    run = Run({("embedllm", None): cells(40, "embedllm")}, slots=2)
    sizes = []
    for number in range(100):
        if (batch := run.queue.next_order(str(number))) is None:
            break
        sizes.append(len(batch.cells))
        run.finish(str(number), float(len(batch.cells)))
    assert sum(sizes) == 40
    assert sizes[0] <= 3
    assert sizes[1] > sizes[-2] >= module.LEAST_SECONDS


def test_cells_that_share_their_work_make_one_batch_for_every_slot() -> None:
    run = Run({("knn", None): cells(35)}, slots=2)
    batches = [run.queue.next_order(key) for key in "12"]
    assert [len(batch.cells) for batch in batches if batch is not None] == [18, 17]


def test_batches_that_share_their_work_come_first_for_they_are_long() -> None:
    run = Run({("logistic", None): cells(50, "logistic"), ("knn", None): cells(4)}, slots=2)
    batches = [run.queue.next_order(key) for key in "12"]
    assert [batch.kind for batch in batches if batch is not None] == ["knn", "knn"]


def test_a_given_batch_size_holds_for_cells_that_share_their_work_too() -> None:
    run = Run({("knn", None): cells(35)}, slots=2, most=4)
    batch = run.queue.next_order("1")
    assert batch is not None
    assert len(batch.cells) == 4


def test_the_family_with_most_work_left_comes_first() -> None:
    few, many = cells(2, "lookup"), cells(5, "logistic")
    run = Run({("counts", None): few, ("logistic", None): many}, slots=2)
    kinds = [batch.kind for key in "12" if (batch := run.queue.next_order(key))]
    assert kinds == ["logistic", "counts"] or kinds == ["logistic", "logistic"]
    assert run.queue.next_order("3") is None  # both slots are busy


def test_a_dead_worker_costs_halves_then_the_cell() -> None:
    run = Run({("knn", None): cells(2)}, seconds=0.1)
    batch = run.queue.next_order("0")
    assert batch is not None
    assert len(batch.cells) == 2
    run.queue.died("0", "killed")
    for number in range(1, 9):
        if (batch := run.queue.next_order(str(number))) is None:
            break
        assert len(batch.cells) == 1
        if batch.cells[0].config.seed == 0:
            run.queue.died(str(number), "killed")
        else:
            run.finish(str(number), 0.1)
    assert run.queue.done
    failed = [outcome for outcome in run.told if outcome.failure]
    assert [outcome.failure for outcome in failed] == ["its worker died 3 times: killed"]
    assert len(run.told) == 2


def test_later_batches_begin_with_a_size_that_fits_the_memory() -> None:
    run = Run({("embedllm", None): cells(20, "embedllm"), ("knn", None): cells(12)}, seconds=0.1, slots=1)
    first = run.queue.next_order("0")
    assert first is not None
    assert (first.kind, len(first.cells)) == ("knn", 12)
    run.queue.died("0", "out of memory: host")
    for key in "12":
        assert (batch := run.queue.next_order(key)) is not None
        assert len(batch.cells) == 6
        run.finish(key, 0.6)
    other = run.queue.next_order("3")
    assert other is not None
    assert (other.kind, len(other.cells)) == ("embedllm", 20)  # another kind of work needs other memory
    run.queue.died("3", "killed")  # by whatever: its size need not be at fault
    assert run.queue._most["embedllm"] == module.MAX_BATCH


def test_out_of_memory_lowers_the_size_of_batches_made_later() -> None:
    run = Run({("embedllm", None): cells(40, "embedllm")}, seconds=0.01, most=8)
    assert (first := run.queue.next_order("0")) is not None
    assert len(first.cells) == 8
    run.queue.died("0", "out of memory: GPU")
    sizes = []
    for number in range(1, 100):
        if (batch := run.queue.next_order(str(number))) is None:
            break
        sizes.append(len(batch.cells))
        run.finish(str(number), 0.01 * sizes[-1])
    assert sizes == [4] * 10


def test_stopping_lets_running_batches_finish() -> None:
    run = Run({("knn", None): cells(20)}, slots=2)
    run.queue.next_order("1")
    run.queue.stop("interrupted")
    assert run.queue.next_order("2") is None
    assert not run.queue.done
    run.finish("1", 1.0)
    assert run.queue.done
    assert run.queue.stopped == "interrupted"


def test_batches_follow_the_room_there_is() -> None:
    run = Run({("embedllm", None): cells(40, "embedllm")}, slots=1)
    assert run.queue.next_order("1") is not None
    assert run.queue.next_order("2") is None
    run.queue.resize(2)
    assert run.queue.next_order("2") is not None
    run.queue.resize(0)
    run.finish("1", 1.0)
    assert run.queue.next_order("3") is None
    assert not run.queue.done
