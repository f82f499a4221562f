"""Tables of the design `training-size`: curves, differences to EmbedLLM, scaling laws, and what the paper found."""

import math
from typing import Any

import numpy as np
import pandas as pd

from ablations.cell import METRIC_COLUMNS
from ablations.config import AblationConfig
from ablations.question_intervals import Comparison, question_intervals
from ablations.results import Results
from ablations.training_size.sizes import PAPER_ACCURACY, PAPER_FULL, PAPER_MODELS, PAPER_REACH, PAPER_SIZES
from embedllm.data.benchmarks import BENCHMARK_SIZES
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.errors import DataError
from embedllm.evaluation.paired import holm, paired_interval, t_interval
from embedllm.evaluation.scaling_law import ScalingLaw, fit_scaling_law

COMPARED = ("accuracy", "log_loss")
"""Metrics that differences are tested and laws are fitted on."""
MARGIN = 0.005
"""Half a point of accuracy: "as good as the full set"."""
BEYOND = 2.0
"""Laws are drawn up to so many times the full set."""

SUBJECT = "embedllm"


def make_tables(
    results: Results, data: CorrectnessMatrix, config: AblationConfig, *, tuned: bool
) -> dict[str, pd.DataFrame]:
    """All tables by name.

    `curve`: mean and 95 % t interval over seeds, per method, size and metric; `per_seed`; `difference`: EmbedLLM minus
    another method, paired by seed; `full_set`: the same at the full set, over questions and seeds; `law`, `law_curve`;
    `paper`: its Table 1, where the data is EmbedLLM's; `chosen`: EmbedLLM's configuration per size; `facts`: one row.
    """
    overall = results.complete[results.complete["scope"] == "overall"]
    chosen = _chosen(overall)
    kept = overall.merge(chosen[["method", "training_questions", "candidate"]])
    test = kept[kept["side"] == "test"].sort_values(["method", "training_questions", "seed"])
    columns = ["method", "training_questions", "seed", *METRIC_COLUMNS]
    per_seed = test[columns].reset_index(drop=True)
    law, law_curve = _laws(per_seed)
    split = config.base_split(data)
    truth = data.meta.get("truth") or {}
    recipe = config.recipe()
    facts = {
        "models": data.num_models,
        "benchmarks": len(set(data.benchmarks)),
        "train_questions": len(split.train),
        "val_questions": len(split.val),
        "test_questions": len(split.test),
        "seeds": config.seeds,
        "preset": config.preset,
        "encoder": config.encoder,
        "embedding_dim": recipe.embedding_dim,
        "tuned": tuned,
        "candidates": int(overall["candidate"].max()) + 1 if tuned and len(overall) else 1,
        "simulated": bool(data.meta.get("simulated", False)),
        "bayes_accuracy": float(truth.get("accuracy", math.nan)),
        "bayes_log_loss": float(truth.get("log_loss", math.nan)),
        "failed_cells": len(results.failed),
    }
    return {
        "curve": _curve(per_seed),
        "per_seed": per_seed,
        "difference": _differences(per_seed),
        "full_set": _full_set(results, test),
        "law": law,
        "law_curve": law_curve,
        "paper": _paper(data, len(split.train)),
        "chosen": chosen,
        "facts": pd.DataFrame([facts]),
    }


def _chosen(overall: pd.DataFrame) -> pd.DataFrame:
    """Per method and size the candidate of the lowest mean validation log-loss, among those with most finished seeds.

    Columns: method, training_questions, candidate, embedding_dim, learning_rate, weight_decay, noise, val_log_loss,
    tried.
    """
    val = overall[overall["side"] == "val"]
    by = ["method", "training_questions", "candidate"]
    means = val.groupby(by, as_index=False).agg(
        seeds=("seed", "nunique"),
        val_log_loss=("log_loss", "mean"),
        embedding_dim=("embedding_dim", "first"),
        learning_rate=("learning_rate", "first"),
        weight_decay=("weight_decay", "first"),
        noise=("noise", "first"),
    )
    means["tried"] = means.groupby(by[:2])["candidate"].transform("nunique")
    best = means.sort_values([*by[:2], "seeds", "val_log_loss"], ascending=[True, True, False, True])
    columns = [*by, "embedding_dim", "learning_rate", "weight_decay", "noise", "val_log_loss", "tried"]
    return best.drop_duplicates(by[:2])[columns].reset_index(drop=True)


