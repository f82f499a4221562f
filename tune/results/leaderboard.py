"""The leaderboard: trial records in, one flat row per record out, ranked only where ranking is honest.

A rank is given to trials that reached the full budget of their own configuration, among the trials of that budget:
different epochs are never ranked together. Pruned trials saw fewer epochs, failed and running ones have no final value:
they stand below, unranked. The baseline stands at its place in every group, without a rank: it was not searched, and
its budget is the paper's. Ranks come from validation metrics; test metrics are there for finalists only, because a
column of them invites choosing by it.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from embedllm.config import FitConfig
from embedllm.errors import ConfigError
from tune.config import OBJECTIVES
from tune.records import TrialRecord, TrialState
from tune.results.scores import DeltaIntervals

UNRANKED_ORDER = ("PRUNED", "FAIL", "RUNNING")
SEARCHED = (
    "encoder",
    "embedding_dim",
    "noise",
    "training_questions",
    "learning_rate",
    "weight_decay",
    "batch_questions",
    "epochs",
)
"""Configuration columns of most interest first; the configuration's other fields follow the results."""
INTEGERS = ("rank", "ranked_budget", "training_questions", "batch_questions", "patience", "best_epoch")
"""Columns of whole numbers that may be missing."""
DIFFERENCES = ("delta", "delta_low", "delta_high")


def leaderboard(
    records: Sequence[TrialRecord],
    objective: str = "val_log_loss",
    *,
    top: int | None = None,
    sort: str | None = None,
    states: Collection[TrialState] | None = None,
    num_train: int | None = None,
    intervals: DeltaIntervals | None = None,
    finalists: Mapping[tuple[str, int], Mapping[str, float]] | None = None,
) -> pd.DataFrame:
    """One flat row per record; the baseline once more for every further budget.

    Args:
        records: of one sweep, in any order.
        objective: validation metric that ranks; its better direction is known.
        top: of every budget keep the best so many by the objective, and the baseline; unranked rows are left out.
        sort: column to sort the ranked rows by instead of the objective: metrics, differences and ranks from best to
            worst, other columns ascending. Ranks stay those of the objective.
        states: keep only these; None keeps all.
        num_train: number of training questions there are; trials on that many are shown as the baseline is, on all.
        intervals: of the differences to the baseline.
        finalists: (role, trial) -> test metrics, of those that are judged on the test questions.

    Returns:
        Columns: `rank` (missing where unranked), `ranked_budget` (epochs of the group it stands in; missing below),
        `trial`, `role`, `state`, the configuration by `FitConfig` names (missing: all training questions; the recipe's
        batch), `seeds`, metrics each with `_sd`, `delta` (objective minus the baseline's; missing without a baseline)
        and its interval `delta_low`, `delta_high`, `best_epoch`, `budget` (epochs reached), `seconds`, `reason`.
        Groups come from the largest budget to the smallest.

    Raises:
        ConfigError: for an unknown objective, sort column or state, or `top` below 1.
    """
    _check(objective, top, states)
    finalists = finalists or {}
    sign = 1 if OBJECTIVES[objective] == "minimize" else -1
    baseline = baseline_record(records, objective)
    metrics = _metric_columns(records, objective, finalists)
    columns = _columns(metrics)
    if sort is not None:
        _check_column(sort, columns)

    def row(record: TrialRecord, rank: int | None, budget: int | None) -> dict[str, object]:
        values = _row(record, metrics, objective, baseline, intervals, finalists)
        if num_train is not None and record.config.training_questions == num_train:
            values["training_questions"] = None
        return {**values, "rank": rank, "ranked_budget": budget}

    comparable = [record for record in records if is_comparable(record, objective)]
    comparable.sort(key=lambda record: (sign * record.metrics[objective], record.role == "trial", record.trial))
    parts = []
    for budget in budgets(comparable):
        group = [record for record in comparable if record.role == "baseline" or record.config.epochs == budget]
        rank = 0
        rows = []
        for record in group:
            rank += record.role == "trial"
            rows.append(row(record, rank if record.role == "trial" else None, budget))
        parts.append(_group(rows, columns, sort, top, objective))
    if top is None:
        ranked = {id(record) for record in comparable}
        below = sorted(
            (record for record in records if id(record) not in ranked),
            key=lambda record: (_unranked_place(record), record.role == "trial", record.trial),
        )
        parts.append(pd.DataFrame([row(record, None, None) for record in below], columns=columns, dtype=object))
    frame = pd.concat(parts) if parts else pd.DataFrame(columns=columns, dtype=object)
    if states is not None:
        frame = frame[frame["state"].isin(list(states))]
    types = {name: "Int64" for name in INTEGERS} | {name: "float64" for name in (*metrics, *DIFFERENCES)}
    return frame.reset_index(drop=True).infer_objects().astype(types)


def is_comparable(record: TrialRecord, objective: str) -> bool:
    """Whether the record reached the full budget of its configuration and has a value to be ranked by.

    A fit with `patience` decides itself when it is done; any other must have run all its epochs.
    """
    value = record.metrics.get(objective)
    full = record.config.patience is not None or record.budget >= record.config.epochs
    return record.state == "COMPLETE" and full and value is not None and value == value


