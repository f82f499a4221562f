"""Finished trials on their way to MLflow, kept in a file of the sweep folder until they have arrived."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedllm.config import FitConfig
from embedllm.storage import replaced_file
from tune.records import TrialRecord


@dataclass(frozen=True)
class Delivery:
    """One finished trial and when it ran (milliseconds since the epoch)."""

    record: TrialRecord
    started_ms: int
    finished_ms: int

    @property
    def key(self) -> tuple[str, int]:
        """Identifies the trial within its sweep: role and number."""
        return self.record.role, self.record.trial


class Outbox:
    """An append-only JSON-lines file: written before MLflow is, removed when MLflow has everything.

    A driver killed between the two leaves the file behind; the next start on the same sweep folder delivers it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, delivery: Delivery) -> None:
        """Add one trial. Raises OSError where the disk does."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_to_line(delivery))

    def read(self) -> list[Delivery]:
        """Every trial that is wholly there: a line cut off by a killed writer is skipped, its trial is in the study."""
        if not self.path.exists():
            return []
        deliveries = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                deliveries.append(_from_line(line))
            except (ValueError, KeyError, TypeError):
                continue
        return deliveries

    def keep_only(self, undelivered: Iterable[Delivery]) -> None:
        """Replace the content; an empty outbox is no file."""
        lines = [_to_line(delivery) for delivery in undelivered]
        if not lines:
            self.path.unlink(missing_ok=True)
            return
        with replaced_file(self.path) as staged:
            staged.write_text("".join(lines), encoding="utf-8")


def _to_line(delivery: Delivery) -> str:
    return json.dumps(dataclasses.asdict(delivery), default=_plain) + "\n"


def _from_line(line: str) -> Delivery:
    content = json.loads(line)
    fields = content["record"]
    record = TrialRecord(**{**fields, "config": FitConfig(**fields["config"])})
    return Delivery(record, content["started_ms"], content["finished_ms"])


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays as Python numbers and lists."""
    return value.tolist()