def _curve(per_seed: pd.DataFrame) -> pd.DataFrame:
    """Columns: method, training_questions, metric, mean, low, high, sd, seeds."""
    rows = []
    for _, group in per_seed.groupby(["method", "training_questions"]):
        method, size = group["method"].iloc[0], group["training_questions"].iloc[0]
        for metric in METRIC_COLUMNS:
            values = group[metric].dropna().to_numpy(dtype=np.float64)
            if not len(values):
                continue
            interval = t_interval(values)
            rows.append(
                {
                    "method": method,
                    "training_questions": int(size),
                    "metric": metric,
                    "mean": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "sd": float(values.std(ddof=1)) if len(values) > 1 else math.nan,
                    "seeds": len(values),
                }
            )
    return pd.DataFrame(rows, columns=["method", "training_questions", "metric", "mean", "low", "high", "sd", "seeds"])


def _differences(per_seed: pd.DataFrame) -> pd.DataFrame:
    """EmbedLLM minus each other method, paired by seed; Holm over all sizes and methods of a metric."""
    rows: list[dict[str, Any]] = []
    for metric in COMPARED:
        wide = per_seed.pivot(index="seed", columns=["method", "training_questions"], values=metric)
        for method, size in wide.columns.to_frame().itertuples(index=False):
            if method == SUBJECT or (SUBJECT, size) not in wide.columns:
                continue
            pairs = wide[[(SUBJECT, size), (method, size)]].dropna().to_numpy()
            if not len(pairs):
                continue
            interval = paired_interval(pairs[:, 0], pairs[:, 1])
            rows.append(
                {
                    "metric": metric,
                    "versus": method,
                    "training_questions": int(size),
                    "difference": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "p_value": interval.p_value,
                    "seeds": interval.n,
                }
            )
    columns = ["metric", "versus", "training_questions", "difference", "low", "high", "p_value", "seeds"]
    frame = _adjusted(pd.DataFrame(rows, columns=columns))
    return frame.sort_values(["metric", "versus", "training_questions"]).reset_index(drop=True)


def _full_set(results: Results, test: pd.DataFrame) -> pd.DataFrame:
    """EmbedLLM minus each other method with all training questions: interval over test questions and seeds."""
    columns = ["metric", "versus", "difference", "low", "high", "p_value", "questions", "seeds"]
    full = test[test["training_questions"] == test["training_questions"].max()]
    keys = {str(method): group.set_index("seed")["key"] for method, group in full.groupby("method")}
    asked: dict[tuple[str, str], Comparison] = {}
    if SUBJECT in keys:
        scores = {method: [results.question_scores(key) for key in found] for method, found in keys.items()}
        for method in (name for name in keys if name != SUBJECT):
            shared = [seed for seed in keys[SUBJECT].index if seed in keys[method].index]
            if not shared:
                continue
            for metric in COMPARED:
                first, second = (
                    np.stack([scores[name][keys[name].index.get_loc(seed)].totals[metric] for seed in shared])
                    for name in (SUBJECT, method)
                )
                asked[metric, method] = Comparison(first, second, scores[method][0].weights[metric])
    rows = [
        (metric, method, one.difference, one.low, one.high, one.p_value, one.questions, one.seeds)
        for (metric, method), one in zip(asked, question_intervals(list(asked.values())), strict=True)
    ]
    return _adjusted(pd.DataFrame(rows, columns=columns))


def _adjusted(frame: pd.DataFrame) -> pd.DataFrame:
    """With `p_adjusted`: Holm over all comparisons of a metric."""
    frame["p_adjusted"] = np.nan
    for metric in COMPARED:
        mine = frame["metric"] == metric
        frame.loc[mine, "p_adjusted"] = holm(frame.loc[mine, "p_value"].to_numpy(dtype=np.float64))
    return frame


