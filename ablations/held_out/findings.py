"""The tables of the held-out design in plain sentences that claim no more than the intervals carry."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ablations.held_out.questions import AGAINST, LEAVING_OUT
from ablations.question_intervals import MINIMUM_QUESTIONS
from embedllm.figures import METHOD_TITLES

LEVEL = 0.05
SMALL_TEST_SIDE = 50
FEATURE_TITLES = {
    "embedding": "EmbedLLM's embedding",
    "function": "EmbedLLM's predictions (function coordinates)",
    "raw_accuracies": "accuracies on the other benchmarks",
    "pca": "PCA of the correctness matrix",
    "mean_of_others": "mean accuracy on the others",
}
MOST_NAMED = 10
"""Longer lists of benchmarks are cut; the tables have all."""
FORECAST_TITLES = {
    ("embedding", "linear"): "Linear regression on the embedding (the paper's protocol)",
    ("embedding", "ridge"): "Ridge regression on the embedding",
    ("function", "ridge"): "Ridge regression on EmbedLLM's predictions (function coordinates)",
}


def findings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """One to three sentences each on predictions, baselines, forecasts and contributions."""
    return [
        *_leaving_out(tables["differences"]),
        *_against_baselines(tables["differences"]),
        *_forecasts(tables["forecast"]),
        *_forecast_baselines(tables["forecast_comparisons"]),
        *_contributions(tables["contributions"]),
    ]


def caveats(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the numbers cannot carry."""
    said = []
    questions = tables["questions"]
    if len(questions):
        said.append(
            "Intervals of predictions are 95 % percentile intervals over joint resamples of questions and seeds; one "
            "data "
            "set and one split of the questions. Holm's adjustment is over the benchmarks of a comparison."
        )
        sizes = questions[questions["metric"] == "accuracy"].groupby("benchmark")["questions"].max()
        small = sizes[sizes < SMALL_TEST_SIDE]
        if len(small):
            named = ", ".join(f"{name} ({count:.0f})" for name, count in small.items())
            said.append(
                f"Few test questions: {named}. Their intervals are wide, routing's above all"
                + (f"; below {MINIMUM_QUESTIONS} there is none." if (small < MINIMUM_QUESTIONS).any() else ".")
            )
    forecast = tables["forecast"]
    if len(forecast):
        first = forecast.iloc[0]
        said.append(
            f"The {first['repeats']} splits of the models overlap: significant in 60 of 100 does not mean 60 "
            "independent "
            "tests. The permutation p-value of the count, and intervals corrected for overlap (Nadeau & Bengio 2003), "
            f"are what can be trusted. Every split tests on {first['test_models']} models."
        )
        width = int(_of(forecast, "embedding")["width"].max())
        if width >= first["train_models"]:
            said.append(
                f"With {first['train_models']} models to learn from, plain linear regression on an embedding with as "
                "many dimensions or more fits them exactly; ridge regression is the fairer test of what an embedding "
                "knows."
            )
        notes = [
            f"{row['benchmark']}: {row['notes']}." for _, row in _of(forecast, "embedding").iterrows() if row["notes"]
        ]
        said += list(dict.fromkeys(notes))
    if len(tables["contributions"]):
        said.append(
            "A contribution compares two trainings: leaving a benchmark out also leaves fewer questions, so a large "
            "benchmark contributes by its size as well as by its content."
        )
    return said


def _leaving_out(frame: pd.DataFrame) -> list[str]:
    said = []
    for metric, noun, scale, unit in (("accuracy", "accuracy", 100, " points"), ("log_loss", "log-loss", 1, "")):
        rows = frame[
            (frame["comparison"] == LEAVING_OUT) & (frame["method"] == "embedllm") & (frame["metric"] == metric)
        ]
        tested = rows[rows["holm"].notna()]
        if not len(tested):
            continue
        worse = tested[(tested["holm"] < LEVEL) & ((tested["difference"] < 0) == (metric == "accuracy"))]
        better = tested[(tested["holm"] < LEVEL) & ~tested.index.isin(worse.index)]
        named = "; ".join(_interval(row, scale, unit) for _, row in worse.iterrows())
        text = (
            f"Leaving a benchmark out makes EmbedLLM's {noun} on it worse beyond the noise for {len(worse)} of "
            f"{len(tested)} benchmarks"
        )
        text += f": {named}." if named else "."
        if len(better):
            text += f" It is better for {'; '.join(_interval(row, scale, unit) for _, row in better.iterrows())}."
        said.append(f"{text} ({_n(tested)}; 95 % percentile intervals, Holm-adjusted.)")
    return said


