"""The finalists on the test questions: the winner, and everything it is compared with there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedllm.evaluation.bootstrap import BOOTSTRAP_METRICS
from embedllm.evaluation.report import METRICS, evaluate
from tune.labels import config_label
from tune.records import TrialRecord
from tune.results.pareto import short_amount
from tune.results.scores import intervals_to, mean_score, question_scores, read_scores, standard_error
from tune.search.objectives import COSTS

if TYPE_CHECKING:
    from tune.runner import Sweep


@dataclass(frozen=True)
class Finalist:
    """A trial judged on the test questions.

    Args:
        record: the trial.
        metrics: its `test_*` metrics and their `_sd` over seeds, others are ignored.
        scores: its scores on the test questions.
    """

    record: TrialRecord
    metrics: Mapping[str, float]
    scores: np.ndarray


def finalist_rows(
    sweep: "Sweep", finalists: Sequence[Finalist], records: Sequence[TrialRecord]
) -> list[dict[str, Any]]:
    """A row per finalist, the winner first. Fits the baselines, on the winner's encodings.

    Args:
        sweep: data and encodings.
        finalists: the winner and, where there are, others.
        records: all trials; the paper's recipe is taken from there.

    Returns:
        Flat rows: method (`winner`, `finalist`, `paper` or a baseline's), title (`trial 7`, with several objectives
        also what it costs), about (its configuration; empty for baselines), note, `trial` of the searched ones,
        `questions` (test questions that count), the seven metrics, `<metric>_sd` over seeds where there are seeds,
        `<metric>_se` over questions, and for all but the winner `<metric>_delta` with `_delta_low` and `_delta_high`:
        the difference `method - winner` and its paired 95 % interval over questions. Metrics that are no mean over
        questions have neither error nor difference. What is not a number is left out.
    """
    winner = finalists[0]
    found: list[tuple[dict[str, Any], np.ndarray | None]] = []
    for finalist in finalists:
        record, is_winner = finalist.record, finalist is winner
        config = record.config
        if config.training_questions == len(sweep.split.train):
            config = config.replace(training_questions=None)  # all of them, as the paper's recipe says it
        costs = [short_amount(record, goal.name) for goal in sweep.folder.config.goals[1:] if goal.name in COSTS]
        title = f"trial {record.trial}" + (f" ({', '.join(costs)})" if costs else "")
        method, note = ("winner", "chosen on val") if is_winner else ("finalist", "")
        row = _row(method, title, note, finalist.metrics, about=config_label(config))
        found.append((row | {"trial": record.trial}, finalist.scores))
    for record in records:
        if record.role == "baseline" and record.state == "COMPLETE":
            row = _row("paper", "paper's recipe", "", record.metrics, about=config_label(record.config))
            found.append((row, read_scores(sweep.folder.path, record, "test")))
    found += _baselines(sweep, sweep.encodings[winner.record.config.encoder].matrix)
    for row, scores in found:
        row["questions"] = int(np.count_nonzero(winner.scores["attempts"]))
        if scores is not None:
            row |= {f"{metric}_se": standard_error(scores, metric) for metric in BOOTSTRAP_METRICS}
    compared = [(row, scores) for row, scores in found[1:] if scores is not None]
    for metric in BOOTSTRAP_METRICS:
        bounds = intervals_to(winner.scores, [scores for _, scores in compared], metric)
        for (row, scores), (low, high) in zip(compared, bounds, strict=True):
            row[f"{metric}_delta"] = mean_score(scores, metric) - mean_score(winner.scores, metric)
            row[f"{metric}_delta_low"], row[f"{metric}_delta_high"] = low, high
    return [{key: value for key, value in row.items() if value == value} for row, _ in found]


def finalist_metrics(
    rows: Sequence[Mapping[str, Any]], baseline: TrialRecord | None
) -> dict[tuple[str, int], dict[str, float]]:
    """(role, trial) -> test metrics and their `_sd`, of the finalists among the trials and of the baseline.

    Args:
        rows: made by :func:`finalist_rows`.
        baseline: the paper's recipe, where it is finished.
    """
    found = {}
    for row in rows:
        if row["method"] in ("winner", "finalist"):
            names = [name for metric in METRICS for name in (metric, f"{metric}_sd") if name in row]
            found["trial", int(row["trial"])] = {f"test_{name}": row[name] for name in names}
    if baseline is not None:
        known = {name: value for name, value in baseline.metrics.items() if name.startswith("test_")}
        found[baseline.role, baseline.trial] = known
    return found


def _baselines(sweep: "Sweep", encodings: np.ndarray) -> list[tuple[dict[str, Any], np.ndarray | None]]:
    """A row and its scores per baseline that reads the labels of the training questions."""
    from embedllm.evaluation.baselines import BASELINES  # needs PyTorch

    test = sweep.split.test
    correct, attempts = sweep.data.correct[:, test], sweep.data.attempts[:, test]
    benchmarks = sweep.data.benchmarks[test]
    found: list[tuple[dict[str, Any], np.ndarray | None]] = []
    for name, kind in BASELINES.items():
        baseline = kind().fit(sweep.data, sweep.split, encodings)
        probability = baseline.predict(encodings[test], benchmarks)
        metrics = evaluate(probability, correct, attempts, benchmarks)
        row = _row(name, baseline.title, baseline.note, {f"test_{key}": value for key, value in metrics.items()})
        found.append((row, question_scores([probability], correct, attempts)))
    return found


def _row(method: str, title: str, note: str, metrics: Mapping[str, float], *, about: str = "") -> dict[str, Any]:
    row: dict[str, Any] = {"method": method, "title": title, "about": about, "note": note}
    for name in METRICS:
        for key in (name, f"{name}_sd"):
            if f"test_{key}" in metrics:
                row[key] = metrics[f"test_{key}"]
    return row
