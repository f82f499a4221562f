"""The end of a sweep: the best configuration once more, on the test questions, beside everything it should beat."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedllm.artifact import mean_probability, save_artifact
from embedllm.config import FitConfig
from embedllm.errors import EmbedLLMError
from embedllm.evaluation.baselines import evaluate_baselines
from embedllm.evaluation.bootstrap import standard_errors
from embedllm.evaluation.report import METRICS
from tune.data import SweepData
from tune.fitting import PackFitter
from tune.folder import WINNER_FOLDER, WINNER_TABLE
from tune.labels import config_label
from tune.records import TrialRecord

if TYPE_CHECKING:
    from tune.runner import Sweep


@dataclass(frozen=True)
class Winner:
    """The winner on the test questions, which nothing was selected by.

    Args:
        trial: its number.
        config: its configuration.
        metrics: `val_*`, `test_*` and `train_log_loss`, with `_sd` over seeds.
        rows: tidy comparison on the test questions: the winner, the official recipe, the baselines; columns method,
            title, note, the seven metrics, where seeds were averaged `<metric>_sd`, and of the winner `<metric>_se`,
            the standard error over questions.
        artifact: folder of the saved model, for `embedllm route` and `embedllm evaluate`.
    """

    trial: int
    config: FitConfig
    metrics: Mapping[str, float]
    rows: Sequence[Mapping[str, Any]]
    artifact: Path


def crown(sweep: "Sweep", best: TrialRecord, records: Sequence[TrialRecord]) -> Winner:
    """Train the best configuration once more, in this process, save it, and judge it on the test questions.

    A winner already crowned is read back: the test questions are looked at once per winner.

    Args:
        sweep: data and encodings.
        best: the best trial by the validation questions.
        records: all trials; the baseline's test metrics are taken from there.
    """
    known = read_winner(sweep.folder.path)
    if known is not None and known.trial == best.trial:
        return known
    encodings = sweep.encodings[best.config.encoder]
    source = SweepData(sweep.data, sweep.split, {best.config.encoder: encodings.matrix})
    settings = sweep.folder.config
    fitter = PackFitter(source, seeds=best.seeds, objective=settings.objective, threads=settings.cpus_per_pack or 1)
    [results] = fitter.fit_seeds([best.config])
    failed = [result.failure for result in results if result.failure is not None]
    if failed:
        raise EmbedLLMError(f"trial {best.trial} succeeded in the search but not when trained again: {failed[0]}")
    metrics = fitter.metrics(best.config.encoder, results, ("val", "test"))

    rows = [_row("winner", f"trial {best.trial}: {config_label(best.config)}", metrics, "chosen on val")]
    test = sweep.split.test
    probability = mean_probability([r.model for r in results if r.model is not None], encodings.matrix[test])
    errors = standard_errors(probability, sweep.data.correct[:, test], sweep.data.attempts[:, test])
    rows[0] |= {f"{name}_se": error for name, error in errors.items()}
    for record in records:
        if record.role == "baseline" and record.state == "COMPLETE":
            rows.append(_row("paper", f"official recipe: {config_label(record.config)}", record.metrics, ""))
    baselines = evaluate_baselines(sweep.data, sweep.split, encodings.matrix, sides=("test",))
    kept = ["method", "title", "note", *METRICS]
    rows += [{name: row[name] for name in kept} for row in baselines.to_dict("records")]

    artifact = save_artifact(
        sweep.folder.path / WINNER_FOLDER, results, encodings.encoder, sweep.data, sweep.split, metrics
    )
    winner = Winner(best.trial, best.config, metrics, rows, artifact)
    content = {"trial": winner.trial, "config": asdict(winner.config), "metrics": metrics, "rows": rows}
    (sweep.folder.path / WINNER_TABLE).write_text(json.dumps(content, indent=2) + "\n")
    return winner


def read_winner(path: Path) -> Winner | None:
    """The winner crowned last in a sweep's folder, if any."""
    file = path / WINNER_TABLE
    if not file.is_file():
        return None
    content = json.loads(file.read_text())
    return Winner(
        content["trial"],
        FitConfig(**content["config"]),
        content["metrics"],
        content["rows"],
        path / WINNER_FOLDER,
    )


def _row(method: str, title: str, metrics: Mapping[str, float], note: str) -> dict[str, Any]:
    row: dict[str, Any] = {"method": method, "title": title, "note": note}
    for name in METRICS:
        for key in (name, f"{name}_sd"):
            if f"test_{key}" in metrics:
                row[key] = metrics[f"test_{key}"]
    return row