def baseline_record(records: Sequence[TrialRecord], objective: str) -> TrialRecord | None:
    """The complete baseline of a sweep; the best where there are several."""
    sign = 1 if OBJECTIVES[objective] == "minimize" else -1
    complete = [record for record in records if record.role == "baseline" and is_comparable(record, objective)]
    return min(complete, key=lambda record: sign * record.metrics[objective], default=None)


def _check(objective: str, top: int | None, states: Collection[TrialState] | None) -> None:
    known = ("COMPLETE", *UNRANKED_ORDER)
    problems = []
    if objective not in OBJECTIVES:
        problems.append(f"objective must be one of {', '.join(OBJECTIVES)} but is {objective!r}")
    if top is not None and top < 1:
        problems.append(f"top must be at least 1 but is {top}")
    unknown = sorted(set(states or ()) - set(known))
    if unknown:
        problems.append(f"states must be among {', '.join(known)} but hold {', '.join(unknown)}")
    if problems:
        raise ConfigError("invalid leaderboard: " + "; ".join(problems))


def budgets(comparable: Sequence[TrialRecord]) -> list[int]:
    """Epochs of the groups to rank, the largest first; the baseline's own where it is all there is."""
    trials = {record.config.epochs for record in comparable if record.role == "trial"}
    return sorted(trials or {record.config.epochs for record in comparable}, reverse=True)


def _metric_columns(
    records: Sequence[TrialRecord], objective: str, finalists: Mapping[tuple[str, int], Mapping[str, float]]
) -> list[str]:
    """The objective, every metric measured, and the finalists' test metrics, each followed by its `_sd`."""
    present = {name for record in records for name in record.metrics if not name.startswith("test_")} | {objective}
    present |= {name for metrics in finalists.values() for name in metrics}
    order = [*OBJECTIVES, *(name.replace("val_", "test_") for name in OBJECTIVES)]
    means = sorted(
        (name for name in present if not (name.endswith("_sd") and name.removesuffix("_sd") in present)),
        key=lambda name: (order.index(name) if name in order else len(order), name),
    )
    return [column for name in means for column in (name, f"{name}_sd")]


def _columns(metrics: list[str]) -> list[str]:
    further = [item.name for item in dataclasses.fields(FitConfig) if item.name not in SEARCHED]
    results = ["seeds", *metrics, *DIFFERENCES, "best_epoch", "budget", "seconds", "reason"]
    return ["rank", "trial", "role", "state", *SEARCHED, *results, "ranked_budget", *further]


def _row(
    record: TrialRecord,
    metrics: list[str],
    objective: str,
    baseline: TrialRecord | None,
    intervals: DeltaIntervals | None,
    finalists: Mapping[tuple[str, int], Mapping[str, float]],
) -> dict[str, object]:
    key = (record.role, record.trial)
    known = {name: value for name, value in record.metrics.items() if not name.startswith("test_")}
    known |= finalists.get(key, {})
    delta, low, high = None, None, None
    if baseline is not None and is_comparable(record, objective):
        delta = record.metrics[objective] - baseline.metrics[objective]
        if intervals is not None and record is not baseline:
            low, high = intervals.bounds.get(key, (None, None))
    return {
        **dataclasses.asdict(record.config),
        **{name: known.get(name) for name in metrics},
        "trial": record.trial,
        "role": record.role,
        "state": record.state,
        "seeds": record.seeds,
        "delta": delta,
        "delta_low": low,
        "delta_high": high,
        "best_epoch": record.best_epoch,
        "budget": record.budget,
        "seconds": record.seconds,
        "reason": record.reason,
    }


def _unranked_place(record: TrialRecord) -> int:
    # A COMPLETE record without a value or short of its budget goes with the pruned: it has a result that ranks nowhere.
    return UNRANKED_ORDER.index(record.state) if record.state in UNRANKED_ORDER else 0


def _group(
    rows: list[dict[str, object]], columns: list[str], sort: str | None, top: int | None, objective: str
) -> pd.DataFrame:
    """The rows of one budget in the order asked for, the best so many of them, and the baseline."""
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    if top is not None:
        frame = frame[(frame["role"] == "baseline") | (frame["rank"].notna().cumsum() <= top)]
    return frame if sort is None else sorted_by(frame, sort, objective)


def sorted_by(frame: pd.DataFrame, column: str, objective: str) -> pd.DataFrame:
    """Rows ordered by a column: metrics and differences in the objective from best to worst, others ascending, what is
    missing last.

    Raises:
        ConfigError: if there is no such column.
    """
    _check_column(column, list(frame.columns))
    metric = objective if column in DIFFERENCES else column.replace("test_", "val_")
    ascending = OBJECTIVES.get(metric, "minimize") == "minimize"
    return frame.sort_values(column, ascending=ascending, kind="stable", na_position="last")


def _check_column(column: str, known: Sequence[str]) -> None:
    if column not in known:
        raise ConfigError(f"cannot sort by {column!r}; allowed: {', '.join(known)}")
