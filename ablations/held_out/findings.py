"""The tables of the held-out design in plain sentences that claim no more than the intervals carry."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ablations.held_out.names import short_names
from ablations.held_out.questions import AGAINST, LEAVING_OUT, LEVEL
from ablations.question_intervals import MINIMUM_QUESTIONS
from ablations.sentences import ONE_SEED
from embedllm.titles import METHOD_NAMES, METRIC_NAMES
from tune.labels import seeds_text

FEATURE_TITLES = {
    "embedding": "EmbedLLM's embedding",
    "function": "EmbedLLM's predictions (function coordinates)",
    "raw_accuracies": "accuracies on the other benchmarks",
    "pca": "PCA of the correctness matrix",
    "mean_of_others": "mean accuracy on the others",
}
ADJUSTED = f"Holm-adjusted p < {LEVEL}"
ENOUGH_SEEDS = 5
"""With fewer the t test over seeds has at most 3 degrees of freedom, and Holm's adjustment asks for small levels."""
MOST_NAMED = 4
"""Longer lists are cut; the tables have all."""
FORECAST_TITLES = {
    ("embedding", "linear"): "Linear regression on the embedding (the paper's protocol)",
    ("embedding", "ridge"): "Ridge regression on the embedding",
    ("function", "ridge"): "Ridge regression on EmbedLLM's predictions (function coordinates)",
}


def findings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """One to three sentences each on predictions, baselines, forecasts and contributions."""
    return [
        *_untested(tables["differences"]),
        *_leaving_out(tables["differences"]),
        *_against_baselines(tables["differences"]),
        *_forecasts(tables["forecast"]),
        *_forecast_baselines(tables["forecast_comparisons"]),
        *_contributions(tables["contributions"]),
    ]


def _untested(frame: pd.DataFrame) -> list[str]:
    """Silence on predictions would read as if there were none."""
    rows = frame[frame["metric"] == "accuracy"]
    if not len(rows) or rows["questions"].max() >= MINIMUM_QUESTIONS:
        return []
    return [
        f"**Predictions on held-out benchmarks are not tested: each has fewer than {MINIMUM_QUESTIONS} test "
        f"questions.** ({_n(rows)}.)"
    ]


def _leaving_out(frame: pd.DataFrame) -> list[str]:
    """What leaving a benchmark out of training costs, by both metrics."""
    claims: list[str] = []
    numbers: list[str] = []
    sizes, one_seed = "", False
    for metric, verb in (("accuracy", "lowers"), ("log_loss", "raises")):
        noun, scale, unit = METRIC_NAMES[metric].title, METRIC_NAMES[metric].scale, METRIC_NAMES[metric].told_unit
        rows = frame[
            (frame["comparison"] == LEAVING_OUT) & (frame["method"] == "embedllm") & (frame["metric"] == metric)
        ]
        tested = rows[rows["holm"].notna()]
        if not len(tested):
            continue
        sizes, one_seed = _n(tested), tested["seeds"].max() == 1
        worse = tested[tested["sure"] & ((tested["difference"] < 0) == (metric == "accuracy"))]
        better = tested[tested["sure"] & ~tested.index.isin(worse.index)]
        whose = "its" if claims else "EmbedLLM's"
        claims.append(f"{verb} {whose} {noun} on {len(worse)} of {len(tested)}{'' if claims else _benchmarks(rows)}")
        for rows_told, start in ((worse, f"{noun.capitalize()}:"), (better, f"Better {noun}:")):
            if len(rows_told):
                names = dict(zip(rows["benchmark"], short_names(list(rows["benchmark"])), strict=True))
                largest = rows_told.loc[rows_told["difference"].abs().sort_values(ascending=False).index]
                told = [_interval(row, names, scale, unit) for _, row in largest.iterrows()]
                numbers.append(f"{start} {_cut(told)}.")
    if not claims:
        return []
    beyond = f" ({ONE_SEED})" if one_seed else ""
    adjusted = ADJUSTED if one_seed else f"{ADJUSTED} both over questions and over seeds"
    return [
        f"**Leaving a benchmark out significantly {' and '.join(claims)}{beyond}.** {' '.join(numbers)}"
        f"{' ' if numbers else ''}({sizes}; 95 % percentile intervals; {adjusted}.)"
    ]


