"""Train a pack and judge its trials: what a worker does, free of Ray, Optuna and MLflow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import fmean, stdev

import numpy as np
import torch

from embedllm.config import FitConfig
from embedllm.evaluation.report import evaluate
from embedllm.training import FitData, FitResult, fit_many
from tune.config import SweepConfig
from tune.data import SweepData
from tune.engine.packing import FusionKey, Pack, fusion_key
from tune.records import TrialRecord, TrialState
from tune.results.scores import question_scores
from tune.search.pruning import PackPruner


class PackFitter:
    """Trains packs on one device. Its tensors are built once per encoder and stay on the device.

    Args:
        source: the data.
        seeds: seeds per trial; trial seeds are the configuration's seed and those after it.
        objective: metric a pruner follows.
        threads: CPU threads to train with. On a machine that is busy with other packs, more than its share make a fit
            not faster but slower by orders of magnitude: OpenMP threads wait for the one that is not scheduled.
        needed: further metrics without which a trial fails: the other objectives, where there are several.
        device: where to train; None = CUDA where present, else CPU.
    """

    def __init__(
        self,
        source: SweepData,
        *,
        seeds: int,
        objective: str,
        threads: int = 1,
        needed: Sequence[str] = (),
        device: str | None = None,
    ) -> None:
        self._source = source
        self._seeds = seeds
        self._objective = objective
        self._needed = dict.fromkeys((objective, *needed))
        self._threads = threads
        self._device = device
        self._fit_data: dict[str, FitData] = {}
        self._warm: set[FusionKey] = set()

    @classmethod
    def here(cls, source: SweepData, config: SweepConfig, *, seeds: int) -> "PackFitter":
        """A fitter in the driver, which sees every GPU of its machine, on the kind of device that the packs have."""
        return cls(
            source,
            seeds=seeds,
            objective=config.objective,
            threads=config.cpus_per_pack or 1,
            device="cpu" if config.gpus_per_pack == 0 else None,
        )

    def fit_data(self, encoder: str) -> FitData:
        """Training and validation tensors of one encoder."""
        if encoder not in self._fit_data:
            self._fit_data[encoder] = FitData.build(
                self._source.data, self._source.split, self._source.encodings[encoder], self._device
            )
        return self._fit_data[encoder]

    def warm_up(self, pack: Pack) -> None:
        """Before the first pack of its kind, train its members on a batch of questions, in vain.

        At the first steps libraries load and memory is touched, which would count as the training time of its trials.
        """
        data = self.fit_data(pack.encoder)
        configs = [config for _, config in pack.trials]
        kinds = {fusion_key(config, data.num_models, data.num_train) for config in configs}
        if kinds <= self._warm:
            return
        batch = min(data.num_train, *(config.batch_for(data.num_models) for config in configs))
        short = [
            config.replace(epochs=1, training_questions=min(batch, config.training_questions or batch))
            for config in self._members(configs)
        ]
        with self._own_threads():
            fit_many(short, data)
        self._warm |= kinds

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
        members = self._members(configs)

        def drop(epoch: int, losses: np.ndarray, accuracies: np.ndarray) -> Iterable[int]:
            if pruner is None:
                return []
            values = losses if self._objective == "val_log_loss" else accuracies
            means = values.reshape(len(configs), self._seeds).mean(axis=1)
            dropped = pruner.report(epoch, dict(zip(numbers, means.tolist(), strict=True)))
            places = [place for place, number in enumerate(numbers) if number in set(dropped)]
            return [place * self._seeds + step for place in places for step in range(self._seeds)]

        data = self.fit_data(configs[0].encoder)
        with self._own_threads():
            results = fit_many(members, data, on_epoch=drop if pruner else None)
        return [results[start : start + self._seeds] for start in range(0, len(results), self._seeds)]

    def _members(self, configs: Sequence[FitConfig]) -> list[FitConfig]:
        return [config.replace(seed=config.seed + step) for config in configs for step in range(self._seeds)]

    @contextmanager
    def _own_threads(self) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def record(self, number: int, config: FitConfig, results: Sequence[FitResult], pack: Pack) -> TrialRecord:
        """What a trial's seeds say together: means, standard deviations, mean curves; it fails if one of them did."""
        failed = [result for result in results if result.failure is not None]
        state: TrialState = "COMPLETE"
        reason = None
        metrics: dict[str, float] = {}
        scores: dict[str, np.ndarray] = {}
        if failed:
            state, reason = "FAIL", f"seed {failed[0].config.seed}: {failed[0].failure}"
        else:
            if any(result.stopped == "pruned" for result in results):
                state = "PRUNED"
                reason = f"pruned after epoch {max(result.epochs_run for result in results)} of {config.epochs}"
            # The baseline is fixed beforehand, nothing is selected by its test metrics.
            sides = ("val", "test") if pack.role == "baseline" else ("val",)
            metrics, scores = self.judge(config.encoder, results, sides)
            missing = [name for name in self._needed if name not in metrics]
            if missing:
                state, reason = "FAIL", f"{' and '.join(missing)} is not a number on the validation questions"
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
            parameters=_num_parameters(results[0]),
            reason=reason,
            scores=scores if state == "COMPLETE" else {},
        )

    def judge(
        self, encoder: str, results: Sequence[FitResult], sides: Sequence[str]
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """A trial's trained models on some sides of the split.

        Returns:
            Mean and standard deviation over seeds of every metric, named `val_accuracy`, `val_accuracy_sd` and so on,
            and of `train_log_loss`; and side -> scores per question (:func:`tune.results.scores.question_scores`).
        """
        data = self._source.data
        per_seed = [{"train_log_loss": result.history["train_log_loss"][result.best_epoch - 1]} for result in results]
        scores = {}
        for side in sides:
            questions = getattr(self._source.split, side)
            encodings = self._source.encodings[encoder][questions]
            labels = data.correct[:, questions], data.attempts[:, questions]
            probabilities = [result.model.predict_proba(encodings) for result in results if result.model is not None]
            for values, probability in zip(per_seed, probabilities, strict=True):
                found = evaluate(probability, *labels, data.benchmarks[questions])
                values |= {f"{side}_{name}": value for name, value in found.items()}
            scores[side] = question_scores(probabilities, *labels)
        return mean_and_sd(per_seed), scores


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


def _num_parameters(result: FitResult) -> int | None:
    """Number of trained parameters, M·d + D·d + d and the head's; None for a fit that failed."""
    return None if result.model is None else sum(tensor.numel() for tensor in result.model.tensors().values())


def _mean_curves(results: Sequence[FitResult]) -> dict[str, list[float]]:
    """Mean over seeds per epoch, up to the first epoch that a seed did not reach or where it diverged."""
    curves = {}
    for name in results[0].history:
        means = [fmean(values) for values in zip(*(result.history[name] for result in results), strict=False)]
        finite = np.isfinite(means)
        curves[name] = means if finite.all() else means[: int(finite.argmin())]
    return curves
