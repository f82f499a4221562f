"""Predictions on a benchmark that was left out of training, against the same with it, question by question."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ablations.cell import Cell
from ablations.held_out.cells import HeldOutCells
from ablations.question_intervals import Comparison, question_intervals
from embedllm.evaluation.bootstrap import BOOTSTRAP_METRICS
from embedllm.evaluation.paired import holm, paired_interval

if TYPE_CHECKING:
    from ablations.results import Results

QUESTION_COLUMNS = ("benchmark", "method", "trained", "metric", "value", "sd", "low", "high", "questions", "seeds")
DIFFERENCE_COLUMNS = (
    *("benchmark", "comparison", "method", "metric", "difference", "low", "high", "p", "holm", "questions", "seeds"),
    *("seed_p", "seed_holm", "sure"),
)
LEVEL = 0.05
LEAVING_OUT, AGAINST = "left out minus trained on", "EmbedLLM minus baseline, both left out"


def question_tables(results: "Results", cells: HeldOutCells) -> dict[str, pd.DataFrame]:
    """Tables `questions` and `differences`.

    `questions`: a row per benchmark, method, `trained` (`with` or `without` the benchmark) and metric: mean and sd over
    seeds, and the 95 % percentile interval of the mean over joint resamples of questions and seeds.
    `differences`: per benchmark, metric and method, what leaving the benchmark out changes (left out - trained on), and
    EmbedLLM - baseline with the benchmark left out of both. `p` is of questions and seeds resampled together, which is
    too small where seeds are few: `seed_p` is of the t test paired over seeds (missing for methods without chance, and
    with one seed). Holm's adjustment (`holm`, `seed_holm`) is over the benchmarks of one comparison, method and metric;
    `sure` is what holds by both, or with one seed asked for, and for methods without chance, by `holm` alone.
    """
    values, differences = [], []
    for benchmark in cells.judged:
        totals = {}
        for trained, methods in (("with", cells.with_it), ("without", cells.without[benchmark])):
            for method, of_method in methods.items():
                found = _totals(results, of_method, cells, benchmark)
                if found is not None:
                    totals[method, trained] = found
        values += _value_rows(benchmark, totals)
        differences += _difference_rows(benchmark, totals)
    made = ("holm", "seed_holm", "sure")
    frame = pd.DataFrame(differences, columns=[name for name in DIFFERENCE_COLUMNS if name not in made])
    for source, target in (("p", "holm"), ("seed_p", "seed_holm")):
        frame[target] = frame.groupby(["comparison", "method", "metric"], sort=False)[source].transform(
            lambda p: holm(p.to_numpy(dtype=np.float64))
        )
    by_chance = (frame["comparison"] == AGAINST) | (frame["method"] == "embedllm")
    seeds_agree = frame["seed_holm"] < LEVEL  # not where all seeds differ alike, which is no measure of their variance
    asked = max(len(methods["embedllm"]) for methods in cells.without.values())
    frame["sure"] = (frame["holm"] < LEVEL) & (seeds_agree | (asked == 1) | ~by_chance)
    questions = pd.DataFrame(values, columns=list(QUESTION_COLUMNS))
    return {"questions": questions, "differences": frame[list(DIFFERENCE_COLUMNS)]}


def leak_table(cells: HeldOutCells) -> pd.DataFrame:
    """A row per held-out benchmark: questions it was trained, selected and judged on, and copies that were left out."""
    rows = [
        (name, len(split.train), len(split.val), len(split.test), cells.leaks[name])
        for name in cells.benchmarks
        for split in [cells.splits[f"without {name}"]]
    ]
    return pd.DataFrame(rows, columns=["benchmark", "train", "val", "test", "copies_removed"])


class _Totals:
    """A method's metrics on a benchmark's test questions, taken apart: metric -> (seeds, questions) and weights."""

    def __init__(self, seeds: Sequence[int], totals: dict[str, np.ndarray], weights: dict[str, np.ndarray]) -> None:
        self.seeds, self.totals, self.weights = tuple(seeds), totals, weights

    def only(self, seeds: Sequence[int]) -> "_Totals":
        rows = [self.seeds.index(seed) for seed in seeds]
        return _Totals(seeds, {metric: total[rows] for metric, total in self.totals.items()}, self.weights)

    def per_seed(self, metric: str) -> np.ndarray:
        """The metric itself, float64 of shape (seeds,)."""
        with np.errstate(invalid="ignore"):  # 0/0 where no question can be judged: NaN, shown as missing
            return np.asarray(self.totals[metric].sum(axis=1) / self.weights[metric].sum())


def _totals(results: "Results", of_method: Sequence[Cell], cells: HeldOutCells, benchmark: str) -> _Totals | None:
    complete = set(results.complete["key"])
    finished = [cell for cell in of_method if cell.key in complete]
    if not finished:
        return None
    wanted = cells.splits[f"without {benchmark}"].test
    scores = [results.question_scores(cell.key) for cell in finished]
    places = [np.searchsorted(score.questions, wanted) for score in scores]
    return _Totals(
        [cell.config.seed for cell in finished],
        {
            metric: np.stack([score.totals[metric][place] for score, place in zip(scores, places, strict=True)])
            for metric in BOOTSTRAP_METRICS
        },
        {metric: scores[0].weights[metric][places[0]] for metric in BOOTSTRAP_METRICS},
    )


def _value_rows(benchmark: str, totals: dict[tuple[str, str], _Totals]) -> list[tuple[object, ...]]:
    asked = [(key, metric, found) for key, found in totals.items() for metric in BOOTSTRAP_METRICS]
    nothing = [np.zeros((1, len(found.weights[metric]))) for _, metric, found in asked]
    intervals = question_intervals(
        [
            Comparison(found.totals[metric], zero, found.weights[metric])
            for (_, metric, found), zero in zip(asked, nothing, strict=True)
        ]
    )
    rows: list[tuple[object, ...]] = []
    for (key, metric, found), interval in zip(asked, intervals, strict=True):
        per_seed = found.per_seed(metric)
        sd = float(per_seed.std(ddof=1)) if len(per_seed) > 1 else np.nan
        value = (interval.difference, sd, interval.low, interval.high, interval.questions, interval.seeds)
        rows.append((benchmark, *key, metric, *value))
    return rows


def _difference_rows(benchmark: str, totals: dict[tuple[str, str], _Totals]) -> list[tuple[object, ...]]:
    pairs: list[tuple[str, str, _Totals, _Totals]] = []
    for method, trained in totals:
        if trained == "with":
            continue
        left_out = totals[method, "without"]
        if (method, "with") in totals:  # the same method: seed by seed
            trained_on = totals[method, "with"]
            if shared := [seed for seed in left_out.seeds if seed in trained_on.seeds]:
                pairs.append((LEAVING_OUT, method, left_out.only(shared), trained_on.only(shared)))
        if method != "embedllm" and ("embedllm", "without") in totals:
            pairs.append((AGAINST, method, totals["embedllm", "without"], left_out))
    asked = [(*pair, metric) for pair in pairs for metric in BOOTSTRAP_METRICS]
    intervals = question_intervals(
        [Comparison(a.totals[metric], b.totals[metric], a.weights[metric]) for _, _, a, b, metric in asked]
    )
    return [
        (
            benchmark,
            comparison,
            method,
            metric,
            one.difference,
            one.low,
            one.high,
            one.p_value,
            one.questions,
            one.seeds,
            paired_interval(first, np.broadcast_to(second, first.shape)).p_value,
        )
        for (comparison, method, a, b, metric), one in zip(asked, intervals, strict=True)
        for first, second in [(a.per_seed(metric), b.per_seed(metric))]
    ]
