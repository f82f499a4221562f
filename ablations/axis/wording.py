"""What the tables of `axis` say, safe for many comparisons: nothing is called better within noise."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ablations.axis.tables import COMPARED
from ablations.axis.values import TITLES
from ablations.question_intervals import MINIMUM_QUESTIONS
from embedllm.titles import METRIC_NAMES


def findings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """One per axis: a claim by the most informative metric, then the numbers of all metrics."""
    effect, facts = tables["effect"], tables["facts"].iloc[0]
    told = []
    for axis in dict.fromkeys(effect["axis"]):
        of_axis = effect[effect["axis"] == axis]
        rows = {metric: of_axis[of_axis["metric"] == metric] for metric in COMPARED}
        shown = [f"{METRIC_NAMES[metric].title}: {_about(of_metric, metric)}." for metric, of_metric in rows.items()]
        told.append(f"**{_claim(rows[COMPARED[0]], axis, facts)}** {' '.join(map(_capital, shown))}")
    return told


def caveats(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What a reader must not conclude."""
    effect, facts = tables["effect"], tables["facts"].iloc[0]
    told = _about_comparisons(effect) if len(effect) else []
    if facts["embedding_dim"] >= facts["models"]:
        told.append(
            f"The centre's dimension, {facts['embedding_dim']}, is not below the {facts['models']} models: it is "
            "not a low-rank factorisation but one logistic regression per model, sharing an optimiser."
        )
    if facts["simulated"]:
        told.append("The data is simulated: what helps there need not help on real LLMs.")
    if facts["failed_cells"]:
        told.append(f"{facts['failed_cells']} cells failed and are missing: {facts['failure']}.")
    return told


def _about_comparisons(effect: pd.DataFrame) -> list[str]:
    """What the comparisons support."""
    seeds, questions = int(effect["seeds"].max()), int(effect["questions"].max())
    return [
        f"In brackets after each difference: a 95 % bootstrap interval over the {questions:,} test questions and "
        f"{seeds} seeds together, or where there are fewer than {MINIMUM_QUESTIONS} questions a t interval over the "
        "seeds; the tables have both.",
        f"{len(effect) // len(COMPARED)} values are compared with the centre on each metric. p-values are "
        'Holm-adjusted over all of them, so the chance of any false "better" or "worse" on a metric is below 5 %; '
        "intervals are not adjusted, and may exclude 0 where nothing is claimed.",
        '"Better" and "worse" must hold over seeds (paired t) and over test questions (bootstrap of questions and '
        "seeds together). A difference that is significant over seeds only may be specific to these test questions.",
        "Finding no difference does not show that there is none: the intervals show how large one could still be.",
        "Varying one hyperparameter at a time around one centre says nothing about varying two together. Picking the "
        "best value here would be selection on test questions; search on validation questions instead, with `python -m "
        "tune run`.",
    ]


def _claim(rows: pd.DataFrame, axis: str, facts: "pd.Series[Any]") -> str:
    """What holds for the most informative metric, without numbers."""
    own = facts[axis] if axis == "encoder" else f"{facts[axis]:g}"
    metric = rows["metric"].iloc[0]
    if (rows["verdict"] == "one seed").all():
        return f"{_capital(TITLES[axis])}: with one seed no difference can be distinguished from chance."
    parts = []
    for verdict in ("better", "worse"):
        labels = rows[rows["verdict"] == verdict]["label"]
        if len(labels):
            parts.append(f"{', '.join(labels)} {_is(labels)} {verdict} than {own}")
    rest = rows[~rows["verdict"].isin(["better", "worse"])]["label"]
    if len(rest) == len(rows) > 1:
        parts.append(f"none of {', '.join(rest)} is distinguishable from {own}")
    elif len(rest):
        parts.append(f"{', '.join(rest)} {_is(rest)} not distinguishable from {'it' if parts else own}")
    sign = 1 if METRIC_NAMES[metric].higher_is_better else -1
    if (sign * rows["difference"]).max() <= 0:
        parts.append("no value has a better mean")
    return f"{_capital(TITLES[axis])}, by {METRIC_NAMES[metric].title}: {'; '.join(parts)}."


def _about(rows: pd.DataFrame, metric: str) -> str:
    """The numbers behind the verdicts on one metric; of values not distinguishable only the largest difference."""
    parts = [
        f"{row['label']} {row['verdict']} ({_numbers(row, metric)})"
        for row in rows[rows["verdict"].isin(["better", "worse"])].to_dict("records")
    ]
    for verdict, said in (
        ("these questions", "significant over seeds, perhaps on these questions only"),
        ("not distinguishable", "not distinguishable"),
        ("one seed", "not tested"),
    ):
        alike = rows[rows["verdict"] == verdict]
        if len(alike):
            largest = max(alike.to_dict("records"), key=lambda row: abs(row["difference"]))
            name = f"largest at {largest['label']}: " if len(alike) > 1 else ""
            which = "all" if len(alike) == len(rows) > 1 else ", ".join(alike["label"])
            parts.append(f"{which} {said} ({name}{_numbers(largest, metric)})")
    return "; ".join(parts)


def _numbers(row: Mapping[Any, Any], metric: str) -> str:
    """Difference and interval: over questions and seeds where there is one, else over seeds."""
    scale, unit = METRIC_NAMES[metric].scale, METRIC_NAMES[metric].told_unit
    digits = 4 if scale == 1 else 2
    over = "low" if math.isnan(row["question_low"]) else "question_low"
    low, high = row[over], row[over.replace("low", "high")]
    text = f"{scale * row['difference']:+.{digits}f}{unit}"
    return text if math.isnan(low) else f"{text} [{scale * low:+.{digits}f}, {scale * high:+.{digits}f}]"


def _is(labels: "pd.Series[str]") -> str:
    return "is" if len(labels) == 1 else "are"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