def _against_baselines(frame: pd.DataFrame) -> list[str]:
    """EmbedLLM and what it should beat, neither having seen the benchmark."""
    rows = frame[(frame["comparison"] == AGAINST) & (frame["metric"] == "log_loss") & frame["holm"].notna()]
    if not len(rows):
        return []
    alike, clear = [], []
    compared = frame[(frame["comparison"] == AGAINST) & (frame["metric"] == "log_loss")]
    benchmarks = f"{rows['benchmark'].nunique()}{_benchmarks(compared)}"
    names = dict(zip(rows["benchmark"], short_names(list(rows["benchmark"])), strict=True))
    for method, tested in rows.groupby("method", sort=False):
        sure = tested[tested["sure"]]
        parts = [
            f"{word} on {_few(found['benchmark'].map(names))}"
            for word, found in (
                ("better", sure[sure["difference"] < 0]),
                ("worse", sure[sure["difference"] > 0]),
            )
            if len(found)
        ]
        if parts:
            first, *others = parts
            word, _, rest = first.partition(" on ")
            clear.append(", ".join([f"{word} than {METHOD_NAMES[str(method)].spoken} on {rest}", *others]))
        else:
            alike.append(METHOD_NAMES[str(method)].spoken)
    start = f"On {benchmarks} that no method was trained on, EmbedLLM's log-loss is"
    one_seed = rows["seeds"].max() == 1
    beyond = f" ({ONE_SEED})" if one_seed and clear else ""
    how = ADJUSTED if one_seed else f"{ADJUSTED} both over questions and over seeds"
    if not alike:
        text = f"**{start} significantly different from each baseline's on at least one{beyond}.**"
        return [f"{text} It is {'; '.join(clear)} ({how})."]
    text = f"**{start} not distinguishable from that of {_either(alike)} on any{beyond}.**"
    return [f"{text} It is {'; '.join(clear)} ({how})." if clear else f"{text} ({how}.)"]


def _forecasts(frame: pd.DataFrame) -> list[str]:
    """Whether forecasts rank held-out models at all."""
    said = []
    for (features, regression), title in FORECAST_TITLES.items() if len(frame) else ():
        rows = rows_of(frame, features, regression).sort_values("significant", ascending=False)
        found, lost = rows[rows["null_holm"] < LEVEL], rows[~(rows["null_holm"] < LEVEL)]
        names = dict(zip(rows["benchmark"], short_names(list(rows["benchmark"])), strict=True))
        but = (
            f", not distinguishable from chance for {_others(lost['benchmark'].map(names))}"
            if len(lost) and len(found)
            else ""
        )
        text = (
            f"**{title} ranks unseen models better than chance for {len(found)} of {len(rows)} benchmarks{but}.** "
            f"Kendall's τ is positive and significant in {_significant(rows, names)}; median τ "
            f"{_medians(rows['tau_median'])}."
        )
        said.append(text)
    return said


def _significant(rows: pd.DataFrame, names: Mapping[str, str]) -> str:
    """In how many splits; `rows` are in falling order of it."""
    first, last, middle = rows.iloc[0], rows.iloc[-1], rows["significant"].median()
    most, fewest, splits = f"{first['significant']:.0f}", f"{last['significant']:.0f}", f"{first['repeats']} splits"
    if most == fewest:
        return f"{most} of {splits} of the models{' for every benchmark' if len(rows) > 1 else ''}"
    return (
        f"{fewest} ({names[last['benchmark']]}) to {most} ({names[first['benchmark']]}) of {splits} of the models, "
        f"{middle:.0f} for the median benchmark"
    )


def _medians(taus: "pd.Series[float]") -> str:
    low, high = f"{taus.min():.2f}", f"{taus.max():.2f}"
    if not taus.notna().any():
        return "not defined"
    return low if low == high else f"{low} to {high}"


def _forecast_baselines(frame: pd.DataFrame) -> list[str]:
    """Whether forecasts from what EmbedLLM learned are closer than those from plain accuracies."""
    if not len(frame):
        return []
    better = (frame["holm"] < LEVEL) & (frame["difference"] < 0)
    worse = (frame["holm"] < LEVEL) & (frame["difference"] > 0)
    counted = frame.assign(better=better, worse=worse, level=~better & ~worse)
    baselines = list(dict.fromkeys(frame["baseline"]))
    one_seed = frame["seeds"].max() == 1
    beyond = f" ({ONE_SEED})" if one_seed else ""
    over = "" if one_seed else f", over splits and {seeds_text(frame['seeds'].max())} together and by t test over seeds"
    families = frame.groupby(["features", "baseline", "regression"]).ngroups
    parts = []
    for (features, regression), compared in counted.groupby(["features", "regression"], sort=False):
        of_each = compared.groupby("baseline")[["better", "worse", "level"]].sum().reindex(baselines)
        shares = [" / ".join(f"{count:.0f}" for count in counts) for counts in of_each.to_numpy()]
        parts.append(f"{regression} regression on {FEATURE_TITLES[str(features)]} {', '.join(shares)}")
    return [
        f"**The forecasts' squared error is significantly smaller than a simple baseline's in {better.sum()} of "
        f"{len(frame)} comparisons, larger in {worse.sum()}{beyond}.** Benchmarks on which it is smaller / larger / "
        f"not distinguishable, against {', '.join(FEATURE_TITLES[str(name)] for name in baselines)}: "
        f"{'; '.join(parts)} ({ADJUSTED}{over}; the adjustment is over the benchmarks within each of the {families} "
        f"combinations of features, baseline and regression).{_few_seeds(frame)}"
    ]


