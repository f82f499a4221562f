"""The parts of a report: each takes a page and the standings, and adds its section."""

from collections import Counter
from collections.abc import Collection, Sequence

import pandas as pd

from embedllm.data.describe import Description
from embedllm.data.matrix import SPLIT_NAMES
from embedllm.figures import Page, SavedFigure
from embedllm.visible import shell_word
from tune.figures import NotDrawn
from tune.folder import WINNER_FOLDER
from tune.labels import decimals, first_line
from tune.records import TrialState
from tune.report.commands import QUESTION, champion_command, fit_command, sweep_command, winner_command
from tune.report.runs import SweepRun
from tune.results.finalists_table import finalist_notes, finalists_grid
from tune.results.footnotes import unranked_footnotes
from tune.results.grid import Grid, metric_title, with_spread
from tune.results.leaderboard_table import constants, grids
from tune.results.pareto import front_frame, front_sentences, pareto_front
from tune.results.pareto_table import front_grid
from tune.results.standings import Standings
from tune.search.objectives import OBJECTIVES

SHOWN_MODELS = 10
SHOWN_BENCHMARKS = 30
REASONS = 5
"""Different reasons of failure listed; the leaderboard has each trial's."""


def add_leaderboard(
    page: Page,
    standings: Standings,
    *,
    top: int | None = None,
    sort: str | None = None,
    states: Collection[TrialState] | None = None,
) -> Page:
    """The leaderboard's tables, or with several objectives the Pareto front's, and what must be known to read them.

    Args:
        page: to be added to.
        standings: of the sweep.
        top: as of :func:`tune.results.leaderboard.leaderboard`, like the others; of a front, never fewer than it has.
        sort: column to order by.
        states: only trials in these states.
    """
    records, goals = standings.records, standings.config.goals
    if standings.config.objectives is None:
        frame = standings.frame(top=top, sort=sort, states=states)
        tables, notes = grids(frame, standings.objective), standings.footnotes()
    else:
        most = None if top is None else max(top, len(pareto_front(records, goals)))
        frame = front_frame(records, goals, frame=standings.frame(states=states), top=most, sort=sort)
        tables = [front_grid(frame, goals)]
        notes = [*front_sentences(records, goals), *unranked_footnotes(records, goals[0].name, standings.intervals)]
    for table in tables:
        _add_grid(page, table.by_importance())
    return page.bullets([*notes, *constants(frame)])


def add_finalists(page: Page, standings: Standings) -> Page:
    """Test metrics of the winner and of everything it is compared with."""
    if not standings.finalists:
        return page.text("No winner has been judged on the test questions yet.")
    _add_grid(page, finalists_grid(standings.finalists, standings.objective))
    page.bullets(finalist_notes(standings.finalists))
    return page


def add_winner(page: Page, standings: Standings) -> Page:
    """The best trial's card: configuration, metrics, how to use it."""
    best, winner = standings.best, standings.winner
    if best is None:
        return page.text("No trial has succeeded.")
    if winner is not None and winner.trial != best.trial:
        page.text(
            f"Trial {winner.trial} was chosen as the winner before trial {best.trial} took the lead; "
            f"what follows describes trial {winner.trial}."
        )
        best = next(record for record in standings.records if record.role == "trial" and record.trial == winner.trial)
    config = best.config
    training = config.training_questions
    everything = training is None or training == standings.folder.questions["train"]
    page.facts(
        {
            "trial": best.trial,
            "question encoder": f"`{config.encoder}`",
            "embedding dimension": config.embedding_dim,
            "noise α": f"{config.noise:.4g} per {config.noise_per}",
            "training questions": "all" if everything else f"{training:,}",
            "learning rate": f"{config.learning_rate:.3g}, {config.schedule}",
            "weight decay": f"{config.weight_decay:.3g}",
            "batch": "the recipe's" if config.batch_questions is None else f"{config.batch_questions} questions",
            "epochs": f"{best.budget} of {config.epochs}; parameters of epoch {best.best_epoch} kept",
            "seeds": f"{best.seeds}, from {config.seed}",
            "training time": f"{best.seconds:.{decimals([best.seconds], 3)}f} s, its share of a fused pack",
        }
    )
    metrics = dict(best.metrics) | ({} if winner is None else dict(winner.metrics))
    rows = [
        {"metric": metric_title(name.removeprefix("val_"))}
        | {
            side: with_spread(metrics.get(_on(name, side)), metrics.get(f"{_on(name, side)}_sd"))
            for side in ("val", "test")
        }
        for name in OBJECTIVES
        if name in metrics
    ]
    page.table(pd.DataFrame(rows), "The winner's metrics, mean ± standard deviation over seeds.")
    if winner is None:
        return page
    page.text("To use it, from the folder that contains the sweep:")
    page.code(winner_command(standings.path))
    page.text("In Python:").code(
        "from embedllm import load_artifact\n\n"
        f"artifact = load_artifact({f'{standings.path.name}/{WINNER_FOLDER}'!r})\n"
        f'artifact.predict_proba(["{QUESTION}"])   # (models, questions), P(right answer)'
    )
    serving = champion_command(standings.path, standings.config)
    if serving is None:
        return page
    page.text("Over HTTP, served by MLflow; `champion` is the best version registered under this name, on validation:")
    return page.code(serving)


def add_figures(page: Page, figures: Sequence[SavedFigure | NotDrawn]) -> Page:
    """The search's figures, and why some are missing."""
    for figure in figures:
        if isinstance(figure, NotDrawn):
            page.text(str(figure))
        else:
            page.figure(figure)
    return page


