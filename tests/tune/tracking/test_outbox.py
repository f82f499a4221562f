from pathlib import Path

from tests.tune.tracking.conftest import BASELINE, COMPLETE, FAILED, PRUNED
from tune.tracking.outbox import Delivery, Outbox


def test_the_outbox_gives_back_what_it_was_given(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.jsonl")
    deliveries = [Delivery(record, 1, 2) for record in (BASELINE, COMPLETE, PRUNED, FAILED)]
    for delivery in deliveries:
        outbox.append(delivery)
    assert outbox.read() == deliveries
    outbox.keep_only(deliveries[:1])
    assert outbox.read() == deliveries[:1]
    outbox.keep_only([])
    assert not outbox.path.exists()


def test_a_line_cut_off_by_a_kill_costs_that_line_only(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.jsonl")
    outbox.append(Delivery(COMPLETE, 1, 2))
    outbox.append(Delivery(PRUNED, 1, 2))
    outbox.path.write_bytes(outbox.path.read_bytes()[:-20])
    assert outbox.read() == [Delivery(COMPLETE, 1, 2)]