def _contributions(frame: pd.DataFrame) -> list[str]:
    """What a benchmark's questions add to the forecast of another."""
    said = []
    for regression, rows in frame.groupby("regression", sort=False) if len(frame) else []:
        every = [*rows["contributor"], *rows["target"]]
        names = dict(zip(every, short_names(every), strict=True))
        helps = rows[(rows["p_adjusted"] < LEVEL) & (rows["contribution"] > 0)]
        hurts = rows[(rows["p_adjusted"] < LEVEL) & (rows["contribution"] < 0)]
        chance = LEVEL * len(rows)
        alone = int(((rows["low"] > 0) | (rows["high"] < 0)).sum())
        text = (
            f"**Contributions by {regression} regression: of {len(rows)} pairs of benchmarks, {len(helps)} "
            f"{'helps' if len(helps) == 1 else 'help'} and {len(hurts)} {'hurts' if len(hurts) == 1 else 'hurt'} after "
            f"Holm adjustment.**"
        )
        shown = pd.concat([helps, hurts]).reindex(columns=rows.columns)
        shown = shown.loc[shown["contribution"].abs().sort_values(ascending=False).index]
        told = [
            f"{names[row['contributor']]} → {names[row['target']]} {row['contribution']:+.2f} [{row['low']:+.2f}, "
            f"{row['high']:+.2f}]"
            for _, row in shown.iterrows()
        ]
        if told:
            text += f" {'This is' if len(told) == 1 else 'These are'}: {_cut(told)}."
        said.append(
            f"{text} {alone} unadjusted {'interval excludes' if alone == 1 else 'intervals exclude'} zero; about "
            f"{chance:.{1 if chance < 10 else 0}f} would by chance.{_few_seeds(rows)}"
        )
    return said


def _few_seeds(rows: pd.DataFrame) -> str:
    """That what is not claimed may well be there, where the t test over seeds has next to no power."""
    seeds = int(rows["seeds"].max())
    if not 1 < seeds < ENOUGH_SEEDS:
        return ""
    return f" With {seeds_text(seeds)} hardly anything can be claimed here; use --seeds {ENOUGH_SEEDS} or more."


def rows_of(frame: pd.DataFrame, features: str, regression: str = "linear") -> pd.DataFrame:
    """Rows of the table `forecast`."""
    return frame[(frame["features"] == features) & (frame["regression"] == regression)]


def _interval(row: "pd.Series[float]", names: Mapping[str, str], scale: float, unit: str) -> str:
    digits = 1 if scale == 100 else 3
    return (
        f"{names[str(row['benchmark'])]} {scale * row['difference']:+.{digits}f}{unit} "
        f"[{scale * row['low']:+.{digits}f}, {scale * row['high']:+.{digits}f}]"
    )


def _n(rows: pd.DataFrame) -> str:
    low, high = int(rows["questions"].min()), int(rows["questions"].max())
    questions = low if low == high else f"{low} to {high}"
    return f"n = {questions} test questions each, {seeds_text(rows['seeds'].max())}"


def _names(names: "Sequence[str] | pd.Series[str]") -> str:
    return ", ".join(str(name) for name in names)


def _benchmarks(rows: pd.DataFrame) -> str:
    """` benchmarks`, and which of them are counted where some of the rows are not tested."""
    if rows["holm"].notna().all():
        return " benchmarks"
    return f" benchmarks with {MINIMUM_QUESTIONS} or more test questions"


def _others(names: "pd.Series[str]") -> str:
    """By name, or how many where there are more than a few."""
    return _names(names) if len(names) <= MOST_NAMED else f"the other {len(names)}"


def _few(names: "pd.Series[str]") -> str:
    """`2 (law, math)`; of more than a few only their number."""
    return f"{len(names)} ({_names(names)})" if len(names) < MOST_NAMED else str(len(names))


def _cut(told: Sequence[str]) -> str:
    left = len(told) - MOST_NAMED
    return ", ".join(told) if left <= 0 else f"{', '.join(told[:MOST_NAMED])} and {left} more, each smaller"


def _either(names: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
