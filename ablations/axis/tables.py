"""Tables of the design `axis`: levels, and differences to the centre tested over seeds and over questions."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ablations.cell import METRIC_COLUMNS
from ablations.config import AblationConfig
from ablations.question_intervals import Comparison, question_intervals
from ablations.results import QuestionScores, Results
from embedllm.config import FitConfig
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.evaluation.paired import holm, paired_interval
from embedllm.titles import METRIC_NAMES
from tune.labels import encoder_label

CENTRE = "centre"
COMPARED = ("log_loss", "accuracy", "routing_micro")
"""Metrics that are tested, the most informative first."""
LEVEL = 0.05


def make_tables(
    results: Results,
    data: CorrectnessMatrix,
    config: AblationConfig,
    recipe: FitConfig,
    title: str,
    axes: Sequence[str],
) -> dict[str, pd.DataFrame]:
    """All tables by name.

    `effect`: value minus centre per axis, value and metric; `level`: mean and sd of every metric per axis and value,
    the centre among them; `facts`: one row.
    """
    complete = results.complete
    test = complete[(complete["scope"] == "overall") & (complete["side"] == "test")]
    split = config.base_split(data)
    facts = {
        "centre": title,
        **{axis: getattr(recipe, axis) for axis in ("encoder", "embedding_dim", "noise", "learning_rate")},
        "models": data.num_models,
        "train_questions": len(split.train),
        "test_questions": len(split.test),
        "seeds": config.seeds,
        "simulated": bool(data.meta.get("simulated", False)),
        "failed_cells": len(results.failed),
        "failure": str(results.failed["reason"].iloc[0]) if len(results.failed) else "",
    }
    return {
        "effect": _effects(results, test, recipe, axes),
        "level": _levels(test, recipe, axes),
        "facts": pd.DataFrame([facts]),
    }


def _sides(test: pd.DataFrame, axis: str, recipe: FitConfig) -> list[tuple[Any, pd.DataFrame]]:
    """The values of an axis, ascending (encoders: as planned), each with its rows; the centre's own among them."""
    swept = test[test["axis"] == axis]
    values = list(dict.fromkeys(swept[axis]))
    values = [recipe.encoder, *values] if axis == "encoder" else sorted([*values, getattr(recipe, axis)])
    middle = test[test["axis"] == CENTRE]
    return [(value, swept[swept[axis] == value] if value != getattr(recipe, axis) else middle) for value in values]


def _effects(results: Results, test: pd.DataFrame, recipe: FitConfig, axes: Sequence[str]) -> pd.DataFrame:
    """Columns: axis, label, place (order on its axis), metric, difference, low, high, p_value, p_adjusted, seeds,
    question_low, question_high, question_p, question_p_adjusted, questions, verdict."""
    middle = test[test["axis"] == CENTRE].set_index("seed")
    scores: dict[str, QuestionScores] = {}

    def scores_of(key: str) -> QuestionScores:
        if key not in scores:
            scores[key] = results.question_scores(key)
        return scores[key]

    rows: list[dict[str, Any]] = []
    over_questions: list[Comparison] = []
    for axis in axes:
        for place, (value, found) in enumerate(_sides(test, axis, recipe)):
            if value == getattr(recipe, axis):
                continue
            swept = found.set_index("seed")
            seeds = [seed for seed in middle.index if seed in swept.index]
            if not seeds:
                continue
            for metric in COMPARED:
                interval = paired_interval(
                    swept.loc[seeds, metric].to_numpy(dtype=np.float64),
                    middle.loc[seeds, metric].to_numpy(dtype=np.float64),
                )
                first, second = ([scores_of(key) for key in frame.loc[seeds, "key"]] for frame in (swept, middle))
                over_questions.append(
                    Comparison(
                        np.stack([one.totals[metric] for one in first]),
                        np.stack([one.totals[metric] for one in second]),
                        second[0].weights[metric],
                    )
                )
                rows.append(
                    {
                        "axis": axis,
                        "label": value_label(axis, value),
                        "place": place,
                        "metric": metric,
                        "difference": interval.mean,
                        "low": interval.low,
                        "high": interval.high,
                        "p_value": interval.p_value,
                        "seeds": interval.n,
                    }
                )
    for row, joint in zip(rows, question_intervals(over_questions), strict=True):
        row["question_low"], row["question_high"] = joint.low, joint.high
        row["question_p"], row["questions"] = joint.p_value, joint.questions
    columns = ["axis", "label", "place", "metric", "difference", "low", "high", "p_value", "seeds"]
    columns += ["question_low", "question_high", "question_p", "questions"]
    frame = pd.DataFrame(rows, columns=columns)
    for source, target in (("p_value", "p_adjusted"), ("question_p", "question_p_adjusted")):
        frame[target] = np.nan
        for metric in COMPARED:
            mine = frame["metric"] == metric
            frame.loc[mine, target] = holm(frame.loc[mine, source].to_numpy(dtype=np.float64))
    frame["verdict"] = [_verdict(row) for row in frame.to_dict("records")]
    return frame


def _verdict(row: dict[Any, Any]) -> str:
    """better, worse: significant over seeds and over questions; these questions: over seeds alone; else not
    distinguishable.

    Both p-values are Holm-adjusted over all comparisons of the metric.
    """
    if row["seeds"] == 1:
        return "one seed"
    if not row["p_adjusted"] < LEVEL:  # also where all seeds differ alike, which is no measure of their variance
        return "not distinguishable"
    if not row["question_p_adjusted"] < LEVEL:  # also where there are too few questions to know
        return "these questions"
    return "better" if (row["difference"] > 0) == METRIC_NAMES[row["metric"]].higher_is_better else "worse"


def _levels(test: pd.DataFrame, recipe: FitConfig, axes: Sequence[str]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for axis in axes:
        for place, (value, found) in enumerate(_sides(test, axis, recipe)):
            row: dict[str, Any] = {
                "axis": axis,
                "label": value_label(axis, value),
                "place": place,
                "centre": value == getattr(recipe, axis),
                "seeds": len(found),
            }
            for metric in METRIC_COLUMNS:
                values = found[metric].to_numpy(dtype=np.float64)
                row[metric] = float(values.mean()) if len(values) else math.nan
                row[f"{metric}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else math.nan
            rows.append(row)
    columns = ["axis", "label", "place", "centre", "seeds"]
    columns += [name for metric in METRIC_COLUMNS for name in (metric, f"{metric}_sd")]
    return pd.DataFrame(rows, columns=columns)


def value_label(axis: str, value: Any) -> str:
    """A value as figures and sentences show it."""
    return encoder_label(value) if axis == "encoder" else f"{value:g}"
