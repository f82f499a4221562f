"""One run of a design as the user sees it: what is computed, progress, findings, figures, where MLflow is."""

import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ablations.batches import expected_seconds
from ablations.config import AblationConfig
from ablations.design import Design
from ablations.estimate import estimate
from ablations.folder import PROVENANCE_FILE
from ablations.paths import own_results_path, results_path
from ablations.progress import CellProgress
from ablations.runner import Ablation, DesignResult
from ablations.tracking import CellTracker
from embedllm.cli.program import EXIT_INTERRUPTED
from embedllm.cli.tables import render
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.errors import DataError, EmbedLLMError
from embedllm.visible import visible
from tune.engine.cluster import ray_cluster
from tune.planning.memory import show_bytes
from tune.tracking.provenance import command_line
from tune.tracking.uri import how_to_view, resolve_tracking_uri

EXIT_FAILED = 1
"""Some cells have no result, or a design was refused."""

WIDTH = 110


def conduct(design: Design, config: AblationConfig, data: CorrectnessMatrix) -> int:
    """Run or finish one design and report on it.

    Returns:
        The exit code: 0, 1 if cells failed, or 130 if it was interrupted and can be resumed.

    Raises:
        DataError: if the data cannot answer the design's question.
        DesignFailed: if no cell succeeded.
    """
    with own_results_path(config) as out:
        return _conduct(_prepared(design, config.replace(out=str(out)), data))


def _prepared(design: Design, config: AblationConfig, data: CorrectnessMatrix) -> Ablation:
    """Planned, and checked as far as it can be before anything is computed."""
    ablation = Ablation.prepare(design, config, data)
    ablation.check_folder()
    ablation.check_encoders()
    return ablation


def _conduct(ablation: Ablation) -> int:
    introduction = describe(ablation)
    _note(introduction)
    tracker = CellTracker.start(ablation, introduction=introduction, command=command_line())
    waiting = {cell.key: expected_seconds(ablation.plan, cell, ablation.data) for cell in ablation.waiting()}
    progress = CellProgress(len(ablation.plan.cells), waiting)
    try:
        with progress:
            result = ablation.run((progress, tracker), on_plan=_note)
    except BaseException as error:
        tracker.finish(None, killed=isinstance(error, KeyboardInterrupt))
        raise
    print(visible(report(ablation, result)))
    tracker.finish(result)
    print(f"\nMLflow: {how_to_view(tracker.tracking_uri)}")
    if result.stopped == "interrupted":
        return EXIT_INTERRUPTED
    return EXIT_FAILED if result.failed or result.stopped else 0


def conduct_all(designs: Sequence[Design], config: AblationConfig, data: CorrectnessMatrix) -> int:
    """Run every design, and write a report of them all, also where one breaks off.

    Returns:
        The exit code: the largest of the designs', 1 for one that the data cannot answer or that cannot be finished.

    Raises:
        EmbedLLMError: for a wrong option of any design, or an encoder out of reach, before anything is computed.
    """
    with own_results_path(config) as out:
        return _conduct_all(designs, config.replace(out=str(out)), data)


def _conduct_all(designs: Sequence[Design], config: AblationConfig, data: CorrectnessMatrix) -> int:
    ready: list[Ablation | DataError] = []
    for design in designs:
        try:
            ready.append(_prepared(design, config, data))
        except DataError as error:  # reported in its turn: the others go on
            ready.append(error)
    try:
        with ray_cluster(config.address):  # started once for all of them
            code = _conduct_each(designs, ready)
    except Exception:
        _report_all(config)
        raise
    if code != EXIT_INTERRUPTED:
        _report_all(config)
    return code


def _conduct_each(designs: Sequence[Design], ready: Sequence[Ablation | DataError]) -> int:
    code = 0
    for number, (design, ablation) in enumerate(zip(designs, ready, strict=True), start=1):
        _note(f"\n{number}/{len(designs)} {design.name}")
        try:
            if isinstance(ablation, DataError):
                raise ablation
            own = _conduct(ablation)
        except EmbedLLMError as error:
            _note(f"{design.name} is left out: {error}")
            own = EXIT_FAILED
        code = max(code, own)
        if own == EXIT_INTERRUPTED:
            break
    return code


def _report_all(config: AblationConfig) -> None:
    """Of every design that has finished, now or before; none where nothing has begun."""
    from ablations.report import write_report

    path = results_path(config)
    if any(path.glob(f"*/{PROVENANCE_FILE}")):
        print(visible(f"\nreport: {shortest(write_report(path))}"))


