"""What the tables of `training-size` say, in sentences that claim no more than their intervals carry."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ablations.cell import READS_ENCODINGS
from ablations.training_size.tables import COMPARED, SUBJECT
from embedllm.titles import METHOD_NAMES, METRIC_NAMES

LEVEL = 0.05


def findings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """One finding per paragraph."""
    facts = tables["facts"].iloc[0]
    found = [_levels(tables["curve"], facts)]
    for method in _methods(tables["curve"]):
        if method != SUBJECT:
            found += _against(tables, method, facts)
    for method in _methods(tables["curve"]):
        if method in READS_ENCODINGS and method != "lookup_predicted":
            found += _needed(tables["law"], method)
    return found + _bayes(tables, facts) + _paper(tables)


def caveats(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What a reader must not conclude."""
    facts = tables["facts"].iloc[0]
    methods = set(tables["curve"]["method"])
    told = _about_variance(tables, facts)
    if tables["curve"]["training_questions"].nunique() > 1:
        told.append("Subsets of one seed are nested, so the points of a curve are not independent of each other.")
    if (tables["law"]["reason"] == "").any():
        told.append(
            "The scaling law describes these sizes only: its offset and anything beyond the full set are "
            "extrapolation. Its intervals include variation over seeds and the misfit of the law, not the sampling of "
            "questions."
        )
    if str(facts["encoder"]).startswith("lsa") and methods & set(READS_ENCODINGS):
        told.append(
            "The encoder lsa is fitted on the texts, not the labels, of all training questions at every size; with "
            "fewer texts it would be somewhat worse at small sizes."
        )
    if chosen := _about_choice(methods, facts):
        told.append(chosen)
    if "lookup" in methods:
        told.append("The model × benchmark lookup is given each test question's benchmark; the other methods are not.")
    if facts["simulated"]:
        told.append("The data is simulated: the curves show the method at work, not what real LLMs would show.")
    if facts["failed_cells"]:
        told.append(f"{facts['failed_cells']} cells failed and are missing from means and intervals.")
    if len(tables["paper"]):
        told.append(
            "The paper's Table 1 reports single runs on its own selection of rows and test questions; a gap of one "
            "point is not in itself a failure to reproduce it."
        )
    return told


def _about_variance(tables: Mapping[str, pd.DataFrame], facts: "pd.Series[Any]") -> list[str]:
    """What bands, tests and brackets include, of those that there are."""
    if facts["seeds"] == 1:
        return [
            "One seed is one draw of the training subset, initialisation and batch order: there are no bands and no "
            f"tests, and any difference may be due to chance in that draw or in the "
            f"{facts['test_questions']:,} test questions."
        ]
    compared = tables["difference"]["p_adjusted"].notna().any()
    bracketed = bool(compared and tables["full_set"]["low"].notna().any())
    told = [
        f"{'Bands and paired tests' if compared else 'Bands'} are over {facts['seeds']} seeds: the training subset, "
        f"initialisation and batch order. All seeds share the same {facts['test_questions']:,} test questions, so a "
        "small difference that all seeds agree on may still be due to chance in the test questions"
        f"{'; the interval over questions at the full set shows whether' if bracketed else ''}."
    ]
    if bracketed:
        told.append(
            "In brackets after differences between methods: 95 % bootstrap intervals over the test questions and the "
            "seeds together."
        )
    return told


def _about_choice(methods: set[str], facts: "pd.Series[Any]") -> str:
    """How the configurations were chosen, of the methods that ran; empty where there was nothing to choose."""
    knn = "kNN's k is tuned on validation questions at every size."
    if SUBJECT not in methods:
        return knn if "knn" in methods else ""
    if facts["tuned"]:
        baselines = "; the baselines tune one hyperparameter" if len(methods) > 1 else ""
        return (
            f"EmbedLLM's configuration is the best of {facts['candidates']} by mean validation log-loss at each size"
            f"{baselines}. Test questions were not used for any choice."
        )
    text = f"EmbedLLM's hyperparameters are those of the preset {facts['preset']} at every size"
    return f"{text}; {knn} `--tuned` tunes EmbedLLM too." if "knn" in methods else f"{text}; `--tuned` tunes them."


