"""One configuration against every baseline: what `embedllm fit` prints, as a function for notebooks.

comparison = fit_and_compare(data, preset("fast").replace(encoder="lsa"), seeds=3)
comparison.table()          # a row per method, a column per metric
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from embedllm.artifact import mean_probability, save_artifact
from embedllm.config import FitConfig
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.splits import Split, default_split, nested_subset, prompt_groups
from embedllm.encoders import Encodings, encode_data
from embedllm.errors import ConfigError, DataError, EmbedLLMError
from embedllm.evaluation import (
    METRICS,
    Labels,
    evaluate,
    evaluate_baselines,
    oracle,
    random_by_share,
    route_by,
    selection_shares,
    standard_errors,
)
from embedllm.training import FitData, FitResult, fit_many
from embedllm.training.data import checked_device

if TYPE_CHECKING:
    import pandas as pd

    from embedllm.model import EmbedLLM

Side = Literal["val", "test"]
ROW_COLUMNS = ("method", "title", "side", "seeds", "note")


@dataclass(frozen=True)
class Comparison:
    """A configuration and every baseline on the same questions.

    Args:
        data: the correctness matrix.
        split: which questions trained, validated and tested.
        config: the configuration, with the first seed.
        encodings: of all questions, and the encoder that made them.
        results: a fit per seed; failed ones have `failure` set and are left out of the rows.
        rows: tidy, a dict per method: method, title, side, seeds, the seven metrics, note; for the configuration also
            `<metric>_sd` over seeds, absent with one seed and where the metric is NaN, and `<metric>_se`, the standard
            error over questions.
    """

    data: CorrectnessMatrix
    split: Split
    config: FitConfig
    encodings: Encodings
    results: Sequence[FitResult]
    rows: Sequence[dict[str, Any]]

    @property
    def metrics(self) -> dict[str, float]:
        """Mean over seeds, and `_sd`, of the configuration's metrics, named by side: `test_accuracy`."""
        row = self.rows[0]
        return {f"{row['side']}_{name}": value for name, value in row.items() if name not in ROW_COLUMNS}

    def table(self) -> "pd.DataFrame":
        """The rows as a data frame."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    def save(self, folder: str | Path) -> Path:
        """Save the trained models as an artifact; see :func:`embedllm.artifact.save_artifact`."""
        return save_artifact(folder, self.results, self.encodings.encoder, self.data, self.split, self.metrics)


def fit_and_compare(
    data: CorrectnessMatrix,
    config: FitConfig,
    *,
    seeds: int = 3,
    split: Split | None = None,
    side: Side = "test",
    cache_dir: Path | None = None,
    device: str | None = None,
    progress: bool = False,
) -> Comparison:
    """Train a configuration with several seeds, fused, and measure it beside every baseline.

    Baselines learn from the questions the first seed learns from.

    Args:
        data: the correctness matrix.
        config: the configuration; seeds are `config.seed`, `config.seed + 1`…
        seeds: number of seeds.
        split: None = :func:`embedllm.data.splits.default_split`.
        side: the questions to measure on. Choose configurations on val, and look at test once, for the chosen one.
        cache_dir: folder of the encodings' cache; None is the default one.
        device: where encoder and fits run; None takes a GPU if there is one.
        progress: show progress on standard error.

    Raises:
        ConfigError: if `seeds` is below 1, there is no such device, or more training questions are asked for than
            there are.
        DataError: if the split is not one of this data, a side of it is empty, or there is no label to compare on.
        EmbedLLMError: if the encoder is out of reach, or every seed failed.
    """
    if seeds < 1:
        raise ConfigError(f"seeds must be at least 1 but is {seeds}")
    if device is not None:
        checked_device(device)  # now: encoding may take minutes
    split = (split or default_split(data)).check(data)
    questions = getattr(split, side)
    _check_labels(data, questions, split, side)  # now, not after training
    encodings = encode_data(
        data, config.encoder, fit_on=split.train, cache_dir=cache_dir, device=device, progress=progress
    )
    fit_data = FitData.build(data, split, encodings.matrix, device)
    members = [config.replace(seed=config.seed + step) for step in range(seeds)]
    results = fit_many(members, fit_data)
    models = [result.model for result in results if result.model is not None]
    if not models:
        raise EmbedLLMError(f"every seed failed: {results[0].failure}")
    rows = _model_rows(models, data, questions, encodings.matrix, side)
    failed = [f"seed {result.config.seed} failed: {result.failure}" for result in results if result.model is None]
    rows[0]["note"] = "; ".join(failed)
    learned_from = _as_first_seed(split, config)
    baselines = evaluate_baselines(data, learned_from, encodings.matrix, sides=(side,), progress=progress)
    rows += [
        {"method": row["method"], "title": row["title"], "side": side, "seeds": 1}
        | {name: row[name] for name in (*METRICS, "note")}
        for row in baselines.to_dict("records")
    ]
    rows += _bounds(mean_probability(models, encodings.matrix[questions]), data, questions, side)
    return Comparison(data, split, config, encodings, results, rows)


def _check_labels(data: CorrectnessMatrix, questions: np.ndarray, split: Split, side: Side) -> None:
    """Raise DataError unless these questions of the split, on one side of it, have a label to compare on."""
    # Without validation questions nothing can be trained, so only those of test can be done without.
    advice = "use `--side val` or `--split random`" if side == "test" else "use `--split random`"
    if not len(questions):
        if split.name == "random":
            texts = len(np.unique(prompt_groups(data)))
            advice = f"a random split needs at least 3 questions with different texts, and the data has {texts}"
        raise DataError(f"the split {split.name!r}", [f"it has no {side} questions to compare on; {advice}"])
    if not data.attempts[:, questions].any():
        if split.name == "random":
            advice = "use another `--split-seed`, or import more labels"
        raise DataError(f"the split {split.name!r}", [f"none of its {side} questions has a label; {advice}"])


def _model_rows(
    models: "Sequence[EmbedLLM]", data: CorrectnessMatrix, questions: np.ndarray, encodings: np.ndarray, side: Side
) -> list[dict[str, Any]]:
    """EmbedLLM as the mean over its seeds and, with several, as the one predictor that averages their forecasts."""
    labels = _labels(data, questions)
    rows_of_side = encodings[questions]
    per_seed = [evaluate(model.predict_proba(rows_of_side), *labels) for model in models]
    probability = mean_probability(models, rows_of_side)
    errors = {f"{name}_se": error for name, error in standard_errors(probability, *labels[:2]).items()}
    row: dict[str, Any] = {"method": "embedllm", "title": "EmbedLLM", "side": side, "seeds": len(models)}
    for name in METRICS:
        values = [metrics[name] for metrics in per_seed]
        row[name] = fmean(values)
        # ROC-AUC is NaN where all answers have one label; NaN has no deviation, and `stdev` fails on it.
        if len(values) > 1 and all(map(isfinite, values)):
            row[f"{name}_sd"] = stdev(values)
    row |= errors
    if len(models) == 1:
        return [row]
    together = evaluate(probability, *labels) | errors
    title = f"EmbedLLM, {len(models)} seeds averaged"
    note = "what the artifact predicts"
    averaged = {
        "method": "embedllm_averaged",
        "title": title,
        "side": side,
        "seeds": len(models),
        **together,
        "note": note,
    }
    return [row, averaged]


def _bounds(
    probability: np.ndarray, data: CorrectnessMatrix, questions: np.ndarray, side: Side
) -> list[dict[str, Any]]:
    """What routing earns by chance, with the same shares of questions per model, and at most."""
    labels = Labels(*_labels(data, questions))
    chance = random_by_share(selection_shares(route_by(probability, labels), data.num_models), labels)
    best = oracle(labels)
    common = {"side": side, "seeds": 1}
    return [
        {"method": "random_by_share", "title": "random, same shares", **common, "routing_micro": chance}
        | {"note": "routes at random, each model as often as EmbedLLM chooses it"},
        {"method": "oracle", "title": "oracle", **common, "routing_micro": best.micro}
        | {"routing_macro": best.macro, "note": "routes in hindsight, to a model that is right if there is one"},
    ]


def _labels(data: CorrectnessMatrix, questions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right answers, attempts and benchmarks of some questions."""
    return data.correct[:, questions], data.attempts[:, questions], data.benchmarks[questions]


def _as_first_seed(split: Split, config: FitConfig) -> Split:
    """The split with the training questions the first seed uses."""
    if config.training_questions is None:
        return split
    train = nested_subset(split.train, config.training_questions, seed=config.seed)
    return Split(split.name, train, split.val, split.test, seed=split.seed)
