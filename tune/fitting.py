"""Train a pack and judge its trials: what a worker does, free of Ray, Optuna and MLflow."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev

import numpy as np
import torch

from embedllm.config import FitConfig
from embedllm.evaluation.report import evaluate
from embedllm.training import FitData, FitResult, fit_many
from tune.data import SweepData
from tune.packing import Pack
from tune.pruning import PackPruner
from tune.records import TrialRecord, TrialState


class PackFitter:
    """Trains packs on one device. Its tensors are built once per encoder and stay on the device.

    Args:
        source: the data.
        seeds: seeds per trial; trial seeds are the configuration's seed and those after it.
        objective: metric a pruner follows.
        threads: CPU threads to train with. On a machine that is busy with other packs, more than its share make a fit
            not faster but slower by orders of magnitude: OpenMP threads wait for the one that is not scheduled.
    """

    def __init__(self, source: SweepData, *, seeds: int, objective: str, threads: int = 1) -> None:
        self._source = source
        self._seeds = seeds
        self._objective = objective
        self._threads = threads
        self._fit_data: dict[str, FitData] = {}

    def fit_data(self, encoder: str) -> FitData:
        """Training and validation tensors of one encoder."""
        if encoder not in self._fit_data:
            self._fit_data[encoder] = FitData.build(
                self._source.data, self._source.split, self._source.encodings[encoder]
            )
        return self._fit_data[encoder]

    def fit(self, pack: Pack, pruner: PackPruner | None = None) -> list[TrialRecord]:
        """Train every trial x seed of the pack fused; a record per trial, in order. A diverged trial does not raise."""
        by_trial = self.fit_seeds([config for _, config in pack.trials], [number for number, _ in pack.trials], pruner)
        return [
            self.record(number, config, results, pack)
            for (number, config), results in zip(pack.trials, by_trial, strict=True)
        ]

    def fit_seeds(
        self, configs: Sequence[FitConfig], numbers: Sequence[int] = (), pruner: PackPruner | None = None
    ) -> list[list[FitResult]]:
        """Results per configuration and seed, all on one encoder.

        Args:
            configs: the configurations; member seeds are `config.seed`, `config.seed + 1`…
            numbers: trial number of each configuration, for the pruner.
            pruner: told the objective of every trial after every epoch, the mean over its seeds.
        """
        members = [config.replace(seed=config.seed + step) for config in configs for step in range(self._seeds)]

        def drop(epoch: int, losses: np.ndarray, accuracies: np.ndarray) -> Iterable[int]:
            if pruner is None:
                return []
            values = losses if self._objective == "val_log_loss" else accuracies
            means = values.reshape(len(configs), self._seeds).mean(axis=1)
            dropped = pruner.report(epoch, dict(zip(numbers, means.tolist(), strict=True)))
            places = [place for place, number in enumerate(numbers) if number in set(dropped)]
            return [place * self._seeds + step for place in places for step in range(self._seeds)]

        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            results = fit_many(members, self.fit_data(configs[0].encoder), on_epoch=drop if pruner else None)
        finally:
            torch.set_num_threads(before)
        return [results[start : start + self._seeds] for start in range(0, len(results), self._seeds)]

    def record(self, number: int, config: FitConfig, results: Sequence[FitResult], pack: Pack) -> TrialRecord:
        """What a trial's seeds say together: means, standard deviations, mean curves; it fails if one of them did."""
        failed = [result for result in results if result.failure is not None]
        state: TrialState = "COMPLETE"
        reason = None
        metrics: dict[str, float] = {}
        if failed:
            state, reason = "FAIL", f"seed {failed[0].config.seed}: {failed[0].failure}"
        else:
            if any(result.stopped == "pruned" for result in results):
                state = "PRUNED"
                reason = f"pruned after epoch {max(result.epochs_run for result in results)} of {config.epochs}"
            # The baseline is fixed beforehand, nothing is selected by its test metrics.
            sides = ("val", "test") if pack.role == "baseline" else ("val",)
            metrics = self.metrics(config.encoder, results, sides)
            if self._objective not in metrics:
                state, reason = "FAIL", f"{self._objective} is not a number on the validation questions"
        curves = _mean_curves(results)
        return TrialRecord(
            trial=number,
            state=state,
            config=config,
            seeds=len(results),
            role=pack.role,
            metrics=metrics,
            curves=curves,
            best_epoch=None if failed else round(fmean(result.best_epoch for result in results)),
            budget=max(result.epochs_run for result in results),
            seconds=sum(result.seconds for result in results),
            reason=reason,
        )

    def evaluate_side(self, encoder: str, result: FitResult, side: str) -> dict[str, float]:
        """All metrics of one trained model on one side of the split, named `val_accuracy` and so on."""
        assert result.model is not None
        data, questions = self._source.data, getattr(self._source.split, side)
        probability = result.model.predict_proba(self._source.encodings[encoder][questions])
        labels = data.correct[:, questions], data.attempts[:, questions], data.benchmarks[questions]
        found = evaluate(probability, *labels)
        return {f"{side}_{name}": value for name, value in found.items()}

    def metrics(self, encoder: str, results: Sequence[FitResult], sides: Sequence[str]) -> dict[str, float]:
        """Mean and standard deviation over seeds of every metric on the given sides, and of the training log-loss."""
        per_seed = []
        for result in results:
            values = {"train_log_loss": result.history["train_log_loss"][result.best_epoch - 1]}
            for side in sides:
                values |= self.evaluate_side(encoder, result, side)
            per_seed.append(values)
        return mean_and_sd(per_seed)


def mean_and_sd(per_seed: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean over seeds of each metric and, for two seeds or more, its standard deviation (ddof 1) as `<name>_sd`.

    Metrics undefined for a seed (ROC-AUC where all labels are equal) are left out: NaN is never reported.
    """
    metrics: dict[str, float] = {}
    for name in per_seed[0]:
        values = [seed[name] for seed in per_seed]
        if not np.isfinite(values).all():
            continue
        metrics[name] = fmean(values)
        if len(values) > 1:
            metrics[f"{name}_sd"] = stdev(values)
    return metrics


def _mean_curves(results: Sequence[FitResult]) -> dict[str, list[float]]:
    """Mean over seeds per epoch, up to the first epoch that a seed did not reach or where it diverged."""
    curves = {}
    for name in results[0].history:
        means = [fmean(values) for values in zip(*(result.history[name] for result in results), strict=False)]
        finite = np.isfinite(means)
        curves[name] = means if finite.all() else means[: int(finite.argmin())]
    return curves
