"""One run of a sweep as the user sees it: what is searched, progress, leaderboard, the winner, where MLflow is."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embedllm.cli.program import EXIT_INTERRUPTED
from embedllm.storage import replaced_file
from embedllm.visible import shell_word, visible
from tune.cli.drawing import FigureDrawing
from tune.cli.run import show_axis
from tune.config import SweepConfig
from tune.folder import FIGURES_FOLDER, WINNER_TABLE
from tune.interrupt import INTERRUPTED
from tune.labels import config_label, exhausted_text, seeds_text
from tune.progress import ProgressLine
from tune.records import SweepListener, TrialRecord
from tune.report.runs import note_run
from tune.results.finalists_table import render_finalists
from tune.results.standings import Standings
from tune.results.standings_table import standings_text
from tune.runner import Sweep, SweepResult, retargeted
from tune.search.lock import refuse_locked
from tune.search.ranking import best_record, count_finished
from tune.search.study import JOURNAL_FILE, read_records
from tune.tracking.provenance import Provenance
from tune.tracking.serving import CHAMPION, Candidate, Registered, registered_name, serve_command
from tune.tracking.tracker import MlflowTracker
from tune.tracking.uri import how_to_view

LEADERBOARD_FILE = "leaderboard.csv"
TOP = 10
"""Trials shown at the end of a sweep; `leaderboard` shows all."""


def conduct(sweep: Sweep, *, trials: int | None = None) -> int:
    """Run or resume a prepared sweep and report on it; aborted, say how to go on. Arguments as of :func:`_conduct`."""
    try:
        return _conduct(sweep, trials=trials)
    except KeyboardInterrupt:
        out = _typed(sweep.folder.path)
        _note(f"\naborted; finished trials are kept: run `python -m tune resume {out}` to continue")
        raise


def _conduct(sweep: Sweep, *, trials: int | None = None) -> int:
    """Run or resume a prepared sweep and report on it.

    Args:
        sweep: data loaded and encoded.
        trials: a new target; None keeps the configured one.

    Returns:
        The exit code: 0, or 130 if it was interrupted and can be resumed.

    Raises:
        SweepFailed: if no trial succeeded.
        ConfigError: if another process is running the sweep, or more trials are finished than are asked for.
    """
    refuse_locked(sweep.folder.path)  # before its MLflow run and its folder are touched
    folder = retargeted(sweep.folder, trials)
    config = folder.config
    earlier = _finished(folder.path)
    introduction = _introduction(sweep, config)
    _note(introduction)
    provenance = Provenance.collect(data_name=config.data_name, data_digest=sweep.data.digest)
    note_run(folder.path, provenance)
    tracker = MlflowTracker.start(
        folder.path.name,
        sweep_dir=folder.path,
        objective=config.objective,
        provenance=provenance,
        tracking_uri=config.tracking_uri,
        params=_parameters(config),
        current={"target_trials": str(config.trials), "address": config.address or "this machine"},
        description=f"```\n{introduction}\n```",
    )
    done = count_finished(earlier)
    several = config.goals if config.objectives else ()
    best = best_record(earlier, config)
    progress = ProgressLine(config.trials, config.objective, done=done, best=best, objectives=several, earlier=earlier)
    drawing = FigureDrawing(folder.path, config)
    try:
        with progress:
            result = sweep.run(
                (_News(progress, earlier), tracker, drawing),
                trials=trials,
                on_plan=_note,
                on_searched=drawing.start,
            )
        standings = Standings.read(result.folder)
        _say(_report(result, standings, tracker.tracking_uri))
        artifacts, candidate = _artifacts(result, standings, drawing), _candidate(result)
    except BaseException as error:
        tracker.finish("KILLED" if isinstance(error, (KeyboardInterrupt, SystemExit)) else "FAILED")
        raise
    interrupted = result.stopped == INTERRUPTED
    tracker.finish(
        "KILLED" if interrupted else "FINISHED",
        metrics={} if result.winner is None else result.winner.metrics,
        artifacts=artifacts,
        candidate=candidate,
    )
    if tracker.registered is not None:
        _say(f"\n{_served(tracker.registered, tracker.tracking_uri)}")
    return EXIT_INTERRUPTED if interrupted else 0


def _say(text: str) -> None:
    """Print a result. Where its reader has gone, as in `| head`, what is left to do is done all the same."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # to the end of the process


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
            f"data    {config.data_name}: {data.num_models} models, {data.num_questions:,} questions ({sides})",
            f"search  {', '.join(map(str, config.goals))} with {config.sampler}, pruner {config.pruner}, over",
            *axes,
            f"folder  {config.out}",
        ]
    )


