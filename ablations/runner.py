"""Run a design: plan its cells, compute those not finished yet under Ray Tune, make tables and figures.

    result = run_design(TrainingSize(), AblationConfig(data="helm", out="ablations"))

Needs no command line; `listeners` show progress or log to MLflow.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.batches import Encodings, Family, check_plan, expected_seconds, families
from ablations.cell import Cell
from ablations.config import AblationConfig
from ablations.design import Design, Plan
from ablations.folder import DesignFolder
from ablations.listeners import CellListener, Listeners
from ablations.outcome import CellOutcome
from ablations.paths import results_path
from ablations.queue import MAX_BATCH, CellQueue
from ablations.redraw import redraw
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.errors import EmbedLLMError
from tune.engine.cluster import ray_cluster
from tune.engine.slots import Node, Slots, cluster_nodes, plan_slots
from tune.imports import import_alone
from tune.interrupt import graceful_interrupt
from tune.tracking.provenance import Provenance

if TYPE_CHECKING:
    from ablations.worker import DesignPayload
    from embedllm.figures import SavedFigure

RAY_FOLDER = "ray"


class DesignFailed(EmbedLLMError):
    """No cell of a design succeeded."""


@dataclass(frozen=True)
class DesignResult:
    """Outcome of a design so far.

    Args:
        folder: the design's folder.
        cells: of the plan.
        computed: in this run; the others were finished before.
        failed: key -> reason, of cells without a result.
        stopped: why the run ended before every cell was finished, or None.
        figures: drawn from the tables; empty where it was stopped.
        findings: what the tables say, in sentences.
        seconds: wall time of this run, start-up included.
    """

    folder: DesignFolder
    cells: int
    computed: int
    failed: Mapping[str, str]
    stopped: str | None
    figures: "Sequence[SavedFigure]"
    findings: Sequence[str]
    seconds: float


@dataclass(frozen=True)
class Ablation:
    """A design planned on its data, ready to run.

    Args:
        design: the design, its options set.
        config: what all designs share.
        data: the correctness matrix.
        plan: the design's cells.
        folder: where results go.
    """

    design: Design
    config: AblationConfig
    data: CorrectnessMatrix
    plan: Plan
    folder: DesignFolder

    @classmethod
    def prepare(cls, design: Design, config: AblationConfig, data: CorrectnessMatrix) -> "Ablation":
        """Plan a design; nothing is written.

        Raises:
            DataError: if the data cannot answer the design's question, or the plan would leak test questions.
        """
        plan = design.plan(data, config)
        check_plan(plan, data)
        return cls(design, config, data, plan, DesignFolder(results_path(config) / design.name))

    @property
    def data_name(self) -> str:
        """As tables and MLflow call the data."""
        return "simulated data" if self.config.data is None else Path(self.config.data).name

    def check_folder(self) -> None:
        """Whether the folder can take the results.

        Raises:
            ConfigError: if it holds results for other data or questions, or cannot be written.
        """
        from tune.planning.preflight import check_folder, refuse

        if self.folder.path.exists():
            self.folder.check(self._identity())
        else:
            refuse(check_folder(self.folder.path))

    def check_encoders(self) -> None:
        """Whether the pretrained encoders that cells still have to read are there.

        Raises:
            EmbedLLMError: if there is none of that name, or it is out of reach.
        """
        from embedllm.encoders import load_encoder

        for name in sorted(self._pretrained(self.waiting())):
            load_encoder(name)

    def waiting(self) -> list[Cell]:
        """Cells without a result: never computed, or failed, which are tried again."""
        finished = self.folder.finished()
        return [cell for cell in self.plan.cells if cell.key not in finished or finished[cell.key].failure is not None]

    def run(
        self, listeners: Sequence[CellListener] = (), *, on_plan: Callable[[str], None] | None = None
    ) -> DesignResult:
        """Compute what is not finished, then make results, tables and figures.

        Args:
            listeners: notified of every batch of cells; one that raises is left out from then on.
            on_plan: given one line before the first batch starts.

        Raises:
            DesignFailed: if no cell has a result.
            ConfigError: if the folder holds results for other data or questions, or is in use.
            EmbedLLMError: if the folder cannot be written; what is finished is kept.
            KeyboardInterrupt: on a second Ctrl-C; what is finished is kept.
        """
        began = time.monotonic()
        with self.folder.locked():
            self.folder.begin(self._identity(), self._this_run())
            waiting = self.waiting()
            stopped = self._compute(waiting, Listeners(listeners), on_plan) if waiting else None
            results = self.folder.results(self.plan)
            reasons: dict[str, str] = dict(zip(results.failed["key"], results.failed["reason"], strict=True))
            complete = results.complete["key"].nunique()
            self.folder.save_provenance(self.folder.provenance | {"complete": complete, "failed": len(reasons)})
            if not complete and stopped is None:
                raise DesignFailed(
                    f"no cell of {self.folder.path} succeeded; reasons: {'; '.join(sorted(set(reasons.values()))[:3])}"
                )
            self.folder.save_results(results)
            left = {cell.key for cell in self.waiting()}
            computed = len([cell for cell in waiting if cell.key not in left])
            figures: list[SavedFigure] = []
            findings: list[str] = []
            if stopped is None:
                self.folder.save_tables(self.design.tables(results, self.data, self.config))
                figures, findings = redraw(self.folder, self.design)
        seconds = time.monotonic() - began
        return DesignResult(self.folder, len(self.plan.cells), computed, reasons, stopped, figures, findings, seconds)

    def _compute(
        self, waiting: Sequence[Cell], listeners: Listeners, on_plan: Callable[[str], None] | None
    ) -> str | None:
        """Have workers compute cells; why it ended early, or None."""
        from tune.planning.preflight import check_nodes, check_slots, refuse

        with ray_cluster(self.config.address) as resources:
            nodes = cluster_nodes()
            slots = self.slots(resources, len(waiting), nodes)
            # Ray would wait for ever to place a batch that no single node can hold.
            notes = refuse([*check_nodes(nodes), *check_slots(slots, nodes)])
            queue = CellQueue(
                self.families(waiting),
                {cell.key: expected_seconds(self.plan, cell, self.data) for cell in waiting},
                slots.count,
                most=self.config.pack or MAX_BATCH,
                on_started=listeners.cells_started,
                on_finished=lambda outcomes: self._take(outcomes, listeners),
                fail=lambda cell, reason: CellOutcome.failed(cell, self.plan.splits[cell.split], reason),
            )
            if on_plan is not None:
                batches = f"{slots.count} batch{'es' * (slots.count != 1)} at a time"
                plan = f"{len(waiting)} cells, {batches}, on {slots.each} each"
                on_plan("\n".join([*notes, plan]))
            payload = self.payload(waiting)
            import_alone("tune.engine.execution")
            from ablations.worker import CellWorker
            from tune.engine.execution import run_orders

            with graceful_interrupt(queue.stop):
                most = self.config.slots or len(waiting)
                run_orders(queue, CellWorker, payload, slots, self.folder.path / RAY_FOLDER, most=most)
        return queue.stopped

    def slots(self, resources: dict[str, float], cells: int, nodes: Sequence[Node] = ()) -> Slots:
        """How a cluster with these resources, on these nodes where they are known, is divided."""
        return plan_slots(self.config, cells, resources, nodes)

    def families(self, cells: Sequence[Cell]) -> dict[Family, list[Cell]]:
        """Cells by what they can share."""
        return families(self.plan, cells, self.data)

    def payload(self, cells: Sequence[Cell]) -> "DesignPayload":
        """What workers read; pretrained encoders encode before any worker starts, for one may be missing."""
        from ablations.worker import DesignPayload
        from tune.data import encode

        encodings = encode(sorted(self._pretrained(cells)), self.data, None, self.config.address)
        pretrained = {name: found.matrix for name, found in encodings.items()}
        return DesignPayload(self.data, self.plan, Encodings.of(self.plan).questions, pretrained)

    def _pretrained(self, cells: Sequence[Cell]) -> set[str]:
        """Names of the pretrained encoders that cells read."""
        encodings = Encodings.of(self.plan)
        needed = {encodings.find(cell) for cell in cells}
        return {encoding.encoder for encoding in needed if encoding is not None and not encoding.fitted_on}

    def _take(self, outcomes: Sequence[CellOutcome], listeners: Listeners) -> None:
        self.folder.append(outcomes)
        listeners.cells_finished(outcomes)

    def _identity(self) -> dict[str, Any]:
        data = self.data
        return {
            "design": self.design.name,
            "title": self.design.title,
            "options": dataclasses.asdict(self.design),  # type: ignore[call-overload]  # designs are dataclasses
            "config": dataclasses.asdict(self.config),
            "data": {
                "name": self.data_name,
                "digest": data.digest,
                "simulated": bool(data.meta.get("simulated")),
                "models": data.num_models,
                "questions": data.num_questions,
            },
            "splits": {name: self.plan.digest(name) for name in self.plan.splits},
            "notes": list(self.plan.notes),
            "cells": len(self.plan.cells),
            "complete": 0,
            "failed": 0,
        }

    def _this_run(self) -> dict[str, Any]:
        known = Provenance.collect(data_name=self.data_name, data_digest=self.data.digest)
        own = {name: getattr(known, name) for name in ("command", "git_commit", "packages", "machine", "user")}
        return own | {"started": time.strftime("%Y-%m-%dT%H:%M:%S%z")}


def run_design(design: Design, config: AblationConfig, listeners: Sequence[CellListener] = ()) -> DesignResult:
    """Load the data and run one design, or finish it; see :meth:`Ablation.prepare` and :meth:`Ablation.run`."""
    return Ablation.prepare(design, config, load_data(config)).run(listeners)


def load_data(config: AblationConfig) -> CorrectnessMatrix:
    """The data, simulated where none is named.

    Raises:
        DataError: if it cannot be read.
    """
    from embedllm.data.simulate import simulate
    from tune.data import SIMULATED_MODELS, SIMULATED_QUESTIONS

    if config.data is None:
        return simulate(models=SIMULATED_MODELS, questions=SIMULATED_QUESTIONS)
    return CorrectnessMatrix.load(config.data)
