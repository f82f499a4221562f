"""The leaderboard: trial records in, one flat row per record out, ranked only where ranking is honest.

A rank is given to trials that reached the full budget of their own configuration. Pruned trials saw fewer epochs,
failed and running ones have no final value: they stand below, unranked. The baseline stands at its place, without a
rank: it was not searched. Values are validation metrics; test metrics are no column here, because a table of them
invites choosing by them.
"""

import dataclasses
from collections import Counter
from collections.abc import Collection, Sequence

import pandas as pd

from embedllm.config import FitConfig
from embedllm.errors import ConfigError
from tune.config import OBJECTIVES
from tune.labels import encoder_label
from tune.records import TrialRecord, TrialState

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
INTEGERS = ("rank", "training_questions", "batch_questions", "patience", "best_epoch")
"""Columns of whole numbers that may be missing."""


def leaderboard(
    records: Sequence[TrialRecord],
    objective: str = "val_log_loss",
    *,
    top: int | None = None,
    sort: str | None = None,
    states: Collection[TrialState] | None = None,
) -> pd.DataFrame:
    """One flat row per record.

    Args:
        records: of one sweep, in any order.
        objective: validation metric that ranks; its better direction is known.
        top: keep the best so many ranked rows, and the baseline; unranked rows are left out.
        sort: column to sort the ranked rows by instead of the objective: metrics and ranks from best to worst, other
            columns ascending. Ranks stay those of the objective.
        states: keep only these; None keeps all.

    Returns:
        Columns: `rank` (missing where unranked), `trial`, `role`, `state`, the configuration by `FitConfig` names
        (missing: all training questions; the recipe's batch), `seeds`, metrics each with `_sd`, `delta` (objective
        minus the baseline's; missing without a baseline), `best_epoch`, `budget` (epochs reached), `seconds`, `reason`.

    Raises:
        ConfigError: for an unknown objective, sort column or state, or `top` below 1.
    """
    _check(objective, top, states)
    sign = 1 if OBJECTIVES[objective] == "minimize" else -1
    baseline = baseline_record(records, objective)
    ranked = [record for record in records if is_comparable(record, objective)]
    ranked.sort(key=lambda record: (sign * record.metrics[objective], record.role == "trial", record.trial))
    ranked_ids = {id(record) for record in ranked}
    unranked = sorted(
        (record for record in records if id(record) not in ranked_ids),
        key=lambda record: (_unranked_place(record), record.role == "trial", record.trial),
    )
    metrics = _metric_columns(records, objective)
    rank = 0
    rows = []
    for record in (*ranked, *unranked):
        is_ranked = id(record) in ranked_ids and record.role == "trial"
        rank += is_ranked
        rows.append(_row(record, rank if is_ranked else None, metrics, objective, baseline))
    frame = pd.DataFrame(rows, columns=_columns(metrics))
    frame = frame.astype({name: "Int64" for name in INTEGERS} | {name: "float64" for name in (*metrics, "delta")})
    if sort is not None:
        frame = _sorted(frame, sort, len(ranked))
    if states is not None:
        frame = frame[frame["state"].isin(list(states))]
    if top is not None:
        comparable = frame["rank"].notna() | ((frame["role"] == "baseline") & (frame["state"] == "COMPLETE"))
        best = frame["rank"].notna().cumsum() <= top
        frame = frame[comparable & (best | (frame["role"] == "baseline"))]
    return frame.reset_index(drop=True)


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


