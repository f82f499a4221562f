"""Predictions on a benchmark that was left out of training, against the same with it, question by question."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ablations.cell import Cell
from ablations.held_out.cells import HeldOutCells
from ablations.question_intervals import question_interval
from embedllm.evaluation.bootstrap import BOOTSTRAP_METRICS
from embedllm.evaluation.paired import holm

if TYPE_CHECKING:
    from ablations.results import Results

QUESTION_COLUMNS = ("benchmark", "method", "trained", "metric", "value", "sd", "low", "high", "questions", "seeds")
DIFFERENCE_COLUMNS = (
    *("benchmark", "comparison", "method", "metric", "difference", "low", "high", "p", "holm", "questions", "seeds"),
)
LEAVING_OUT, AGAINST = "left out minus trained on", "EmbedLLM minus baseline, both left out"


def question_tables(results: "Results", cells: HeldOutCells) -> dict[str, pd.DataFrame]:
    """Tables `questions` and `differences`.

    `questions`: a row per benchmark, method, `trained` (`with` or `without` the benchmark) and metric: mean and sd over
    seeds, and the 95 % percentile interval of the mean over joint resamples of questions and seeds.
    `differences`: per benchmark, metric and method, what leaving the benchmark out changes (left out - trained on), and
    EmbedLLM - baseline with the benchmark left out of both. Holm's adjustment is over the benchmarks of one comparison,
    method and metric.
    """
    values, differences = [], []
    for benchmark in cells.judged:
        totals = {}
        for trained, methods in (("with", cells.with_it), ("without", cells.without[benchmark])):
            for method, of_method in methods.items():
                found = _totals(results, of_method, cells, benchmark)
                if found is not None:
                    totals[method, trained] = found
        values += [row for key, found in totals.items() for row in _value_rows(benchmark, *key, found)]
        for method, trained in totals:
            if trained == "without" and (method, "with") in totals:
                pair = totals[method, "without"], totals[method, "with"]
                differences += _difference_rows(benchmark, LEAVING_OUT, method, *pair)
            if trained == "without" and method != "embedllm" and ("embedllm", "without") in totals:
                pair = totals["embedllm", "without"], totals[method, "without"]
                differences += _difference_rows(benchmark, AGAINST, method, *pair)
    frame = pd.DataFrame(differences, columns=[name for name in DIFFERENCE_COLUMNS if name != "holm"])
    adjusted = frame.groupby(["comparison", "method", "metric"], sort=False)["p"].transform(
        lambda p: holm(p.to_numpy(dtype=np.float64))
    )
    frame.insert(DIFFERENCE_COLUMNS.index("holm"), "holm", adjusted)
    return {"questions": pd.DataFrame(values, columns=list(QUESTION_COLUMNS)), "differences": frame}


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


def _value_rows(benchmark: str, method: str, trained: str, found: _Totals) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for metric, totals in found.totals.items():
        weights = found.weights[metric]
        interval = question_interval(totals, np.zeros((1, totals.shape[1])), weights)
        with np.errstate(invalid="ignore"):  # 0/0 where no question can be judged: NaN, shown as missing
            per_seed = totals.sum(axis=1) / weights.sum()
        sd = float(per_seed.std(ddof=1)) if len(per_seed) > 1 else np.nan
        value = (interval.difference, sd, interval.low, interval.high, interval.questions, interval.seeds)
        rows.append((benchmark, method, trained, metric, *value))
    return rows


def _difference_rows(
    benchmark: str, comparison: str, method: str, first: _Totals, second: _Totals
) -> list[tuple[object, ...]]:
    if comparison == LEAVING_OUT:  # the same method: seed by seed
        shared = [seed for seed in first.seeds if seed in second.seeds]
        if not shared:
            return []
        first, second = first.only(shared), second.only(shared)
    rows: list[tuple[object, ...]] = []
    for metric in BOOTSTRAP_METRICS:
        found = question_interval(first.totals[metric], second.totals[metric], first.weights[metric])
        numbers = (found.difference, found.low, found.high, found.p_value, found.questions, found.seeds)
        rows.append((benchmark, comparison, method, metric, *numbers))
    return rows