def _methods(curve: pd.DataFrame) -> list[str]:
    known = set(curve["method"])
    return [method for method in METHOD_NAMES if method in known]


def _levels(curve: pd.DataFrame, facts: "pd.Series[Any]") -> str:
    """Accuracy of every method at both ends of the curve."""
    parts = []
    for method in _methods(curve):
        mine = curve[(curve["method"] == method) & (curve["metric"] == "accuracy")].to_dict("records")
        first, last = mine[0], mine[-1]
        levels = f"from {_percent(first)} to {_percent(last)}" if len(mine) > 1 else _percent(last)
        parts.append(f"{METHOD_NAMES[method].title} {levels}")
    how = "one seed" if facts["seeds"] == 1 else f"means of {facts['seeds']} seeds ± 95 % t interval over seeds"
    sizes = curve["training_questions"]
    ends = " and with ".join(f"{size:,}" for size in sorted({sizes.min(), sizes.max()}))
    start = f"**Test accuracy with {ends} training questions: {parts[0]}.**"
    return f"{start} {'; '.join(parts[1:])} ({how})." if parts[1:] else f"{start} ({how}.)"


def _percent(row: Mapping[Any, Any]) -> str:
    reach = "" if math.isnan(row["high"]) or row["sd"] == 0 else f" ± {100 * (row['high'] - row['mean']):.1f}"
    return f"{100 * row['mean']:.1f}{reach} %"


def _against(tables: Mapping[str, pd.DataFrame], method: str, facts: "pd.Series[Any]") -> list[str]:
    """EmbedLLM against one method: with all questions, then at how many sizes significantly."""
    differences = tables["difference"][tables["difference"]["versus"] == method]
    told = []
    for metric in COMPARED:
        sign = 1 if METRIC_NAMES[metric].higher_is_better else -1
        rows = differences[differences["metric"] == metric]
        if rows.empty or rows["p_adjusted"].isna().all():
            continue
        clear = rows["p_adjusted"] < LEVEL
        better = rows[clear & (sign * rows["difference"] > 0)]["training_questions"]
        worse = rows[clear & (sign * rows["difference"] < 0)]["training_questions"]
        parts = []
        for label, sizes in (("ahead", better), ("behind", worse)):
            if len(sizes):
                which = f"{len(sizes)} of {len(rows)} sizes ({_listed(sizes)})"
                parts.append(f"{label} at {f'all {len(rows)} sizes' if len(sizes) == len(rows) else which}")
        if rest := len(rows) - len(better) - len(worse):
            parts.append(f"not distinguishable at {rest}" if parts else "not distinguishable at any size")
        told.append(f"{METRIC_NAMES[metric].title} {', '.join(parts)}")
    if not told:
        return []
    by_size = (
        f"By size, paired over {differences['seeds'].max()} seeds on these {facts['test_questions']:,} test questions, "
        f"Holm-adjusted p < {LEVEL}: {'; '.join(told)}."
    )
    claim = _with_all_questions(tables["full_set"], differences, method)
    return [f"**{claim}** {by_size}" if claim else f"**EmbedLLM against {METHOD_NAMES[method].spoken}.** {by_size}"]


def _with_all_questions(full: pd.DataFrame, differences: pd.DataFrame, method: str) -> str:
    """The difference in accuracy with all training questions, and whether it is significant; empty where not known."""
    rows = full[(full["versus"] == method) & (full["metric"] == "accuracy")]
    if not len(rows) or math.isnan(rows.iloc[0]["low"]):
        return ""
    row = rows.iloc[0]
    largest = differences["training_questions"].max()
    at_full = differences[(differences["metric"] == "accuracy") & (differences["training_questions"] == largest)]
    holds = row["p_adjusted"] < LEVEL and (at_full["p_adjusted"] < LEVEL).all()
    points = 100 * row["difference"]
    if row["low"] == row["high"] == 0:
        return f"With all training questions EmbedLLM's accuracy is the same as that of {METHOD_NAMES[method].spoken}."
    return (
        f"With all training questions EmbedLLM's accuracy is {abs(points):.2f} points "
        f"{'above' if points >= 0 else 'below'} that of {METHOD_NAMES[method].spoken} "
        f"[{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]: "
        f"{'significant over questions and over seeds' if holds else 'not significant over both questions and seeds'}."
    )


