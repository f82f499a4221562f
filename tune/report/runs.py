"""Who ran a sweep, when and with what: a line in the sweep's folder per `run` or `resume`, for its report."""

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tune.tracking.provenance import Provenance

RUNS_FILE = "runs.jsonl"


@dataclass(frozen=True)
class SweepRun:
    """One `run` or `resume`.

    Args:
        started: when, ISO 8601 in UTC.
        provenance: command, code, packages, machine, data.
    """

    started: str
    provenance: Provenance


def note_run(folder: Path, provenance: Provenance) -> None:
    """Add a run that begins now."""
    line = {"started": datetime.now(UTC).isoformat(timespec="seconds"), **dataclasses.asdict(provenance)}
    with (folder / RUNS_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def read_runs(folder: Path) -> list[SweepRun]:
    """Every run, the first one first; none where it was run from Python. A line cut off by a crash is skipped."""
    file = folder / RUNS_FILE
    if not file.is_file():
        return []
    runs = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            content = json.loads(line)
            runs.append(SweepRun(content.pop("started"), Provenance(**content)))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return runs