def _laws(per_seed: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scaling laws of error rate and log-loss per method, or why there is none; and their curves."""
    rows, curves = [], []
    for method, group in per_seed.groupby("method"):
        for metric in COMPARED:
            wide = group.pivot(index="seed", columns="training_questions", values=metric).dropna()
            losses = 1 - wide.to_numpy() if metric == "accuracy" else wide.to_numpy()
            sizes = wide.columns.to_numpy(dtype=np.float64)
            row: dict[str, Any] = {"method": method, "metric": metric, "seeds": len(wide)}
            if metric == "accuracy":
                row |= {"margin": MARGIN, "full_set": sizes[-1], **_measured_within(sizes, losses)}
            law, reason = _fitted(sizes, losses)
            if law is None:
                rows.append(row | {"reason": reason})
                continue
            row |= {name: getattr(law, name) for name in "abc"} | {"residual": law.residual, "reason": ""}
            for name in "bc":
                row[f"{name}_low"], row[f"{name}_high"] = law.interval(name)
            if metric == "accuracy":
                row["within"], row["within_low"], row["within_high"] = law.questions_within(MARGIN)
            rows.append(row)
            curves.append(_curve_of(law, str(method), metric))
    columns = ["method", "metric", "seeds", "reason", "a", "b", "b_low", "b_high", "c", "c_low", "c_high", "residual"]
    columns += ["margin", "within", "within_low", "within_high", "full_set", "measured_below", "measured_within"]
    columns += [f"{name}_gap{end}" for name in ("below", "within") for end in ("", "_low", "_high")]
    curve_columns = ["method", "metric", "training_questions", "loss", "low", "high", "extrapolated"]
    frame = pd.DataFrame(rows, columns=columns).astype({name: "float64" for name in columns[4:]})
    return frame, pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=curve_columns)


def _fitted(sizes: np.ndarray, losses: np.ndarray) -> tuple[ScalingLaw | None, str]:
    if not len(losses):
        return None, "no seed has finished at every size"
    if len(losses) < 2:
        return None, "with one seed the noise is unknown"
    fall = paired_interval(losses[:, 0], losses[:, -1])
    if fall.mean <= 0 or fall.low <= 0:
        return None, "from the smallest to the full set, the loss does not fall by more than the noise of the seeds"
    try:
        law = fit_scaling_law(sizes, losses)
    except DataError as error:
        return None, error.problems[0]
    if not law.exponent_found:
        return None, "these sizes do not determine the exponent of a power law"
    return law, ""


def _measured_within(sizes: np.ndarray, losses: np.ndarray) -> dict[str, float]:
    """The smallest size from which on all means are within the margin of the full set's, the one before, both gaps."""
    if not len(losses):
        return {}
    within = losses.mean(axis=0) - losses[:, -1].mean() <= MARGIN
    start = len(within) - int(np.argmin(within[::-1])) if not within.all() else 0
    found = {"measured_within": float(sizes[start])} | _gap("within", losses, start)
    if start:
        found |= {"measured_below": float(sizes[start - 1])} | _gap("below", losses, start - 1)
    return found


def _gap(name: str, losses: np.ndarray, place: int) -> dict[str, float]:
    """How much higher the loss is at one size than with the full set, with its interval, paired by seed."""
    gap = paired_interval(losses[:, place], losses[:, -1])
    return {f"{name}_gap": gap.mean, f"{name}_gap_low": gap.low, f"{name}_gap_high": gap.high}


def _curve_of(law: ScalingLaw, method: str, metric: str) -> pd.DataFrame:
    grid = np.unique(np.append(np.geomspace(law.sizes[0], BEYOND * law.sizes[-1], 80), law.sizes[-1]))
    low, high = law.band(grid)
    return pd.DataFrame(
        {
            "method": method,
            "metric": metric,
            "training_questions": grid,
            "loss": law.predict(grid),
            "low": low,
            "high": high,
            "extrapolated": grid > law.sizes[-1],
        }
    )


def _paper(data: CorrectnessMatrix, train_questions: int) -> pd.DataFrame:
    """The paper's Table 1 where the data is EmbedLLM's: its number of models and its ten benchmarks, not simulated, and
    about as many training questions, for a part of them has other test questions and another full set.
    """
    same = (
        not data.meta.get("simulated", False)
        and data.num_models == PAPER_MODELS
        and set(data.benchmarks) == set(BENCHMARK_SIZES)
        and abs(train_questions - PAPER_FULL) <= PAPER_REACH * PAPER_FULL
    )
    rows = [
        {"method": method, "training_questions": size, "accuracy": accuracy}
        for method, found in PAPER_ACCURACY.items()
        for size, accuracy in zip((*PAPER_SIZES, PAPER_FULL), found, strict=True)
        if same
    ]
    return pd.DataFrame(rows, columns=["method", "training_questions", "accuracy"])
