"""The end of a sweep: the finalists trained once more, on the test questions, beside everything they should beat."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedllm.config import FitConfig
from embedllm.errors import ConfigError, EmbedLLMError
from embedllm.storage import replaced_folder
from tune.config import SweepConfig
from tune.folder import FINALISTS_FOLDER, WINNER_FOLDER, WINNER_TABLE
from tune.json_file import read_json, write_json
from tune.records import TrialRecord
from tune.results.finalists import Finalist, finalist_rows
from tune.results.pareto import pareto_front
from tune.results.scores import read_scores, write_scores
from tune.search.ranking import has_baseline, ranking

if TYPE_CHECKING:
    from tune.engine.fitting import PackFitter
    from tune.runner import Sweep

FRONT_FINALISTS = 5
"""Trials of a Pareto front judged on the test questions where `finalists` is not given."""


@dataclass(frozen=True)
class JudgedTrial:
    """A finalist trained once more and judged on the test questions, which nothing was selected by.

    Args:
        trial: its number.
        config: its configuration.
        metrics: `val_*`, `test_*` and `train_log_loss`, with `_sd` over seeds.
        artifact: folder of the saved model, for `embedllm route` and `embedllm evaluate`.
    """

    trial: int
    config: FitConfig
    metrics: Mapping[str, float]
    artifact: Path


@dataclass(frozen=True)
class Winner(JudgedTrial):
    """The best finalist by the validation questions, whatever the test questions say.

    Args:
        rows: the finalists on the test questions, this one first; see :func:`tune.results.finalists.finalist_rows`.
        finalists: all of them, this one first.
    """

    rows: Sequence[Mapping[str, Any]]
    finalists: Sequence[JudgedTrial]


def choose_finalists(records: Sequence[TrialRecord], config: SweepConfig) -> list[TrialRecord]:
    """The trials to judge on the test questions, the winner first.

    With one objective the best by it; with several some of the Pareto front, evenly spread along it from end to end.
    """
    if config.objectives is None:
        return ranking(records, config)[: config.finalists or 1]
    front = pareto_front(records, config.goals)
    count = min(config.finalists or FRONT_FINALISTS, len(front))
    return [front[place] for place in np.linspace(0, len(front) - 1, count).round().astype(int)]


def crown(sweep: "Sweep", records: Sequence[TrialRecord]) -> Winner:
    """Train the finalists once more, in this process, save them, and judge them on the test questions.

    A finalist judged before is read back: the test questions are looked at once per finalist.

    Args:
        sweep: data and encodings.
        records: all trials; the baseline's test metrics are taken from there. One at least is complete.

    Raises:
        EmbedLLMError: if a finalist diverges now.
    """
    # Imported here: a leaderboard, which only reads what was crowned, need not wait for PyTorch.
    from embedllm.artifact import check_target
    from tune.data import SweepData
    from tune.engine.fitting import PackFitter

    path = sweep.folder.path
    chosen = choose_finalists(records, sweep.folder.config)
    known = read_winner(path)
    if known is not None and _is_whole(known, chosen, records):
        return known
    encoders = {record.config.encoder for record in chosen}
    source = SweepData(sweep.data, sweep.split, {name: sweep.encodings[name].matrix for name in encoders})
    settings = sweep.folder.config
    fitter = PackFitter.here(source, settings, seeds=chosen[0].seeds)
    before = {} if known is None else {judged.trial: judged for judged in known.finalists}
    finalists = [
        _read_back(path, record, before.get(record.trial)) or _judge(sweep, fitter, record) for record in chosen
    ]
    judged = [
        JudgedTrial(one.record.trial, one.record.config, one.metrics, finalist_folder(path, one.record.trial))
        for one in finalists
    ]
    best = judged[0]
    rows = finalist_rows(sweep, finalists, records)
    artifact = check_target(path / WINNER_FOLDER)
    with replaced_folder(artifact) as staging:
        shutil.copytree(best.artifact, staging, dirs_exist_ok=True)
    winner = Winner(best.trial, best.config, best.metrics, artifact, rows, judged)
    _write(path, winner)
    return winner


def _is_whole(known: Winner, chosen: Sequence[TrialRecord], records: Sequence[TrialRecord]) -> bool:
    """Whether these finalists were judged already, beside the baseline if it is complete, and their models kept."""
    return (
        [judged.trial for judged in known.finalists] == [record.trial for record in chosen]
        and all(judged.artifact.is_dir() for judged in (known, *known.finalists))
        and any(row["method"] == "paper" for row in known.rows) == has_baseline(records)
    )


def finalist_folder(path: Path, trial: int) -> Path:
    """Where a finalist's artifact lies in a sweep's folder."""
    return path / FINALISTS_FOLDER / f"trial-{trial}"


def read_winner(path: Path) -> Winner | None:
    """The winner crowned last in a sweep's folder, and the other finalists, if any.

    Raises:
        ConfigError: if `winner.json` cannot be read.
    """
    file = path / WINNER_TABLE
    if not file.is_file():
        return None
    remedy = "delete it and run `python -m tune resume` to judge the finalists again"
    content = read_json(file, remedy)
    try:
        finalists = [
            JudgedTrial(one["trial"], FitConfig(**one["config"]), one["metrics"], finalist_folder(path, one["trial"]))
            for one in content.get("finalists", [])
        ]
        config, rows = FitConfig(**content["config"]), content["rows"]
        return Winner(content["trial"], config, content["metrics"], path / WINNER_FOLDER, rows, finalists)
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{file} cannot be read ({type(error).__name__}: {error}); {remedy}") from error


def _judge(sweep: "Sweep", fitter: "PackFitter", record: TrialRecord) -> Finalist:
    """Train a finalist, save it, and keep its scores per test question for later comparisons."""
    from embedllm.artifact import save_artifact

    [results] = fitter.fit_seeds([record.config])
    failed = [result.failure for result in results if result.failure is not None]
    if failed:
        raise EmbedLLMError(f"trial {record.trial} succeeded in the search but not when trained again: {failed[0]}")
    metrics, scores = fitter.judge(record.config.encoder, results, ("val", "test"))
    path = sweep.folder.path
    encoder = sweep.encodings[record.config.encoder].encoder
    save_artifact(finalist_folder(path, record.trial), results, encoder, sweep.data, sweep.split, metrics)
    write_scores(path, replace(record, scores={"test": scores["test"]}))
    return Finalist(record, metrics, scores["test"])


def _read_back(path: Path, record: TrialRecord, judged: JudgedTrial | None) -> Finalist | None:
    """A finalist judged before, if everything about it is still there."""
    if judged is None or judged.config != record.config or not judged.artifact.is_dir():
        return None
    scores = read_scores(path, replace(record, metrics=judged.metrics), "test")
    return None if scores is None else Finalist(record, judged.metrics, scores)


def _write(path: Path, winner: Winner) -> None:
    """Write `winner.json`."""
    content = {
        "trial": winner.trial,
        "config": asdict(winner.config),
        "metrics": winner.metrics,
        "rows": winner.rows,
        "finalists": [
            {"trial": one.trial, "config": asdict(one.config), "metrics": one.metrics} for one in winner.finalists
        ],
    }
    write_json(path / WINNER_TABLE, content)
