"""Forecasts of a benchmark's accuracy from what a model did elsewhere, and what each benchmark adds to them."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ablations.held_out.benchmarks import trained_on
from ablations.held_out.cells import HeldOutCells
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.evaluation.paired import holm
from embedllm.forecasting import (
    Forecast,
    benchmark_accuracies,
    contribution_matrices,
    forecast_each,
    mean_of_others,
    pca_of_matrix,
    permutation_null_each,
    raw_accuracies,
    summarize,
    total_interval,
)

if TYPE_CHECKING:
    from ablations.results import Results
    from embedllm.forecasting.least_squares import Ridge

REGRESSIONS: "dict[str, Ridge]" = {"linear": 0.0, "ridge": "loo"}
"""The paper's linear regression, and ridge regression with a penalty chosen on the training models."""
LEARNED = ("embedding", "function")
"""Features that EmbedLLM learned; each is compared with every baseline, and its count of significant splits tested."""
LEAST_PERMUTATIONS = 200
PERMUTATIONS_PER_BENCHMARK = 40
"""So that the smallest p-value, times the number of benchmarks, is half of 0.05."""


def forecast_tables(
    results: "Results", cells: HeldOutCells, data: CorrectnessMatrix, *, repeats: int, test_share: float, seed: int
) -> dict[str, pd.DataFrame]:
    """Tables `forecast`, `forecast_models` and `forecast_comparisons`; without rows where nothing can be forecast.

    Features: `embedding`, the rows of P as in the paper; `function`, the same model's predictions as coordinates (see
    :func:`embedllm.probing.function_coordinates`), which hold nothing of the random initialisation; and the baselines
    of :mod:`embedllm.forecasting.baselines` on the same training questions.

    `forecast`: per benchmark, features (`width` of them) and regression: `significant` of `repeats` splits of the
    models with tau > 0 and p < 0.05 (mean over seeds; `significant_sd` over seeds), `null_p` (of what was learned:
    permutation p-value of the first seed's count, Holm-adjusted over benchmarks in `null_holm`), median tau over splits
    with its 5 % and 95 % quantiles, `rmse` in accuracy (0 to 1) and `skill` = 1 - MSE / MSE of forecasting the mean.
    `forecast_models`: per benchmark, regression and model: accuracy, and its forecast from the embedding, mean over the
    splits where it was tested and the seeds.
    `forecast_comparisons`: per benchmark, regression, learned features and baseline: difference of MSE and its
    interval, over splits (corrected for their overlap) and, with two or more, `seeds`; see
    :func:`embedllm.forecasting.total_interval`; `holm` over the benchmarks.

    Models without a label to train on have no features worth the name: they are left out of a benchmark's forecasts,
    the baselines' too, so that all are of the same models.
    """
    accuracies, names = benchmark_accuracies(data)
    complete = set(results.complete["key"])
    permutations = max(LEAST_PERMUTATIONS, PERMUTATIONS_PER_BENCHMARK * len(cells.forecast))
    rows: list[dict[str, object]] = []
    models: list[dict[str, object]] = []
    comparisons: list[dict[str, object]] = []
    for benchmark in cells.forecast:
        truth = accuracies[:, names.index(benchmark)]
        keys = [cell.key for cell in cells.without[benchmark]["embedllm"] if cell.key in complete]
        embeddings = [results.embedding(key) for key in keys]
        functions = [results.function(key) for key in keys]
        if not embeddings:
            continue
        questions = cells.splits[f"without {benchmark}"].train
        features = {
            "embedding": embeddings,
            "function": functions,
            "raw_accuracies": [raw_accuracies(data, questions)],
            "pca": [pca_of_matrix(data, questions, embeddings[0].shape[1])],
            "mean_of_others": [mean_of_others(data, questions)],
        }
        options: dict[str, Any] = {"repeats": repeats, "test_share": test_share, "seed": seed}
        options["trained"] = trained_on(data, questions)
        ridges = list(REGRESSIONS.values())
        found = {
            name: [forecast_each(one, truth, ridges, **options) for one in per_seed]
            for name, per_seed in features.items()
        }
        nulls = {
            name: permutation_null_each(features[name][0], truth, ridges, permutations=permutations, **options)
            for name in LEARNED
        }
        for place, regression in enumerate(REGRESSIONS):
            forecasts = {name: [of_seed[place] for of_seed in per_seed] for name, per_seed in found.items()}
            others = {name: of_feature for name, of_feature in forecasts.items() if name not in LEARNED}
            for name, of_feature in forecasts.items():
                known = {"benchmark": benchmark, "features": name, "regression": regression}
                if name in LEARNED:
                    comparisons += [known | {"baseline": b} | _compare(of_feature, one) for b, one in others.items()]
                null_p = nulls[name][place].p_value if name in LEARNED else np.nan
                width = features[name][0].shape[1]
                rows.append(known | {"width": width} | summarize(of_feature) | {"null_p": null_p})
            models += _model_rows(benchmark, regression, data.model_names, truth, forecasts["embedding"])
    forecast = pd.DataFrame(rows)
    compared = pd.DataFrame(comparisons)
    if len(forecast):
        forecast["null_holm"] = _adjusted(forecast, ["features", "regression"], "null_p")
        compared["holm"] = _adjusted(compared, ["features", "baseline", "regression"], "p")
    return {"forecast": forecast, "forecast_models": pd.DataFrame(models), "forecast_comparisons": compared}


