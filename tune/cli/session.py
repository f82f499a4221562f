"""One run of a sweep as the user sees it: what is searched, progress, leaderboard, the winner, where MLflow is."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embedllm.cli.program import EXIT_INTERRUPTED
from embedllm.cli.tables import render_comparison
from tune.cli.run import show_axis
from tune.config import SweepConfig
from tune.folder import WINNER_TABLE
from tune.leaderboard import footnotes, leaderboard
from tune.leaderboard_table import render
from tune.progress import ProgressLine
from tune.provenance import Provenance
from tune.records import SweepListener, TrialRecord
from tune.runner import Sweep, SweepResult
from tune.study import JOURNAL_FILE, best_record, is_lost, read_records
from tune.tracking import MlflowTracker
from tune.tracking_uri import how_to_view

LEADERBOARD_FILE = "leaderboard.csv"
TOP = 10
"""Trials shown at the end of a sweep; `leaderboard` shows all."""


def conduct(sweep: Sweep, *, trials: int | None = None) -> int:
    """Run or resume a prepared sweep and report on it.

    Args:
        sweep: data loaded and encoded.
        trials: a new target; None keeps the configured one.

    Returns:
        The exit code: 0, or 130 if it was interrupted and can be resumed.

    Raises:
        SweepFailed: if no trial succeeded.
    """
    folder = sweep.folder
    config = folder.config if trials is None else folder.config.replace(trials=trials)
    earlier = _finished(folder.path)
    introduction = _introduction(sweep, config)
    _note(introduction)
    tracker = MlflowTracker.start(
        folder.path.name,
        sweep_dir=folder.path,
        objective=config.objective,
        provenance=Provenance.collect(data_name=_data_name(config), data_digest=sweep.data.digest),
        tracking_uri=config.tracking_uri,
        params=_parameters(config),
        description=f"```\n{introduction}\n```",
    )
    done = sum(record.role == "trial" and record.state in ("COMPLETE", "PRUNED") for record in earlier)
    progress = ProgressLine(config.trials, config.objective, done=done, best=best_record(earlier, config))
    try:
        with progress:
            result = sweep.run((_News(progress, earlier), tracker), trials=trials, on_plan=_note)
    except BaseException as error:
        tracker.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    print(_report(result, tracker.tracking_uri))
    interrupted = result.stopped == "interrupted"
    tracker.finish(
        "KILLED" if interrupted else "FINISHED",
        metrics={} if result.winner is None else result.winner.metrics,
        artifacts=_artifacts(result),
    )
    return EXIT_INTERRUPTED if interrupted else 0


class _News:
    """Passes on only what a listener has not heard: a resumed sweep tells of earlier trials again."""

    def __init__(self, listener: SweepListener, known: Sequence[TrialRecord]) -> None:
        self._listener = listener
        self._known = {(record.role, record.trial) for record in known}

    def trial_started(self, record: TrialRecord) -> None:
        self._listener.trial_started(record)

    def trial_finished(self, record: TrialRecord) -> None:
        if (record.role, record.trial) not in self._known:
            self._listener.trial_finished(record)


def _introduction(sweep: Sweep, config: SweepConfig) -> str:
    data, split = sweep.data, sweep.split
    sides = f"{len(split.train):,} train, {len(split.val):,} val, {len(split.test):,} test"
    axes = [f"  {name} {show_axis(axis)}" for name, axis in config.space.axes().items()]
    return "\n".join(
        [
            f"data    {_data_name(config)}: {data.num_models} models, {data.num_questions:,} questions ({sides})",
            f"search  {config.objective} with {config.sampler}, pruner {config.pruner}, over",
            *axes,
            f"folder  {config.out}",
        ]
    )


def _report(result: SweepResult, tracking_uri: str) -> str:
    """Leaderboard, the winner on the test questions, and what to do next."""
    objective = result.config.objective
    records = [record for record in result.records if not is_lost(record)]
    table = render(
        leaderboard(records, objective, top=TOP),
        objective,
        footnotes=footnotes(records, objective),
    )
    blocks = [table]
    out = _shortest(result.folder)
    if result.winner is None:
        blocks.append(f"Ended early: {result.stopped}. `python -m tune resume {out}` goes on.")
    else:
        comparison = render_comparison([_short_title(row) for row in result.winner.rows])
        blocks.append(f"On the test questions, looked at for the winner only:\n\n{comparison}")
        blocks.append(f'`embedllm route {_shortest(result.winner.artifact)} "QUESTION"` uses the winner.')
    # A line of its own, not a footnote: a command broken in two cannot be pasted.
    blocks.append(f"MLflow: {how_to_view(tracking_uri)}")
    return "\n\n".join(["", *blocks])


def _short_title(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with `trial 7` as title and its configuration moved to the notes, for width."""
    title, _, configuration = row["title"].partition(": ")
    return {**row, "title": title, "note": ", ".join(text for text in (configuration, row["note"]) if text)}


def _artifacts(result: SweepResult) -> list[Path]:
    """Files to keep with the MLflow run: the whole leaderboard, and the winner."""
    records = [record for record in result.records if not is_lost(record)]
    file = result.folder / LEADERBOARD_FILE
    file.write_text(render(leaderboard(records, result.config.objective), result.config.objective, format="csv") + "\n")
    return [file] if result.winner is None else [file, result.folder / WINNER_TABLE, result.winner.artifact]


def _shortest(path: Path) -> str:
    """The path as one would type it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _data_name(config: SweepConfig) -> str:
    return "simulated data" if config.data is None else Path(config.data).name


def _parameters(config: SweepConfig) -> dict[str, Any]:
    """The sweep's settings as flat MLflow parameters; axes as they are typed."""
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in ("space", "data")}
    return settings | {f"space.{name}": show_axis(axis) for name, axis in config.space.axes().items()}


def _finished(folder: Path) -> list[TrialRecord]:
    """Trials of earlier runs of this sweep."""
    if not (folder / JOURNAL_FILE).exists():
        return []
    return [record for record in read_records(folder) if record.state != "RUNNING" and not is_lost(record)]


def _note(line: str) -> None:
    print(line, file=sys.stderr)