def show_plan(designs: Sequence[Design], config: AblationConfig, data: CorrectnessMatrix) -> int:
    """Print what a run would do; nothing is computed or written.

    Returns:
        The exit code: 0, or 1 if a design is refused.
    """
    config = config.replace(out=str(results_path(config)))
    with ray_cluster(config.address):  # started once for all of them; estimates depend on what it finds
        return max([_show_plan(design, config, data) for design in designs], default=0)


def _show_plan(design: Design, config: AblationConfig, data: CorrectnessMatrix) -> int:
    try:
        ablation = Ablation.prepare(design, config, data)
        ablation.check_folder()
    except DataError as error:
        print(visible(f"{design.name} would be refused: {error}\n"))
        return EXIT_FAILED
    print(visible(describe(ablation)))
    print(f"\n{_cells_table(ablation)}\n")
    cost = estimate(ablation)
    print(
        f"estimate  {cost.batches} batches on {cost.slots.count} slots, about {_minutes(cost.seconds)} "
        f"for the cells (from a brief measurement on this machine; within a factor of two), besides starting workers, "
        f"encoding questions, and tables and figures at the end; "
        f"{show_bytes(cost.memory)} of memory for each slot"
    )
    print(f"MLflow    {resolve_tracking_uri(config.tracking_uri, results_path(config))}\n")
    return 0


def describe(ablation: Ablation) -> str:
    """Data, cells, what is finished already, notes and folder, a line each."""
    data, plan = ablation.data, ablation.plan
    simulated = " (simulated)" if data.meta.get("simulated") and ablation.config.data is not None else ""
    finished = len(plan.cells) - len(ablation.waiting())
    unused = len(set(ablation.folder.finished()) - {cell.key for cell in plan.cells})
    counts = Counter(cell.method for cell in plan.cells)
    lines = [
        f"design  {ablation.design.name}: {ablation.design.title}",
        f"data    {ablation.data_name}{simulated}: {data.num_models} models, {data.num_questions:,} questions",
        f"cells   {len(plan.cells)}: {', '.join(f'{count} {method}' for method, count in counts.items())}",
    ]
    if finished:
        lines.append(f"done    {finished} of them, by earlier runs")
    if unused:
        lines.append(f"unused  {unused} finished cells from other options stay in the folder and are not shown")
    lines += [_wrapped("note    ", note) for note in plan.notes]
    return "\n".join([*lines, f"folder  {shortest(ablation.folder.path)}"])


def report(ablation: Ablation, result: DesignResult) -> str:
    """Findings, caveats, failures and where the figures are."""
    out = shortest(result.folder.path)
    blocks = [""]
    if result.stopped is None:
        tables = result.folder.tables()
        blocks += [_wrapped("- ", text) for text in result.findings]
        blocks += [_wrapped("  caveat: ", text) for text in ablation.design.caveats(tables)]
    if result.failed:
        reasons = Counter(result.failed.values()).most_common(3)
        blocks.append(
            f"{len(result.failed)} of {result.cells} cells failed; run the same command again to retry them. "
            + "; ".join(f"{count} x {reason}" for reason, count in reasons)
        )
    if result.stopped is not None:
        blocks.append(f"Ended early: {result.stopped}. Run the same command again to continue.")
    else:
        blocks.append(f"{_count(len(result.figures), 'figure')} in {out}/figures, tables in {out}/tables")
    return "\n".join(blocks)


def shortest(path: Path) -> str:
    """The path as one would type it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _cells_table(ablation: Ablation) -> str:
    """Cells by method and number of training questions."""
    plan = ablation.plan
    sizes = sorted({plan.training_questions(cell) for cell in plan.cells})
    counts = Counter((cell.method, plan.training_questions(cell)) for cell in plan.cells)
    methods = list(dict.fromkeys(cell.method for cell in plan.cells))
    if len(sizes) > 8:  # one column per split that lost other questions says nothing
        rows = [
            {
                "method": method,
                "cells": sum(counts[method, size] for size in sizes),
                "training questions": f"{own[0]:,}" + (f" to {own[-1]:,}" if len(own) > 1 else ""),
            }
            for method in methods
            if (own := [size for size in sizes if counts[method, size]])
        ]
    else:
        rows = [{"method": str(method), **{f"{size:,}": counts[method, size] for size in sizes}} for method in methods]
    return render(rows)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.1f} minutes"


def _wrapped(start: str, text: str) -> str:
    return textwrap.fill(text.replace("**", ""), WIDTH, initial_indent=start, subsequent_indent=" " * len(start))


def _note(line: str) -> None:
    print(visible(line), file=sys.stderr)
