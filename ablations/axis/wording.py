"""What the tables of `axis` say, safe for many comparisons: nothing is called better inside the noise."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ablations.axis.tables import COMPARED, HIGHER_IS_BETTER
from ablations.axis.values import TITLES

NAMES = {"log_loss": "log-loss", "accuracy": "accuracy", "routing_micro": "routing accuracy"}
SCALES = {"log_loss": (1, "", 4), "accuracy": (100, " points", 2), "routing_micro": (100, " points", 2)}


def findings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """One per axis and metric; what is not told apart is named as such."""
    effect, facts = tables["effect"], tables["facts"].iloc[0]
    told = []
    for axis in dict.fromkeys(effect["axis"]):
        for metric in COMPARED:
            rows = effect[(effect["axis"] == axis) & (effect["metric"] == metric)]
            if len(rows):
                told.append(_about(rows, axis, metric, facts))
    return told


def caveats(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What a reader must not conclude."""
    effect, facts = tables["effect"], tables["facts"].iloc[0]
    comparisons = len(effect) // len(COMPARED)
    told = [
        f"{comparisons} values are compared with the centre on each metric. p-values are Holm-adjusted over all of "
        'them, so the chance of any false "better" or "worse" on a metric is below 5 %; intervals are not adjusted.',
        '"Better" and "worse" must hold over seeds (paired t) and over test questions (bootstrap of questions and '
        "seeds together). A difference that only the seeds agree on is one of these test questions.",
        "No difference found is not the same as no difference: the intervals say how large one could still be.",
        "One hyperparameter at a time around one centre says nothing about changing two together. The best value here "
        "would be chosen on test questions: to choose one, search on validation questions with `tune run`.",
    ]
    if facts["embedding_dim"] >= facts["models"]:
        told.append(
            f"The centre's dimension, {facts['embedding_dim']}, is not below the {facts['models']} models: it is no "
            "low-rank factorisation but as many logistic regressions as models, sharing an optimiser."
        )
    if facts["simulated"]:
        told.append("The data is simulated: what helps there need not help on real LLMs.")
    if facts["failed_cells"]:
        told.append(f"{facts['failed_cells']} cells failed and are missing: {facts['failure']}.")
    return told


def _about(rows: pd.DataFrame, axis: str, metric: str, facts: "pd.Series[Any]") -> str:
    own = facts[axis] if axis == "encoder" else f"{facts[axis]:g}"
    parts = []
    for row in rows[rows["verdict"].isin(["better", "worse"])].to_dict("records"):
        parts.append(f"{row['label']} is {row['verdict']} ({_numbers(row, metric)})")
    for verdict, one, many in (
        ("these questions", "differs beyond the luck of seeds", "differ beyond the luck of seeds"),
        ("not told apart", "cannot be told apart from it", "cannot be told apart from it"),
    ):
        alike = rows[rows["verdict"] == verdict]
        if alike.empty:
            continue
        largest = max(alike.to_dict("records"), key=lambda row: abs(row["difference"]))
        text = f"{', '.join(alike['label'])} {one if len(alike) == 1 else many}"
        if verdict == "these questions":
            text += f" on these {facts['test_questions']:,} test questions, but perhaps not on others"
        if len(alike) > 1:
            text += f", the largest difference being that of {largest['label']}"
        parts.append(f"{text} ({_numbers(largest, metric)})")
    single = rows[rows["verdict"] == "one seed"]
    if len(single):
        parts.append(f"{', '.join(single['label'])} ran with one seed, too few to tell a difference from luck")
    sign = 1 if HIGHER_IS_BETTER[metric] else -1
    if (sign * rows["difference"]).max() <= 0:
        parts.append("no value has a better mean than the centre")
    return f"{TITLES[axis].capitalize()}, {NAMES[metric]}, against {own}: " + "; ".join(parts) + "."


def _numbers(row: Mapping[Any, Any], metric: str) -> str:
    scale, unit, digits = SCALES[metric]

    def shown(name: str) -> str:
        return f"{scale * row[name]:+.{digits}f}"

    text = f"{shown('difference')}{unit}, 95 % t interval over {row['seeds']} seeds {shown('low')} to {shown('high')}"
    if not math.isnan(row["question_low"]):
        text += (
            f", over {row['questions']:,} questions and the seeds {shown('question_low')} to {shown('question_high')}"
        )
    p_value = row["p_adjusted"]
    return f"{text}, adjusted p {'< 0.001' if p_value < 0.001 else f'= {p_value:.3f}'}"