def contribution_tables(
    results: "Results", cells: HeldOutCells, data: CorrectnessMatrix, *, repeats: int, test_share: float, seed: int
) -> dict[str, pd.DataFrame]:
    """Table `contributions`: see :meth:`embedllm.forecasting.ContributionMatrix.table`; ridge regression is added as
    further rows. Empty where there is no contribution matrix, or a cell of it failed.
    """
    complete = set(results.complete["key"])
    seeds = [
        number
        for number in range(len(next(iter(cells.removed.values()), [])))
        if all(of_set[number].key in complete for of_set in cells.removed.values())
    ]
    if not seeds:
        return {"contributions": pd.DataFrame()}
    features = {
        left_out: np.stack([results.embedding(of_set[number].key) for number in seeds])
        for left_out, of_set in cells.removed.items()
    }
    accuracies, names = benchmark_accuracies(data)
    columns = [names.index(name) for name in cells.forecast]
    options: dict[str, Any] = {"repeats": repeats, "test_share": test_share, "seed": seed}
    options["trained"] = {
        left_out: trained_on(data, cells.splits[of_set[0].split].train) for left_out, of_set in cells.removed.items()
    }
    matrices = contribution_matrices(
        cells.forecast, features, accuracies[:, columns], list(REGRESSIONS.values()), **options
    )
    frames = [
        matrix.table().assign(regression=regression) for regression, matrix in zip(REGRESSIONS, matrices, strict=True)
    ]
    return {"contributions": pd.concat(frames, ignore_index=True)}


def _compare(learned: list[Forecast], baseline: list[Forecast]) -> dict[str, object]:
    gain = np.stack([forecast.mse for forecast in learned]) - np.mean([one.mse for one in baseline], axis=0)
    seeds, splits = gain.shape
    total, low, high, p_value = total_interval(gain, learned[0].folds.test_train_ratio)
    means = {"difference": total / splits, "low": low / splits, "high": high / splits}
    return means | {"p": p_value, "splits": splits, "seeds": seeds}


def _model_rows(
    benchmark: str, regression: str, names: list[str], truth: np.ndarray, forecasts: list[Forecast]
) -> list[dict[str, object]]:
    total, count = np.zeros(len(truth)), np.zeros(len(truth))
    for forecast in forecasts:
        np.add.at(total, forecast.folds.test, forecast.predictions)
        np.add.at(count, forecast.folds.test, 1)
    return [
        {
            "benchmark": benchmark,
            "regression": regression,
            "model": names[model],
            "accuracy": truth[model],
            "forecast": total[model] / count[model],
            "times_tested": int(count[model]) // len(forecasts),
        }
        for model in np.flatnonzero(count > 0)
    ]


def _adjusted(frame: pd.DataFrame, by: list[str], column: str) -> "pd.Series[float]":
    return frame.groupby(by, sort=False)[column].transform(lambda p: holm(p.to_numpy(dtype=np.float64)))
