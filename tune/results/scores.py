"""What a trial earned on each question: a small file per trial beside the journal, and paired intervals made of them.

    SWEEP/scores/trial-7.val.npy       one record per validation question: its share of every metric that is a mean
    SWEEP/scores/baseline-0.test.npy   the baseline's on the test questions, to be compared with the winner's

They are no part of the journal, which every reader parses as a whole. A row whose file is lost has no interval, that is
all; everything else a sweep needs is in the study.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embedllm.evaluation.bootstrap import BOOTSTRAP_METRICS, bootstrap_intervals, question_totals, ratio_standard_error
from embedllm.storage import replaced_file
from tune.records import TrialRecord

SCORES_FOLDER = "scores"
SCORES_DTYPE = np.dtype([*((name, "<f4") for name in BOOTSTRAP_METRICS), ("attempts", "<u4")])
"""Per question: each metric's total over its graded answers (of routing: the reward), and how many those are."""

CONFIDENCE = 0.95
AGREEMENT = 1e-4
"""How far a file's mean may be from the metric in the study before the file is taken for another trial's."""


@dataclass(frozen=True)
class DeltaIntervals:
    """Paired intervals of trials' differences to the baseline in one metric.

    Args:
        bounds: (role, trial) -> lower and upper end of `trial - baseline`.
        questions: number of questions resampled.
        missing: why there are none, or why some rows have none; None where every row has one.
    """

    bounds: Mapping[tuple[str, int], tuple[float, float]]
    questions: int = 0
    missing: str | None = None


def question_scores(probabilities: Sequence[np.ndarray], correct: np.ndarray, attempts: np.ndarray) -> np.ndarray:
    """Scores per question, the mean over seeds: a :data:`SCORES_DTYPE` array of shape (questions,).

    Args:
        probabilities: of every seed, float of shape (models, questions), P(right answer).
        correct: uint8 of the same shape, right answers per cell.
        attempts: uint8 of the same shape, graded answers per cell; 0 = missing.
    """
    scores = np.zeros(attempts.shape[1], SCORES_DTYPE)
    scores["attempts"] = attempts.sum(axis=0, dtype=np.uint32)
    for metric in BOOTSTRAP_METRICS:
        totals = [question_totals(metric, probability, correct, attempts)[0] for probability in probabilities]
        scores[metric] = np.mean(totals, axis=0)
    return scores


def weights(scores: np.ndarray, metric: str) -> np.ndarray:
    """What each question counts in a metric: its answers or, in routing, one where it has any. Float64 (questions,)."""
    attempts = scores["attempts"]
    return np.asarray(attempts > 0 if metric == "routing_micro" else attempts, dtype=np.float64)


def mean_score(scores: np.ndarray, metric: str) -> float:
    """The metric over all questions."""
    return float(scores[metric].sum(dtype=np.float64) / weights(scores, metric).sum())


def standard_error(scores: np.ndarray, metric: str) -> float:
    """Standard error over questions of :func:`mean_score`; NaN with fewer than two questions."""
    return ratio_standard_error(scores[metric].astype(np.float64), weights(scores, metric))


def intervals_to(reference: np.ndarray, others: Sequence[np.ndarray], metric: str) -> list[tuple[float, float]]:
    """Paired 95 % intervals of `other - reference`, all on the same resampled questions.

    Args:
        reference: scores of what the others are compared with.
        others: scores on the same questions.
        metric: one of `BOOTSTRAP_METRICS`.
    """
    totals = np.stack([scores[metric].astype(np.float64) for scores in others], axis=1)
    low, high = bootstrap_intervals(
        totals, reference[metric].astype(np.float64), weights(reference, metric), confidence=CONFIDENCE
    )
    return list(zip(low.tolist(), high.tolist(), strict=True))


def write_scores(folder: Path, record: TrialRecord) -> None:
    """Keep what a record carries, a file per side, each all or nothing. Raises OSError where the disk does."""
    for side, scores in record.scores.items():
        path = _path(folder, record, side)
        path.parent.mkdir(exist_ok=True)
        with replaced_file(path) as staged, staged.open("wb") as file:
            np.save(file, scores)


def read_scores(folder: Path, record: TrialRecord, side: str = "val") -> np.ndarray | None:
    """A trial's scores on one side; None where the file is missing, damaged, or not of this trial."""
    try:
        scores = np.load(_path(folder, record, side))
    except (OSError, ValueError, EOFError):
        return None
    if scores.dtype != SCORES_DTYPE or not scores["attempts"].any():
        return None
    for metric in BOOTSTRAP_METRICS:
        known = record.metrics.get(f"{side}_{metric}")
        if known is not None and not abs(mean_score(scores, metric) - known) <= AGREEMENT:
            return None
    return scores


def delta_intervals(
    folder: Path, records: Sequence[TrialRecord], baseline: TrialRecord | None, objective: str
) -> DeltaIntervals:
    """Intervals of every record's difference to the baseline on the validation questions.

    Args:
        folder: the sweep's.
        records: the rows that are to have an interval.
        baseline: the row they are compared with; None = there is none.
        objective: validation metric compared, such as `val_log_loss`.
    """
    metric = objective.removeprefix("val_")
    if metric not in BOOTSTRAP_METRICS:
        return DeltaIntervals({}, missing=f"{objective} is not a mean over questions")
    if baseline is None or not records:
        return DeltaIntervals({}, missing="there is nothing to compare")
    reference = read_scores(folder, baseline)
    if reference is None:
        return DeltaIntervals({}, missing="the baseline's scores per question are not in the sweep's folder")
    if np.count_nonzero(reference["attempts"]) < 2:
        return DeltaIntervals({}, missing="fewer than two validation questions have a label")
    found: dict[tuple[str, int], np.ndarray] = {}
    for record in records:
        scores = read_scores(folder, record)
        if scores is not None and np.array_equal(scores["attempts"], reference["attempts"]):
            found[record.role, record.trial] = scores
    if not found:
        return DeltaIntervals({}, missing="no scores per question are in the sweep's folder")
    bounds = dict(zip(found, intervals_to(reference, list(found.values()), metric), strict=True))
    lost = len(records) - len(found)
    missing = f"missing for {lost} of {len(records)} trials, whose scores per question are lost" if lost else None
    return DeltaIntervals(bounds, int(np.count_nonzero(reference["attempts"])), missing)


def _path(folder: Path, record: TrialRecord, side: str) -> Path:
    return folder / SCORES_FOLDER / f"{record.role}-{record.trial}.{side}.npy"
