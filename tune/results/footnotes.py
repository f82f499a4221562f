"""The sentences below a leaderboard: what ranks, what is averaged, the baseline, what is missing and why."""

import re
from collections import Counter
from collections.abc import Sequence

from tune.config import OBJECTIVES
from tune.labels import encoder_label, first_line
from tune.records import TrialRecord
from tune.results.leaderboard import baseline_record, budgets, is_comparable
from tune.results.scores import DeltaIntervals

REASONS_TOLD = 3
"""Kinds of failure named below a leaderboard, the most frequent."""
OWN_PART = re.compile(r"^seed \d+: |\s*\([^()]*\)| after epoch \d+")
"""What of a reason is one trial's own: its seed, its epoch, and its values in brackets."""


def footnotes(records: Sequence[TrialRecord], objective: str, intervals: DeltaIntervals | None = None) -> list[str]:
    """Sentences to stand below the table: what ranks, what is averaged, the baseline, what is missing and why.

    Args:
        records: all of the sweep, also those a filter has removed from the table.
        objective: the metric that ranks.
        intervals: of the differences to the baseline; None says nothing about them.
    """
    better = "lower" if OBJECTIVES[objective] == "minimize" else "higher"
    lines = [f"Ranked by {objective} on validation questions, {better} is better; {spread_text(records)}."]
    if len(budgets([record for record in records if is_comparable(record, objective)])) > 1:
        lines.append("Budgets differ, so each has its own ranks: runs with fewer epochs are not comparable.")
    return [*lines, *unranked_footnotes(records, objective, intervals)]


def spread_text(records: Sequence[TrialRecord]) -> str:
    """What stands behind the values: `mean ± sd over 3 seeds`."""
    seeds = sorted({record.seeds for record in records if record.state == "COMPLETE"})
    if seeds == [1]:
        return "one seed, hence no sd"
    return f"mean ± sd over {' or '.join(map(str, seeds))} seeds" if seeds else "no trial is complete yet"


def unranked_footnotes(
    records: Sequence[TrialRecord], objective: str, intervals: DeltaIntervals | None = None
) -> list[str]:
    """The sentences of :func:`footnotes` that say nothing about ranks: the baseline, differences, states."""
    lines = []
    comparable = [record for record in records if is_comparable(record, objective)]
    baseline = baseline_record(records, objective)
    if baseline is None:
        reasons = [record.reason for record in records if record.role == "baseline" and record.state == "FAIL"]
        why = f"failed ({_shortened(reasons[-1])})" if reasons else "has not finished"
        lines.append(f"No differences from the baseline: the paper's recipe {why}.")
    else:
        config = baseline.config
        lines.append(
            f"Δ: difference from the baseline, the paper's recipe on the same data ({encoder_label(config.encoder)}, "
            f"dim {config.embedding_dim}, α {config.noise:g}, {config.epochs} epochs)."
        )
        if intervals is not None:
            lines += _interval_sentences(intervals, sum(record.role == "trial" for record in comparable))
    lines.append(_state_sentence(records))
    return lines


def _interval_sentences(intervals: DeltaIntervals, num_trials: int) -> list[str]:
    lines = []
    if intervals.bounds:
        line = (
            f"[ ]: paired 95 % percentile interval of Δ over {intervals.questions:,} validation questions, seeds "
            "averaged."
        )
        if num_trials > 1:
            line += f" Not corrected for the {num_trials} trials compared: the best of many looks better than it is."
        lines.append(line)
    if intervals.missing is not None:
        lines.append(f"{'Incomplete' if intervals.bounds else 'No'} intervals: {intervals.missing}.")
    return lines


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
        told = [f"{count} × {reason}" for reason, count in reasons.most_common(REASONS_TOLD)]
        if len(reasons) > REASONS_TOLD:
            told.append(f"{len(reasons) - REASONS_TOLD} other reasons")
        failed += f" ({'; '.join(told)})"
    return "Trials: " + ", ".join([*parts, failed]) + "."


def _shortened(reason: str | None) -> str:
    """The first line of a reason without what is the trial's own, at most 100 characters, so that equal ones count."""
    text = OWN_PART.sub("", first_line(reason or "", "no reason given"))
    return text if len(text) <= 100 else text[:99] + "…"