def _against_baselines(frame: pd.DataFrame) -> list[str]:
    rows = frame[(frame["comparison"] == AGAINST) & (frame["metric"] == "log_loss")]
    said = []
    for method, of_method in rows.groupby("method", sort=False):
        tested = of_method[of_method["holm"].notna()]
        if not len(tested):
            continue
        better = tested[(tested["holm"] < LEVEL) & (tested["difference"] < 0)]["benchmark"]
        worse = tested[(tested["holm"] < LEVEL) & (tested["difference"] > 0)]["benchmark"]
        rest = len(tested) - len(better) - len(worse)
        parts = [
            f"better for {_names(better)}" if len(better) else "",
            f"worse for {_names(worse)}" if len(worse) else "",
            f"not distinguishable for {rest}" if rest else "",
        ]
        said.append(
            f"On benchmarks neither saw, EmbedLLM's log-loss against {METHOD_TITLES[str(method)]} is "
            f"{', '.join(part for part in parts if part)} of {len(tested)} benchmarks (Holm-adjusted)."
        )
    return said


def _forecasts(frame: pd.DataFrame) -> list[str]:
    said = []
    for (features, regression), title in FORECAST_TITLES.items() if len(frame) else ():
        rows = _of(frame, features, regression).sort_values("significant", ascending=False)
        found, lost = rows[rows["null_holm"] < LEVEL], rows[~(rows["null_holm"] < LEVEL)]
        named = [
            f"{row['benchmark']} {row['significant']:.0f} (τ {row['tau_median']:.2f})" for _, row in rows.iterrows()
        ]
        left = len(named) - MOST_NAMED
        counts = ", ".join(named) if left <= 1 else f"{', '.join(named[:MOST_NAMED])} and {left} others with fewer"
        first = rows.iloc[0]
        text = (
            f"{title}, trained without the benchmark: Kendall's τ is positive and significant in this many of "
            f"{first['repeats']} splits (mean over {first['seeds']} seeds; median τ): {counts}. That is more than with "
            "shuffled accuracies (permutation test of the first seed's count, Holm-adjusted) "
            f"for {len(found)} of {len(rows)}"
        )
        said.append(f"{text}; not for {_names(lost['benchmark'])}." if len(lost) and len(found) else f"{text}.")
    return said


def _forecast_baselines(frame: pd.DataFrame) -> list[str]:
    said = []
    for (features, regression), compared in frame.groupby(["features", "regression"], sort=False) if len(frame) else []:
        parts = []
        for baseline, rows in compared.groupby("baseline", sort=False):
            better = int(((rows["holm"] < LEVEL) & (rows["difference"] < 0)).sum())
            worse = int(((rows["holm"] < LEVEL) & (rows["difference"] > 0)).sum())
            parts.append(
                f"against {FEATURE_TITLES[str(baseline)]} smaller for {better}, larger for {worse}, not "
                f"distinguishable for {len(rows) - better - worse}"
            )
        said.append(
            f"Squared error of forecasts by {regression} regression from {FEATURE_TITLES[str(features)]}, in numbers "
            f"of benchmarks (intervals corrected for overlap, Holm-adjusted): {'; '.join(parts)}."
        )
    return said


def _contributions(frame: pd.DataFrame) -> list[str]:
    said = []
    for regression, rows in frame.groupby("regression", sort=False) if len(frame) else []:
        helps = rows[(rows["p_adjusted"] < LEVEL) & (rows["contribution"] > 0)]
        hurts = rows[(rows["p_adjusted"] < LEVEL) & (rows["contribution"] < 0)]
        alone = int(((rows["low"] > 0) | (rows["high"] < 0)).sum())
        text = (
            f"Contribution matrix by {regression} regression: of {len(rows)} cells {len(helps)} help and {len(hurts)} "
            f"hurt after Holm's adjustment; {alone} intervals exclude zero one by one, about {0.05 * len(rows):.0f} "
            "would by luck."
        )
        shown = pd.concat([helps, hurts]).reindex(columns=rows.columns)
        shown = shown.loc[shown["contribution"].abs().sort_values(ascending=False).index][:5]
        named = "; ".join(
            f"{row['contributor']} → {row['target']} {row['contribution']:+.3f} ({row['low']:+.3f} to "
            f"{row['high']:+.3f})"
            for _, row in shown.iterrows()
        )
        said.append(f"{text} The largest: {named}." if named else text)
    return said


def _of(frame: pd.DataFrame, features: str, regression: str = "linear") -> pd.DataFrame:
    return frame[(frame["features"] == features) & (frame["regression"] == regression)]


def _interval(row: "pd.Series[float]", scale: float, unit: str) -> str:
    digits = 1 if scale == 100 else 3
    return (
        f"{row['benchmark']} {scale * row['difference']:+.{digits}f}{unit} "
        f"({scale * row['low']:+.{digits}f} to {scale * row['high']:+.{digits}f})"
    )


def _n(rows: pd.DataFrame) -> str:
    low, high = int(rows["questions"].min()), int(rows["questions"].max())
    return f"n = {low if low == high else f'{low} to {high}'} test questions each, {int(rows['seeds'].max())} seeds"


def _names(names: "Sequence[str] | pd.Series[str]") -> str:
    return ", ".join(str(name) for name in names)