def footnotes(records: Sequence[TrialRecord], objective: str) -> list[str]:
    """Sentences to stand below the table: what ranks, what is averaged, the baseline, what is missing and why.

    Args:
        records: all of the sweep, also those a filter has removed from the table.
        objective: the metric that ranks.
    """
    better = "lower" if OBJECTIVES[objective] == "minimize" else "higher"
    seeds = sorted({record.seeds for record in records if record.state == "COMPLETE"})
    if seeds == [1]:
        spread = "one seed, hence no sd"
    elif seeds:
        spread = f"mean ± sd over {' or '.join(map(str, seeds))} seeds"
    else:
        spread = "no trial is complete yet"
    lines = [f"Ranked by {objective} on validation questions, {better} is better; {spread}."]
    baseline = baseline_record(records, objective)
    if baseline is None:
        reasons = [record.reason for record in records if record.role == "baseline" and record.state == "FAIL"]
        why = f"failed ({_shortened(reasons[-1])})" if reasons else "has not finished"
        lines.append(f"No differences to the baseline: the paper's recipe {why}.")
    else:
        config = baseline.config
        lines.append(
            f"Δ: difference to the baseline, the paper's recipe on the same data ({encoder_label(config.encoder)}, "
            f"dim {config.embedding_dim}, α {config.noise:g}, {config.epochs} epochs)."
        )
    lines.append(_state_sentence(records))
    return lines


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


def _metric_columns(records: Sequence[TrialRecord], objective: str) -> list[str]:
    """The objective and every metric measured but those on test questions, each followed by its `_sd`."""
    present = {name for record in records for name in record.metrics if not name.startswith("test_")} | {objective}
    means = sorted(
        (name for name in present if not (name.endswith("_sd") and name.removesuffix("_sd") in present)),
        key=lambda name: (list(OBJECTIVES).index(name) if name in OBJECTIVES else len(OBJECTIVES), name),
    )
    return [column for name in means for column in (name, f"{name}_sd")]


def _columns(metrics: list[str]) -> list[str]:
    further = [item.name for item in dataclasses.fields(FitConfig) if item.name not in SEARCHED]
    results = ["seeds", *metrics, "delta", "best_epoch", "budget", "seconds", "reason"]
    return ["rank", "trial", "role", "state", *SEARCHED, *results, *further]


def _row(
    record: TrialRecord, rank: int | None, metrics: list[str], objective: str, baseline: TrialRecord | None
) -> dict[str, object]:
    delta = None
    if baseline is not None and is_comparable(record, objective):
        delta = record.metrics[objective] - baseline.metrics[objective]
    return {
        **dataclasses.asdict(record.config),
        **{name: record.metrics.get(name) for name in metrics},
        "rank": rank,
        "trial": record.trial,
        "role": record.role,
        "state": record.state,
        "seeds": record.seeds,
        "delta": delta,
        "best_epoch": record.best_epoch,
        "budget": record.budget,
        "seconds": record.seconds,
        "reason": record.reason,
    }


def _unranked_place(record: TrialRecord) -> int:
    # A COMPLETE record without a value or short of its budget goes with the pruned: it has a result that ranks nowhere.
    return UNRANKED_ORDER.index(record.state) if record.state in UNRANKED_ORDER else 0


def _sorted(frame: pd.DataFrame, column: str, num_ranked: int) -> pd.DataFrame:
    if column not in frame.columns:
        raise ConfigError(f"cannot sort by {column!r}; allowed: {', '.join(frame.columns)}")
    ascending = OBJECTIVES.get(column, "minimize") == "minimize"
    ranked = frame.iloc[:num_ranked].sort_values(column, ascending=ascending, kind="stable", na_position="last")
    return pd.concat([ranked, frame.iloc[num_ranked:]])


def _state_sentence(records: Sequence[TrialRecord]) -> str:
    counts = Counter(record.state for record in records if record.role == "trial")
    parts = [f"{counts['COMPLETE']} complete"]
    if counts["PRUNED"]:
        parts.append(f"{counts['PRUNED']} pruned (fewer epochs, not ranked)")
    if counts["RUNNING"]:
        parts.append(f"{counts['RUNNING']} running")
    failed = f"{counts['FAIL']} failed"
    if counts["FAIL"]:
        reasons = Counter(_shortened(r.reason) for r in records if r.state == "FAIL" and r.role == "trial")
        failed += f" ({'; '.join(f'{count} × {reason}' for reason, count in reasons.most_common())})"
    return "Trials: " + ", ".join([*parts, failed]) + "."


def _shortened(reason: str | None) -> str:
    """The first line of a reason, at most 100 characters of it."""
    lines = (reason or "").strip().splitlines() or ["no reason given"]
    return lines[0] if len(lines[0]) <= 100 else lines[0][:99] + "…"
