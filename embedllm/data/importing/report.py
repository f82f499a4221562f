"""What an import did: everything it merged, moved, skipped or guessed."""

from dataclasses import asdict, dataclass
from typing import Any

from embedllm.data.importing.problems import count_of


@dataclass(frozen=True)
class ImportReport:
    """Account of one import; `print` it. It also travels with the data as `meta["import"]`."""

    source: str
    format: str
    """Layout that was read: official, long, wide or harness."""
    files: tuple[str, ...]
    columns: dict[str, str]
    """Canonical column name -> the source's, for tables."""
    rows: int
    models: int
    questions: int
    benchmarks: int
    sides: dict[str, int]
    """Questions on each side: train, val, test, and none."""
    cells: int
    """(model, question) pairs with at least one label."""
    missing_share: float
    """Share of all pairs without a label."""
    repeated_answers: int
    """Answers beyond the first of their cell."""
    conflicting_cells: int
    """Cells with both right and wrong answers."""
    duplicates: str
    """What was done with them: binomial, majority, max or last."""
    notes: tuple[str, ...]
    """Everything else worth knowing, one sentence each."""
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        return {**asdict(self), "files": list(self.files), "notes": list(self.notes)}

    def __str__(self) -> str:
        treated = {
            "binomial": "kept as repeated attempts of a cell",
            "majority": "merged by majority, ties count as right",
            "max": "merged: right if any row is right",
            "last": "merged: the last row counts",
        }[self.duplicates]
        sides = ", ".join(f"{side} {count:,}" for side, count in self.sides.items() if count)
        lines = [
            f"{self.source}: {self.format} layout, {count_of(len(self.files), 'file')}, {count_of(self.rows, 'row')} "
            f"in {self.seconds:.1f} s",
            f"  models      {self.models:,}",
            f"  questions   {self.questions:,} of {count_of(self.benchmarks, 'benchmark')} ({sides})",
            f"  cells       {self.cells:,}; {self.missing_share:.2%} of all model-question pairs have no label",
        ]
        if self.repeated_answers:
            lines.append(
                f"  repeats     {count_of(self.repeated_answers, 'answer')} beyond the first of a cell, {treated}; "
                f"{count_of(self.conflicting_cells, 'cell')} with conflicting labels"
            )
        renamed = [f"{column} as {name}" for name, column in self.columns.items() if column != name]
        if renamed and self.format != "official":
            lines.append(f"  columns     read {', '.join(renamed)}")
        lines += [f"  note        {note}" for note in self.notes]
        return "\n".join(lines)
