"""Whole designs under a real Ray Tune, on simulated data."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablations.batches import Batch
from ablations.cell import Cell
from ablations.config import AblationConfig
from ablations.folder import DesignFolder
from ablations.outcome import CellOutcome
from ablations.redraw import redraw
from ablations.runner import Ablation, DesignFailed, run_design
from ablations.worker import CellWorker
from embedllm.data import CorrectnessMatrix
from embedllm.data.simulate import simulate
from embedllm.errors import ConfigError, DataError, EmbedLLMError
from tune.engine.slots import Node, cluster_nodes

pytestmark = pytest.mark.usefixtures("ray_here")


class Log:
    """A listener that remembers, and may do something when a batch is finished."""

    def __init__(self, action: Any = None) -> None:
        self.started: list[Cell] = []
        self.finished: list[CellOutcome] = []
        self._action = action

    def cells_started(self, cells: Sequence[Cell]) -> None:
        self.started += cells

    def cells_finished(self, outcomes: Sequence[CellOutcome]) -> None:
        self.finished += outcomes
        if self._action is not None:
            self._action()


def test_a_design_from_cells_to_figures_and_once_only(toy: Any, config: AblationConfig, tmp_path: Path) -> None:
    log = Log()
    result = run_design(toy(), config, [log])
    assert (result.cells, result.computed, dict(result.failed), result.stopped) == (48, 48, {}, None)
    assert {outcome.key for outcome in log.finished} == {cell.key for cell in log.started}
    assert result.findings == ["12 means were found."]
    assert [figure.name for figure in result.figures] == ["means"]
    assert result.figures[0].png.is_file()
    known = result.folder.provenance
    assert (known["design"], known["complete"], known["failed"], known["notes"]) == ("toy", 48, 0, ["This is a toy."])
    assert known["data"]["simulated"]
    assert known["runs"][0]["packages"]["torch"]

    parts = sorted((result.folder.path / "parts").iterdir())
    again = Log()
    result = run_design(toy(), config, [again])
    assert result.computed == 0
    assert again.started == []
    assert sorted((result.folder.path / "parts").iterdir()) == parts

    # Other options: what they share with the earlier run is not computed again.
    result = run_design(toy(size=60), config.replace(methods=["knn", "lookup"]))
    assert (result.cells, result.computed) == (16, 8)
    assert len(result.folder.finished()) == 56

    other = dataclasses.replace(config, data=str(simulate(models=8, questions=240, seed=2).save(tmp_path / "other")))
    with pytest.raises(ConfigError, match="holds results for other data"):
        run_design(toy(), other)
    with pytest.raises(ConfigError, match="other questions under the split 'base'"):
        run_design(toy(), config.replace(split="random", split_seed=5))

    # Figures need the tables only.
    for name in ("parts", "results.parquet"):
        path = result.folder.path / name
        path.rename(path.with_name(f"gone-{name}"))
    result.figures[0].png.unlink()
    figures, findings = redraw(DesignFolder(result.folder.path), toy())
    assert figures[0].png.is_file()
    assert findings == result.findings


def test_failed_cells_are_recorded_and_tried_again(toy: Any, config: AblationConfig) -> None:
    config = config.replace(methods=["lookup"])
    result = run_design(toy(explode=True), config)
    assert next(iter(result.failed.values())).startswith("diverged")
    assert (result.cells, result.computed, len(result.failed)) == (9, 8, 1)
    assert result.stopped is None
    assert result.folder.provenance["failed"] == 1
    log = Log()
    run_design(toy(explode=True), config, [log])
    assert [cell.factors["part"] for cell in log.started] == ["wild"]


def test_nothing_but_failures_is_an_error(
    toy: Any, config: AblationConfig, data: CorrectnessMatrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    ablation = Ablation.prepare(toy(), config, data)

    def all_fail(self: Ablation, waiting: Sequence[Cell], *args: object) -> None:
        self.folder.append([CellOutcome.failed(cell, self.plan.splits[cell.split], "broke") for cell in waiting])

    monkeypatch.setattr(Ablation, "_compute", all_fail)
    with pytest.raises(DesignFailed, match=r"no cell of .*toy succeeded; reasons: broke"):
        ablation.run()


def test_an_interrupted_design_keeps_what_is_finished(
    toy: Any, config: AblationConfig, data: CorrectnessMatrix
) -> None:
    import os
    import signal

    ablation = Ablation.prepare(toy(), config.replace(pack=2, methods=["lookup", "knn"]), data)
    log = Log(lambda: os.kill(os.getpid(), signal.SIGINT) if len(log.finished) == 4 else None)
    result = ablation.run([log])
    assert result.stopped == "interrupted"
    assert result.figures == []
    kept = set(result.folder.finished())
    assert 4 <= len(kept) < 16
    again = Log()
    result = Ablation.prepare(toy(), config.replace(methods=["lookup", "knn"]), data).run([again])
    assert result.stopped is None
    assert kept.isdisjoint({cell.key for cell in again.started})
    assert len(kept) + len(again.started) == 16


def test_a_listener_that_raises_is_left_out_and_the_design_goes_on(
    toy: Any, config: AblationConfig, data: CorrectnessMatrix, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("the listener broke")

    broken, sound = Log(fail), Log()
    result = Ablation.prepare(toy(), config.replace(methods=["lookup"], pack=2), data).run([broken, sound])
    assert result.stopped is None
    assert (len(broken.finished), len(sound.finished)) == (2, 8)
    assert "Log failed and is not notified any more" in caplog.text


def test_a_disk_that_fills_up_ends_the_design_with_advice_and_it_goes_on(
    toy: Any, config: AblationConfig, data: CorrectnessMatrix
) -> None:
    ablation = Ablation.prepare(toy(), config.replace(methods=["lookup"], pack=2), data)
    parts = ablation.folder.path / "parts"

    def block() -> None:
        # A file where the folder of parts was: what root cannot write to either.
        parts.rename(parts.with_name("kept"))
        parts.touch()

    with pytest.raises(EmbedLLMError, match=r"parts cannot be written .*File exists.*run the same command again"):
        ablation.run([Log(block)])
    parts.unlink()
    parts.with_name("kept").rename(parts)
    log = Log()
    assert ablation.run([log]).stopped is None
    assert len(log.finished) == 6


def test_a_batch_that_no_node_can_hold_is_refused(
    toy: Any, config: AblationConfig, data: CorrectnessMatrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray would wait for ever."""
    nodes = [Node("a", "10.0.0.1", True, 1, 0, 0), Node("b", "10.0.0.2", False, 1, 0, 0)]
    monkeypatch.setattr("ablations.runner.cluster_nodes", lambda: nodes)
    with pytest.raises(ConfigError, match="no node has room for a pack of 2 CPUs, though the cluster as a whole has"):
        Ablation.prepare(toy(), config.replace(slots=None, cpus_per_pack=2), data).run()


