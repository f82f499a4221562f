"""The Pareto front of a sweep with several objectives: the trials that no other trial beats in all of them.

"How many evaluations do I need?" is the front of `val_log_loss` and `training_questions`: for every number of training
questions the best that was found with so few, and nothing that another trial does as well with fewer.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pandas as pd

from tune.labels import decimals
from tune.records import TrialRecord
from tune.results.footnotes import spread_text
from tune.results.grid import metric_title
from tune.results.leaderboard import is_comparable, leaderboard, sorted_by
from tune.search.objectives import COSTS, Objective, objective_value

MOST_OF_THE_GAIN = 0.9
"""A summary names the cheapest trial of the front that has reached this share of what the front gains in all."""

COST_TITLES = {
    "training_questions": "training questions",
    "embedding_dim": "dimensions",
    "epochs": "epochs",
    "seconds": "seconds",
    "parameters": "parameters",
}

SHORT_COSTS = {"training_questions": "questions", "seconds": "s"}

BUDGETS = ("epochs", "seconds")
"""Objectives that measure what a trial's epochs cost."""


def objective_values(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> np.ndarray:
    """Values to minimise, float64 of shape (records, objectives): those to maximise are negated, missing ones NaN."""
    rows = []
    for record in records:
        values = [objective_value(record, objective.name) for objective in objectives]
        rows.append([np.nan if value is None else value for value in values])
    return np.array(rows, dtype=np.float64).reshape(len(records), len(objectives)) * [o.sign for o in objectives]


def comparable_trials(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[TrialRecord]:
    """The complete trials that ran their full budget and have a value in every objective. The baseline is none."""
    return [
        record
        for record in records
        if record.role == "trial"
        and is_comparable(record, objectives[0].name)
        and all(objective_value(record, objective.name) is not None for objective in objectives)
    ]


def pareto_front(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[TrialRecord]:
    """The trials that are not dominated: no other is at least as good in every objective and better in one.

    Trials of equal values are all in it. Trials of different full budgets are not compared, unless what epochs cost is
    an objective (see :func:`compares_budgets`): each budget has a front of its own, and the result holds them all.

    Args:
        records: of one sweep, in any order; pruned, failed and running trials and the baseline are passed over.
        objectives: at least one.

    Returns:
        The best in the first objective first, ties by the next objective, then by trial number.
    """
    trials = comparable_trials(records, objectives)
    budget_counts = compares_budgets(objectives)
    trials.sort(key=lambda record: 0 if budget_counts else record.config.epochs)
    found = []
    for _, group in groupby(trials, key=lambda record: 0 if budget_counts else record.config.epochs):
        members = list(group)
        values = objective_values(members, objectives)
        kept = non_dominated(values)
        found += [(tuple(values[place]), members[place].trial, members[place]) for place in np.flatnonzero(kept)]
    return [record for _, _, record in sorted(found, key=lambda item: item[:2])]


def compares_budgets(objectives: Sequence[Objective]) -> bool:
    """Whether trials of different epochs compete on one front: where what more epochs cost is itself an objective."""
    return any(objective.name in BUDGETS for objective in objectives)


def non_dominated(values: np.ndarray) -> np.ndarray:
    """Which rows no other row dominates: bool of shape (points,).

    Args:
        values: float of shape (points, objectives), all to be minimised, without NaN.
    """
    if not len(values):
        return np.zeros(0, dtype=bool)
    # In lexicographic order a dominating row comes before those it dominates, and one of the front dominates each.
    distinct, place = np.unique(values, axis=0, return_inverse=True)
    front = np.empty_like(distinct)
    size = 0
    kept = np.zeros(len(distinct), dtype=bool)
    for index, row in enumerate(distinct):
        if not (front[:size] <= row).all(axis=1).any():
            front[size] = row
            size += 1
            kept[index] = True
    return kept[place.reshape(-1)]


def front_frame(
    records: Sequence[TrialRecord],
    objectives: Sequence[Objective],
    *,
    frame: pd.DataFrame | None = None,
    top: int | None = None,
    sort: str | None = None,
) -> pd.DataFrame:
    """One flat row per record: the front from its best in the first objective on, then everything else.

    Args:
        records: of one sweep.
        objectives: at least one; `delta` is the first one's.
        frame: their leaderboard, made by :func:`tune.results.leaderboard.leaderboard` with any option but `top`; None
            makes it.
        top: keep the first so many trials, and the baseline.
        sort: column to order the front by, and what lies below it, as :func:`tune.results.leaderboard.sorted_by` does.

    Returns:
        The leaderboard's columns with `front` (bool) in the place of ranks, which several objectives do not give, every
        objective's value among them; the baseline, once, is the first row below the front, if nothing else is asked.

    Raises:
        ConfigError: if there is no column `sort`.
    """
    if frame is None:
        frame = leaderboard(records, objectives[0].name)
    frame = frame.drop(columns=["rank", "ranked_budget"]).drop_duplicates(["role", "trial"])
    places = {("trial", record.trial): place for place, record in enumerate(pareto_front(records, objectives))}
    keys = list(zip(frame["role"], frame["trial"], strict=True))
    known = {(record.role, record.trial): record for record in records}
    for objective in objectives:
        if objective.name in COSTS:
            values = [objective_value(known[key], objective.name) for key in keys]
            frame[objective.name] = pd.array(values, dtype="Float64" if objective.name == "seconds" else "Int64")
    frame.insert(0, "front", [key in places for key in keys])
    below = [len(places) + (key[0] == "trial") for key in keys]
    order = np.argsort([places.get(key, last) for key, last in zip(keys, below, strict=True)], kind="stable")
    frame = frame.iloc[order].reset_index(drop=True)
    if top is not None:
        is_trial = frame["role"] == "trial"
        frame = frame[~is_trial | (is_trial.cumsum() <= top)].reset_index(drop=True)
    if sort is not None:
        frame = (
            sorted_by(frame, sort, objectives[0].name)
            .sort_values("front", ascending=False, kind="stable")
            .reset_index(drop=True)
        )
    return frame


def front_sentences(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[str]:
    """What the front says, in plain words: how large it is and, of two objectives, how little gets most of the gain.

    Args:
        records: of one sweep.
        objectives: the first decides the winner. The trade-offs between three or more are left to table and figure.
    """
    front = pareto_front(records, objectives)
    names = [_title(objective.name) for objective in objectives]
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    if not front:
        return [f"No Pareto front of {listed} yet: no trial is complete."]
    compared = len(comparable_trials(records, objectives))
    lines = []
    mixed = len({record.config.epochs for record in front}) > 1 and not compares_budgets(objectives)
    if len(objectives) == 2 and len(front) > 1 and not mixed:
        lines.append(_trade_off(front, objectives))
    lines.append(
        f"Pareto front of {listed} on validation questions: {len(front)} of {compared} complete "
        f"{'trials' if compared > 1 else 'trial'}; no other trial {'of as many epochs ' if mixed else ''}"
        f"is at least as good as one of them in "
        f"{'both' if len(names) == 2 else 'all'} and better in one. {spread_text(records).capitalize()}."
    )
    if mixed:
        lines.append("Trials with different numbers of epochs are not compared: each number has a front of its own.")
    return lines


def _trade_off(front: Sequence[TrialRecord], objectives: Sequence[Objective]) -> str:
    """Where along a front of two objectives most of the gain in the first is reached."""
    goal, cost = objectives
    best, cheapest = front[0], front[-1]
    values = objective_values(front, objectives)[:, 0]
    gain = values[-1] - values[0]
    limit = values[0] + (1 - MOST_OF_THE_GAIN) * gain
    enough = [record for record, value in zip(front, values, strict=True) if value <= limit][-1]
    if enough is best:
        return (
            f"The best {_title(goal.name)}, {_shown(best, goal.name)}, takes {amount_text(best, cost.name)}; "
            f"{amount_text(cheapest, cost.name)} reach {_shown(cheapest, goal.name)}."
        )
    distance = abs((objective_value(enough, goal.name) or 0) - (objective_value(best, goal.name) or 0))
    sentence = (
        f"{amount_text(enough, cost.name)} reach {_title(goal.name)} {_shown(enough, goal.name)}, "
        f"within {distance:.4f} of the best ({_shown(best, goal.name)} at {_shown(best, cost.name)})"
    )
    if enough is cheapest:
        return f"{sentence}."
    return f"{sentence}; {_shown(cheapest, cost.name)} reach {_shown(cheapest, goal.name)}."


def amount_text(record: TrialRecord, name: str) -> str:
    """`600 training questions`, or `val accuracy 0.71` for a metric."""
    shown = _shown(record, name)
    return f"{shown} {COST_TITLES[name]}" if name in COST_TITLES else f"{_title(name)} {shown}"


def short_amount(record: TrialRecord, name: str) -> str:
    """A cost where there is little room: `0.218 s`, `600 questions`."""
    return f"{_shown(record, name)} {SHORT_COSTS.get(name, COST_TITLES[name])}"


def _shown(record: TrialRecord, name: str) -> str:
    value = objective_value(record, name)
    assert value is not None
    if name == "seconds":
        return f"{value:,.{decimals([value], 3, least=0)}f}"
    return f"{value:,.0f}" if name in COSTS else f"{value:.4f}"


def _title(name: str) -> str:
    return COST_TITLES.get(name) or metric_title(name)