def _listed(sizes: pd.Series) -> str:
    return ", ".join(f"{size:,}" for size in sorted(sizes))


def _needed(law: pd.DataFrame, method: str) -> list[str]:
    """Questions needed to be as good as the full set, measured and by the law."""
    row = law[(law["method"] == method) & (law["metric"] == "accuracy")].iloc[0]
    if math.isnan(row["measured_within"]):
        return []
    start = " ".join((f"**{_where_within(row, method)}**", *_gaps(row)))
    if row["reason"]:
        return [f"{start} No scaling law is fitted to its error rate: {row['reason']}."]
    agree = not row["within"] < row["measured_below"] and row["within"] <= row["measured_within"]
    interval = ""
    if not math.isnan(row["within_low"]):
        interval = (
            f" (95 % bootstrap interval over seeds and misfit {row['within_low']:,.0f} to {row['within_high']:,.0f})"
        )
    return [
        f"{start} According to its scaling law, error = {row['c']:.4f} + {row['a']:.3g} / n^{row['b']:.2f} with n "
        f"training questions, this takes {row['within']:,.0f} questions{interval}."
        + ("" if agree else " Law and measured means disagree: neither is exact.")
    ]


def _where_within(row: "pd.Series[Any]", method: str) -> str:
    points = f"within {100 * row['margin']:g} points of its full-set value"
    accuracy = f"{METHOD_NAMES[method].title}'s mean accuracy is"
    if row["measured_within"] == row["full_set"]:
        return f"{accuracy} {points} only with the full set."
    return f"{accuracy} {points} from {row['measured_within']:,.0f} questions on."


def _gaps(row: "pd.Series[Any]") -> list[str]:
    """How far below the full set it is at that size and at the one before: too few only if significantly."""
    shown = {"within": row["measured_within"] < row["full_set"], "below": not math.isnan(row["measured_below"])}
    names = [name for name, there in shown.items() if there]
    if not names:
        return []
    parts = [f"with {row[f'measured_{name}']:,.0f} questions it is {_points_below(row, name)}" for name in names]
    if row["below_gap_low"] > row["margin"]:
        parts[-1] += ", which is too few"
    bracketed = any(not math.isnan(row[f"{name}_gap_low"]) for name in names)
    how = f"95 % t interval, paired over {row['seeds']} seeds" if bracketed else f"seeds: {row['seeds']}"
    text = "; ".join(parts)
    return [f"{text[:1].upper()}{text[1:]} ({how})."]


def _points_below(row: "pd.Series[Any]", name: str) -> str:
    gap, low, high = (100 * row[f"{name}_gap{end}"] for end in ("", "_low", "_high"))
    return f"{gap:.2f} points below" + ("" if math.isnan(low) else f" [{low:+.2f}, {high:+.2f}]")


def _bayes(tables: Mapping[str, pd.DataFrame], facts: "pd.Series[Any]") -> list[str]:
    if math.isnan(facts["bayes_accuracy"]):
        return []
    curve = tables["curve"].query("metric == 'accuracy'")
    full = curve[curve["training_questions"] == curve["training_questions"].max()].set_index("method")["mean"]
    gaps = ", ".join(
        f"{METHOD_NAMES[method].title} {100 * (facts['bayes_accuracy'] - full[method]):.1f}"
        for method in _methods(curve)
        if method in full
    )
    return [
        "**A predictor that knows the simulation's true probabilities has an accuracy of "
        f"{100 * facts['bayes_accuracy']:.1f} %.** Points below it at the full set: {gaps} (over all questions). Part "
        "of the gap cannot be closed by any number of questions: some of a question's difficulty does not show in its "
        "wording."
    ]


def _paper(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    if tables["paper"].empty:
        return []
    curve = tables["curve"].query("metric == 'accuracy'")
    parts = []
    for method in _methods(tables["paper"]):
        rows, mine = tables["paper"][tables["paper"]["method"] == method], curve[curve["method"] == method]
        if len(mine):
            parts.append(
                f"{METHOD_NAMES[method].title} {rows['accuracy'].iloc[-1]:.4f} (here {mine['mean'].iloc[-1]:.4f})"
            )
    return [f"**The paper's Table 1, full set: {', '.join(parts)}.**"] if parts else []
