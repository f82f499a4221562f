"""A design in MLflow: a parent run per design, and below it a child run per configuration, its seeds averaged.

A child per cell would be hundreds of runs of which no two can be compared by eye; seeds belong together. Children are
written by the sweep's tracker: one writer in a thread of its own, an outbox, each logged once.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.cell import METRIC_COLUMNS, Cell
from ablations.files import make_folder, write_text
from ablations.outcome import OVERALL, CellOutcome
from tune.engine.fitting import mean_and_sd
from tune.records import TrialRecord
from tune.tracking.identity import tracked_at
from tune.tracking.provenance import Provenance
from tune.tracking.tracker import MlflowTracker
from tune.tracking.uri import resolve_tracking_uri

if TYPE_CHECKING:
    from ablations.runner import Ablation, DesignResult

EXPERIMENT = "embedllm-ablations"
NUMBERS_FILE = "mlflow-numbers.json"


class CellTracker:
    """A `CellListener` that reports every configuration to MLflow once all its seeds are finished.

    Args:
        ablation: the design; its folder exists.
        tracker: writes.
    """

    def __init__(self, ablation: "Ablation", tracker: MlflowTracker) -> None:
        self._tracker = tracker
        self._notes = list(ablation.plan.notes)
        self._many_splits = len({cell.split for cell in ablation.plan.cells}) > 1
        self._groups: dict[str, list[Cell]] = {}
        for cell in ablation.plan.cells:
            self._groups.setdefault(cell.without_seed.key, []).append(cell)
        self._group_of = {cell.key: name for name, cells in self._groups.items() for cell in cells}
        self._outcomes: dict[str, CellOutcome] = {}
        self._numbers = _Numbers(ablation.folder.path / NUMBERS_FILE)
        # Configurations finished by earlier runs are reported again: a killed driver may not have done so.
        finished = [outcome for outcome in ablation.folder.finished().values() if outcome.failure is None]
        self.cells_finished([outcome for outcome in finished if outcome.key in self._group_of])

    @classmethod
    def start(cls, ablation: "Ablation", *, introduction: str, command: str) -> "CellTracker":
        """Begin, or continue, the design's parent run; returns at once.

        Args:
            ablation: the design; its folder is made.
            introduction: what is run, as description of the parent.
            command: to run again for what MLflow did not take.

        Raises:
            ConfigError: for a tracking URI MLflow cannot write to.
        """
        path, config = ablation.folder.path, ablation.config
        make_folder(path)
        uri = config.tracking_uri
        if uri is None and tracked_at(path) is None:
            uri = resolve_tracking_uri(None, path.parent)
        options: dict[str, Any] = dataclasses.asdict(ablation.design)  # type: ignore[call-overload]
        tracker = MlflowTracker.start(
            f"{ablation.design.name} {path.parent.name}",
            sweep_dir=path,
            objective=None,
            provenance=Provenance.collect(data_name=ablation.data_name, data_digest=ablation.data.digest),
            tracking_uri=uri,
            experiment=EXPERIMENT,
            params={**{name: value for name, value in dataclasses.asdict(config).items() if name != "data"}, **options},
            tags={"design": ablation.design.name},
            description=f"```\n{introduction}\n```",
            resume=command,
        )
        return cls(ablation, tracker)

    @property
    def tracking_uri(self) -> str:
        """Where MLflow is."""
        return self._tracker.tracking_uri

    def cells_started(self, cells: Sequence[Cell]) -> None:
        """Nothing: a run is written when it is over."""

    def cells_finished(self, outcomes: Sequence[CellOutcome]) -> None:
        for outcome in outcomes:
            self._outcomes[outcome.key] = outcome
        for name in dict.fromkeys(self._group_of[outcome.key] for outcome in outcomes):
            cells = self._groups[name]
            if all(cell.key in self._outcomes for cell in cells):
                self._tracker.trial_finished(self._record(name, cells))

    def finish(self, result: "DesignResult | None", *, killed: bool = False) -> bool:
        """Write the design's findings and figures on the parent run and end it; see `MlflowTracker.finish`.

        Args:
            result: None where the run raised.
            killed: by the user.
        """
        if result is None:
            return self._tracker.finish("KILLED" if killed else "FAILED")
        lines = [*(f"- {text}" for text in result.findings), *(f"- note: {text}" for text in self._notes)]
        paths = [result.folder.path / name for name in ("results.parquet", "tables", "figures")]
        return self._tracker.finish(
            "FINISHED" if result.stopped is None else "KILLED",
            metrics={"cells": result.cells, "failed": len(result.failed)},
            tags={"mlflow.note.content": "\n".join(lines)} if result.findings else {},
            artifacts=[path for path in paths if path.exists()],
        )

    def _record(self, name: str, cells: Sequence[Cell]) -> TrialRecord:
        outcomes = [self._outcomes[cell.key] for cell in cells]
        failed = [outcome.failure for outcome in outcomes if outcome.failure is not None]
        number = self._numbers.of(name, keep=not failed)
        first = min(cells, key=lambda cell: cell.config.seed)
        seconds = sum(outcome.rows[0]["seconds"] for outcome in outcomes)
        params = {key: str(value) for key, value in first.columns.items() if value is not None}
        params = {"training_questions": "all"} | {key: params[key] for key in params if key not in ("key", "seed")}
        record = TrialRecord(
            number,
            "FAIL" if failed else "COMPLETE",
            first.config,
            seeds=len(cells),
            seconds=seconds,
            budget=first.config.epochs if first.method == "embedllm" else 0,
            reason=failed[0] if failed else None,
            label=self._label(first),
            params=params,
        )
        return record if failed else dataclasses.replace(record, metrics=_metrics(outcomes))

    def _label(self, cell: Cell) -> str:
        words = [cell.method, *(f"{name}={value}" for name, value in cell.factors.items())]
        if cell.config.training_questions is not None:
            words.append(f"n={cell.config.training_questions}")
        return " ".join([*words, *([f"({cell.split})"] if self._many_splits else [])])


def _metrics(outcomes: Sequence[CellOutcome]) -> dict[str, float]:
    """Mean and standard deviation over seeds of the metrics over all questions of a side; undefined ones left out."""
    per_seed: list[dict[str, float]] = []
    for outcome in outcomes:
        rows = [row for row in outcome.rows if row["scope"] == OVERALL]
        per_seed.append(
            {
                f"{row['side']}_{name}": float("nan") if row[name] is None else row[name]
                for row in rows
                for name in METRIC_COLUMNS
            }
        )
    return mean_and_sd(per_seed)


class _Numbers:
    """Numbers of configurations in MLflow, the same at every run on a folder. A failed attempt's is not used again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        content: Mapping[str, Any] = json.loads(path.read_text()) if path.exists() else {"next": 0, "known": {}}
        self._next: int = content["next"]
        self._known: dict[str, int] = dict(content["known"])

    def of(self, name: str, *, keep: bool) -> int:
        if name in self._known:
            return self._known[name]
        number, self._next = self._next, self._next + 1
        if keep:
            self._known[name] = number
        write_text(self._path, json.dumps({"next": self._next, "known": self._known}))
        return number
