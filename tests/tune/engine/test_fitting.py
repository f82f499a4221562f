"""What a worker does with a pack: the same as fitting each trial by itself, and failures stay with their trial."""

import time
from statistics import mean, stdev

import numpy as np
import pytest

from embedllm.config import FitConfig, preset
from embedllm.data.simulate import simulate
from embedllm.data.splits import random_split
from embedllm.evaluation.metrics import correctness_metrics
from embedllm.training import FitData, fit
from embedllm.training.fused import FusedRun
from tune.config import SweepConfig
from tune.data import SweepData
from tune.engine.dispatch import Order
from tune.engine.fitting import PackFitter, mean_and_sd
from tune.engine.packing import Pack
from tune.engine.worker import PackWorker, SweepPayload
from tune.results.scores import mean_score
from tune.search.pruning import History, PackPruner

FAST = preset("fast").replace(encoder="noise", embedding_dim=6, epochs=4, batch_questions=32)
SEEDS = 2


def busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@pytest.fixture(scope="module")
def source() -> SweepData:
    data = simulate(models=8, questions=240, seed=1)
    rng = np.random.default_rng(0)
    return SweepData(data, random_split(data, seed=0), {"noise": rng.normal(size=(240, 12)).astype(np.float32)})


def pack(*configs: FitConfig, role: str = "trial") -> Pack:
    return Pack(tuple(enumerate(configs)), role)  # type: ignore[arg-type]


def test_members_equal_fits_by_themselves(source: SweepData) -> None:
    configs = [FAST, FAST.replace(noise=0.3, learning_rate=0.03), FAST.replace(training_questions=50)]
    records = PackFitter(source, seeds=SEEDS, objective="val_log_loss").fit(pack(*configs))
    tensors = FitData.build(source.data, source.split, source.encodings["noise"])
    val = source.split.val
    for config, record in zip(configs, records, strict=True):
        alone = [fit(config.replace(seed=seed), tensors) for seed in range(SEEDS)]
        losses = []
        for result in alone:
            assert result.model is not None
            probability = result.model.predict_proba(source.encodings["noise"][val])
            metrics = correctness_metrics(probability, source.data.correct[:, val], source.data.attempts[:, val])
            losses.append(metrics["log_loss"])
        assert record.state == "COMPLETE"
        assert record.metrics["val_log_loss"] == pytest.approx(mean(losses), abs=1e-5)
        assert record.metrics["val_log_loss_sd"] == pytest.approx(stdev(losses), abs=1e-5)
        curve = np.mean([result.history["val_log_loss"] for result in alone], axis=0)
        np.testing.assert_allclose(record.curves["val_log_loss"], curve, atol=1e-5)
        assert record.budget == config.epochs == len(record.curves["val_log_loss"])
        assert record.seeds == SEEDS
        assert record.seconds > 0
        assert record.reason is None
        assert record.best_epoch == round(mean(result.best_epoch for result in alone))


def test_metrics_are_those_of_the_contract(source: SweepData) -> None:
    [record] = PackFitter(source, seeds=1, objective="val_log_loss").fit(pack(FAST))
    names = ("accuracy", "log_loss", "brier", "ece", "roc_auc", "routing_micro", "routing_macro")
    assert set(record.metrics) == {"train_log_loss", *(f"val_{name}" for name in names)}
    [baseline] = PackFitter(source, seeds=2, objective="val_log_loss").fit(pack(FAST, role="baseline"))
    assert {f"test_{name}" for name in names} < set(baseline.metrics)
    assert {f"test_{name}_sd" for name in names} < set(baseline.metrics)