def _report(result: SweepResult, standings: Standings, tracking_uri: str) -> str:
    """Leaderboard, the winner on the test questions, and what to do next."""
    blocks = [standings_text(standings, top=TOP)]
    out = _typed(result.folder)
    finished = result.count("COMPLETE") + result.count("PRUNED")
    wanted = result.config.trials
    if result.stopped is None and finished < wanted:
        blocks.append(exhausted_text(finished, wanted))
    if result.winner is None:
        blocks.append(f"Ended early: {result.stopped}. Run `python -m tune resume {out}` to continue.")
    else:
        comparison = render_finalists(result.winner.rows, result.config.objective)
        blocks.append(f"On the test questions, evaluated for finalists only:\n\n{comparison}")
        blocks.append(f'`embedllm route {_typed(result.winner.artifact)} "QUESTION"` uses the winner.')
    # A line of its own, not a footnote: a command broken in two cannot be pasted.
    blocks.append(f"MLflow: {how_to_view(tracking_uri)}")
    return "\n\n".join(["", *blocks])


def _artifacts(result: SweepResult, standings: Standings, drawing: FigureDrawing) -> list[Path]:
    """Files to keep with the MLflow run: the whole leaderboard, the report, the figures, and the winner."""
    file = result.folder / LEADERBOARD_FILE
    with replaced_file(file) as staged:
        staged.write_text(standings_text(standings, format="csv") + "\n", encoding="utf-8")
    kept = [file, *_report_page(standings, drawing)]
    if result.winner is None:
        return kept
    others = [judged.artifact for judged in result.winner.finalists[1:]]
    return [*kept, result.folder / WINNER_TABLE, result.winner.artifact, *others]


def _report_page(standings: Standings, drawing: FigureDrawing) -> list[Path]:
    """The report and the folder of figures; empty where they cannot be made: no reason to lose a finished sweep."""
    from tune.report.page import write_report

    try:
        page = write_report(standings, figures=drawing.result())
    except Exception as error:
        retry = f"run `python -m tune report {_typed(standings.path)}` to try again"
        _note(f"warning: no report: {type(error).__name__}: {error}; {retry}")
        return []
    _say(f"Report: {visible(_shortest(page))}")
    return [page, standings.path / FIGURES_FOLDER]


def _candidate(result: SweepResult) -> Candidate | None:
    """The winner as it is registered, if there is one and it is wanted."""
    config, winner = result.config, result.winner
    name = registered_name(config.register, config.data_name)
    if winner is None or name is None:
        return None
    scores = ", ".join(
        f"{metric.removeprefix('test_')} {value:.4f}"
        for metric, value in winner.metrics.items()
        if metric.startswith("test_") and not metric.endswith("_sd")
    )
    description = (
        f"Trial {winner.trial} of the sweep `{result.folder.name}`: {config_label(winner.config)}, "
        f"{'the mean of ' * (config.seeds > 1)}{seeds_text(config.seeds)}. On the test questions: {scores}."
    )
    return Candidate(name, winner.artifact, winner.trial, config.objective, description)


def _served(registered: Registered, tracking_uri: str) -> str:
    """Where the winner is in the registry, and the command that serves it, on a line of its own."""
    state = f"version {registered.version}"
    if registered.reason is not None:
        state += f"; version {registered.champion} stays {CHAMPION}: {registered.reason}"
    return f"Registered: {registered.uri} ({state})\n{serve_command(tracking_uri, registered.uri)}"


def _shortest(path: Path) -> str:
    """The path as one would name it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _typed(path: Path) -> str:
    """The same in a command line."""
    return shell_word(_shortest(path))


def _parameters(config: SweepConfig) -> dict[str, Any]:
    """The settings that a sweep keeps, as flat MLflow parameters; axes as they are typed. Others are tags."""
    others = ("space", "data", "trials", "address")
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in others}
    settings["objectives"] = ",".join(map(str, config.goals))
    return settings | {f"space.{name}": show_axis(axis) for name, axis in config.space.axes().items()}


def _finished(folder: Path) -> list[TrialRecord]:
    """Trials of earlier runs of this sweep."""
    if not (folder / JOURNAL_FILE).exists():
        return []
    return [record for record in read_records(folder) if record.state != "RUNNING" and not record.lost]


def _note(line: str) -> None:
    print(visible(line), file=sys.stderr)