def test_what_is_found_about_the_cluster_is_told_with_the_plan(
    toy: Any, config: AblationConfig, data: CorrectnessMatrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = Node("b", "10.0.0.2", False, 1, 0, 0)
    monkeypatch.setattr("ablations.runner.cluster_nodes", lambda: [*cluster_nodes(), dead])
    told: list[str] = []
    Ablation.prepare(toy(), config.replace(methods=["lookup"]), data).run(on_plan=told.append)
    assert told == [
        "1 of 2 nodes is dead and left out: 10.0.0.2\n8 cells, 1 batch at a time, on 1 CPU each",
    ]


def degenerate(data: CorrectnessMatrix, kind: str) -> CorrectnessMatrix:
    """Data with which something is the matter."""
    chance = np.random.default_rng(0)
    if kind == "all right":
        return dataclasses.replace(data, correct=data.attempts)
    if kind == "missing cells":
        attempts = data.attempts * (chance.random(data.attempts.shape) < 0.3)
        attempts[0] = 0  # and a model without any label
        attempts = attempts.astype(np.uint8)
        return dataclasses.replace(data, correct=np.minimum(data.correct, attempts), attempts=attempts)
    names = ["one"] * data.num_questions
    if kind == "a tiny benchmark":
        names[:20] = ["tiny"] * 20
    questions = data.questions.set_column(data.questions.column_names.index("benchmark"), "benchmark", [names])
    return dataclasses.replace(data, questions=questions)


@pytest.mark.parametrize("kind", ["all right", "missing cells", "a tiny benchmark"])
def test_degenerate_data_gives_results_or_reasons(
    toy: Any, config: AblationConfig, data: CorrectnessMatrix, kind: str
) -> None:
    ablation = Ablation.prepare(toy(), config.replace(seeds=1), degenerate(data, kind))
    ablation.folder.path.mkdir(parents=True)
    worker = CellWorker(ablation.payload(ablation.plan.cells), 1)
    for family, cells in ablation.families(ablation.plan.cells).items():
        ablation.folder.append(worker(Batch(tuple(cells), family[1])).cells)  # type: ignore[arg-type]
    results = ablation.folder.results(ablation.plan)
    assert results.failed["reason"].tolist() == []
    labelled = results.frame[results.frame["questions"] > 0]
    assert labelled[["log_loss", "accuracy", "routing_micro"]].notna().all(axis=None)
    if kind == "all right":
        assert labelled["roc_auc"].isna().all()


def test_data_that_cannot_answer_is_refused(toy: Any, config: AblationConfig, data: CorrectnessMatrix) -> None:
    with pytest.raises(DataError, match="a toy needs three models"):
        Ablation.prepare(toy(), config, simulate(models=2, questions=240))
    with pytest.raises(DataError, match="no training question is left"):
        Ablation.prepare(toy(), config, degenerate(data, "one benchmark"))