def test_records_carry_the_mean_scores_of_their_seeds(source: SweepData) -> None:
    fitter = PackFitter(source, seeds=SEEDS, objective="val_log_loss")
    [record] = fitter.fit(pack(FAST))
    [baseline] = fitter.fit(pack(FAST, role="baseline"))
    assert set(record.scores) == {"val"}
    assert set(baseline.scores) == {"val", "test"}, "to be compared with the winner on the test questions"
    for side, scores in baseline.scores.items():
        assert len(scores) == len(getattr(source.split, side))
        for metric in ("accuracy", "log_loss", "brier", "routing_micro"):
            assert mean_score(scores, metric) == pytest.approx(baseline.metrics[f"{side}_{metric}"], abs=1e-5)
    [failed] = fitter.fit(pack(FAST.replace(learning_rate=1e30)))
    assert failed.scores == {}


def test_a_diverged_trial_fails_alone(source: SweepData) -> None:
    fitter = PackFitter(source, seeds=SEEDS, objective="val_log_loss")
    good, bad, other = fitter.fit(pack(FAST, FAST.replace(learning_rate=1e30), FAST.replace(noise=0.2)))
    assert [good.state, bad.state, other.state] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert bad.reason is not None
    assert bad.reason.startswith("seed 0: diverged")
    assert bad.metrics == {}
    assert np.isfinite([value for curve in bad.curves.values() for value in curve]).all()
    [alone] = fitter.fit(pack(FAST))
    assert good.metrics["val_log_loss"] == pytest.approx(alone.metrics["val_log_loss"], abs=1e-5)


def test_a_pruned_trial_stops_early_and_the_rest_do_not_notice(source: SweepData) -> None:
    fitter = PackFitter(source, seeds=SEEDS, objective="val_log_loss")
    configs = [FAST, FAST.replace(learning_rate=1e-6), FAST.replace(noise=0.1)]
    history = History(complete={number: [0.68] * 4 for number in range(100, 106)})
    pruner = PackPruner("median", maximize=False, epochs=4, history=history, alone=False)
    good, weak, other = fitter.fit(pack(*configs), pruner)
    assert weak.state == "PRUNED"
    assert weak.budget < 4
    assert weak.reason == f"pruned after epoch {weak.budget} of 4"
    assert len(weak.curves["val_log_loss"]) == weak.budget
    unpruned = fitter.fit(pack(*configs))
    for ours, reference in ((good, unpruned[0]), (other, unpruned[2])):
        if ours.state == "COMPLETE":
            assert ours.metrics["val_log_loss"] == pytest.approx(reference.metrics["val_log_loss"], abs=1e-5)


def test_undefined_metrics_are_left_out() -> None:
    found = mean_and_sd([{"a": 1.0, "b": float("nan")}, {"a": 2.0, "b": 0.5}])
    assert found == {"a": 1.5, "a_sd": pytest.approx(0.5**0.5)}
    assert mean_and_sd([{"a": 1.0}]) == {"a": 1.0}


def test_the_driver_keeps_off_gpus_where_packs_take_none(source: SweepData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    devices = []
    build = FitData.build
    monkeypatch.setattr(FitData, "build", lambda *parts: devices.append(parts[-1]) or build(*parts[:-1], "cpu"))
    for gpus in (0.0, 0.5, None):
        config = SweepConfig(objective="val_accuracy", cpus_per_pack=2, gpus_per_pack=gpus)
        PackFitter.here(source, config, seeds=3).fit_data("noise")
    assert devices == ["cpu", None, None]


def test_the_first_pack_of_a_worker_takes_no_longer_than_the_next(
    source: SweepData, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, trained = FusedRun._train_epoch, []

    def cold_at_first(run: FusedRun, epoch: int) -> None:
        if not trained:
            busy(0.5)  # libraries load, memory is touched
        trained.append(len(run.members))
        train(run, epoch)

    monkeypatch.setattr(FusedRun, "_train_epoch", cold_at_first)
    worker = PackWorker(SweepPayload(SweepConfig(seeds=SEEDS, gpus_per_pack=0), source), 1)
    first, second = (worker(Order(pack(FAST), History({}))).records[0] for _ in range(2))
    assert first.seconds < 0.5
    assert first.metrics == second.metrics
    assert trained == [SEEDS] * (1 + 2 * FAST.epochs), "warmed up once"