def add_data(page: Page, standings: Standings, description: Description | str) -> Page:
    """What the sweep learned from: sizes, base rates, benchmarks, the best models; or why that cannot be told."""
    if isinstance(description, str):
        return page.text(f"The data cannot be described: {description}.")
    [row] = description.as_rows()["summary"]
    repeats = f", {row['repeated_attempts']:,} of them repeats" if row["repeated_attempts"] else ""
    conflicts = f", {row['conflicting_cells']:,} cells with conflicting labels" if row["conflicting_cells"] else ""
    facts: dict[str, object] = {
        "source": f"{row['source']}{', simulated' if row['simulated'] else ''}",
        "size": f"{row['models']:,} models, {row['questions']:,} questions, {row['benchmarks']:,} benchmarks",
        "labels": f"{row['attempts']:,}{repeats}{conflicts}; {row['missing_share']:.2%} of the pairs have none",
        "correct": f"{row['accuracy']:.4f} of the labels; always predicting the more frequent one: "
        f"{row['always_majority']:.4f}, per model: {row['majority_per_model']:.4f}, "
        f"per model and benchmark: {row['majority_per_model_and_benchmark']:.4f}",
        "digest": f"`{row['digest']}`",
        "split": f"{', '.join(f'{standings.folder.questions[side]:,} {side}' for side in SPLIT_NAMES)} questions",
    }
    page.facts(facts)
    benchmarks = description.benchmarks[["benchmark", "questions", "accuracy", "best_model", "best_accuracy"]]
    shown = benchmarks.sort_values("questions", ascending=False, kind="stable").head(SHOWN_BENCHMARKS)
    page.table(
        _titled(shown),
        f"Benchmarks{_of(len(shown), len(benchmarks))}.",
        formats={"questions": ",d", "accuracy": ".4f", "best accuracy": ".4f"},
    )
    models = description.models[["rank", "model_name", "accuracy", "standard_error", "answered"]].head(SHOWN_MODELS)
    caption = f"Models{_of(len(models), len(description.models))}, by accuracy over all questions."
    return page.table(_titled(models), caption, formats={"accuracy": ".4f", "standard error": ".4f", "answered": ",d"})


def add_outcomes(page: Page, standings: Standings) -> Page:
    """How many trials completed, were pruned or failed, and why; what pruning saved, what training took."""
    trials = [record for record in standings.records if record.role == "trial"]
    saved = sum(record.config.epochs - record.budget for record in trials if record.state == "PRUNED")
    planned = sum(record.config.epochs for record in trials if record.state in ("COMPLETE", "PRUNED"))
    pruned = standings.count("PRUNED")
    baseline = sum(record.seconds for record in standings.records if record.role == "baseline")
    facts: dict[str, object] = {
        "complete": standings.count("COMPLETE"),
        "pruned": f"{pruned}, which saved {saved / planned:.0%} of the epochs" if pruned else "0",
        "failed": standings.count("FAIL"),
        "training": f"{sum(record.seconds for record in trials):,.1f} s for all trials, "
        f"{baseline:,.1f} s for the paper's recipe",
    }
    if standings.count("RUNNING"):
        facts["running"] = standings.count("RUNNING")
    page.facts(facts)
    reasons = Counter(first_line(record.reason or "", "no reason given") for record in trials if record.state == "FAIL")
    if reasons:
        page.text("Why trials failed:")
        page.bullets(f"{count} × {reason}" for reason, count in reasons.most_common(REASONS))
    return page


def add_reproduction(page: Page, standings: Standings) -> Page:
    """The commands that run the sweep, one of its trials, or the winner alone once more."""
    config, best = standings.config, standings.best
    again = f"{standings.path.name}-again"
    page.text("The sweep:").code(sweep_command(config, again))
    if config.deterministic:
        page.text("It was run with `--deterministic`: the same trials come out at any parallelism.")
    else:
        page.text(
            "Without `--deterministic` the sampler learns from trials in the order in which they finish, so another "
            "run may propose different ones. Each trial by itself can be reproduced:"
        )
    number = 0 if best is None else best.trial
    page.code(f"python -m tune rerun {shell_word(standings.path.name)} {number}")
    if best is not None and config.data is not None:
        page.text("To train the best configuration on its own, next to every baseline:")
        page.code(fit_command(config, best.config, best.seeds, "artifact"))
    return page


def add_environment(page: Page, standings: Standings, runs: Sequence[SweepRun]) -> Page:
    """What it ran on: code, packages, machine, and every command given."""
    if not runs:
        return page.text("Not recorded: the sweep was run from Python, not by `python -m tune`.")
    last = runs[-1].provenance
    page.facts(
        {
            "code": f"commit `{last.git_commit}`" if last.git_commit else "not under version control",
            "packages": ", ".join(f"{name} {version}" for name, version in last.packages.items()),
            "machine": last.machine,
            "data digest": f"`{last.data_digest}`",
            "seed": f"{standings.config.seed}, of the split {standings.config.split_seed}",
        }
    )
    if any((run.provenance.packages, run.provenance.git_commit) != (last.packages, last.git_commit) for run in runs):
        page.text("Code or packages changed between the runs of this sweep; these are the last run's.")
    return page.code("\n".join(f"{run.started}  {run.provenance.command}" for run in runs))


def _add_grid(page: Page, grid: Grid) -> None:
    page.table(grid.frame(), grid.heading, highlight_rows=grid.highlighted)


def _on(metric: str, side: str) -> str:
    return metric.replace("val_", f"{side}_", 1)


def _titled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns=lambda name: str(name).replace("_", " "))


def _of(shown: int, total: int) -> str:
    return "" if shown == total else f", {shown} of {total}"
