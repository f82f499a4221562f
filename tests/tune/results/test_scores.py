"""Scores per question: kept beside the journal, compared in pairs, and never trusted blindly."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedllm.config import FitConfig
from embedllm.evaluation import BOOTSTRAP_METRICS, evaluate, standard_errors
from embedllm.evaluation.bootstrap import bootstrap_intervals, question_totals
from tune.records import TrialRecord
from tune.results.scores import (
    SCORES_DTYPE,
    delta_intervals,
    intervals_to,
    mean_score,
    question_scores,
    read_scores,
    standard_error,
    write_scores,
)

MODELS, QUESTIONS = 5, 60
RNG = np.random.default_rng(0)
ATTEMPTS = RNG.integers(0, 3, (MODELS, QUESTIONS)).astype(np.uint8)
ATTEMPTS[:, :3] = 0  # questions without any label
CORRECT = RNG.binomial(ATTEMPTS, 0.6).astype(np.uint8)
BENCHMARKS = np.full(QUESTIONS, "b")


def forecast(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05, 0.95, (MODELS, QUESTIONS))


def record(number: int, seeds: tuple[int, ...], role: str = "trial", side: str = "val") -> TrialRecord:
    """A trial whose seeds forecast as :func:`forecast` does."""
    per_seed = [evaluate(forecast(seed), CORRECT, ATTEMPTS, BENCHMARKS) for seed in seeds]
    metrics = {f"{side}_{name}": float(np.mean([values[name] for values in per_seed])) for name in per_seed[0]}
    scores = question_scores([forecast(seed) for seed in seeds], CORRECT, ATTEMPTS)
    return TrialRecord(number, "COMPLETE", FitConfig(), len(seeds), role, metrics, scores={side: scores})  # type: ignore[arg-type]


def kept(folder: Path, *records: TrialRecord) -> list[TrialRecord]:
    """The records as they are read back: in the folder are their scores."""
    for one in records:
        write_scores(folder, one)
    return [dataclasses.replace(one, scores={}) for one in records]


@pytest.mark.parametrize("metric", BOOTSTRAP_METRICS)
def test_scores_add_up_to_the_mean_over_seeds_of_the_metric(metric: str) -> None:
    one = record(0, (1, 2, 3))
    assert mean_score(one.scores["val"], metric) == pytest.approx(one.metrics[f"val_{metric}"], abs=1e-6)


@pytest.mark.parametrize("metric", BOOTSTRAP_METRICS)
def test_the_standard_error_of_one_seed_is_that_of_its_probabilities(metric: str) -> None:
    scores = question_scores([forecast(1)], CORRECT, ATTEMPTS)
    assert standard_error(scores, metric) == pytest.approx(
        standard_errors(forecast(1), CORRECT, ATTEMPTS)[metric], rel=1e-5
    )


@pytest.mark.parametrize("metric", BOOTSTRAP_METRICS)
def test_intervals_agree_with_a_bootstrap_of_each_pair_alone(metric: str) -> None:
    reference, *others = (question_scores([forecast(seed)], CORRECT, ATTEMPTS) for seed in range(4))
    found = intervals_to(reference, others, metric)
    for seed, (low, high) in enumerate(found, start=1):
        totals, weights = question_totals(metric, forecast(seed), CORRECT, ATTEMPTS)
        alone = bootstrap_intervals(
            totals[:, None], question_totals(metric, forecast(0), CORRECT, ATTEMPTS)[0], weights
        )
        assert (low, high) == (pytest.approx(alone[0][0], abs=1e-6), pytest.approx(alone[1][0], abs=1e-6))


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(1, 5)), st.integers(1, 4))
def test_an_interval_does_not_depend_on_its_companions(order: list[int], count: int) -> None:
    def scores(seed: int) -> np.ndarray:
        return question_scores([forecast(seed)], CORRECT, ATTEMPTS)

    together = intervals_to(scores(0), [scores(seed) for seed in order[:count]], "log_loss")
    for seed, interval in zip(order, together, strict=False):
        assert interval == pytest.approx(intervals_to(scores(0), [scores(seed)], "log_loss")[0], abs=1e-12)


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    one = record(7, (1, 2))
    [back] = kept(tmp_path, one)
    np.testing.assert_array_equal(read_scores(tmp_path, back), one.scores["val"])
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["trial-7.val.npy"], "nothing half-written stays"
    assert (tmp_path / "scores" / "trial-7.val.npy").stat().st_size < 200 + QUESTIONS * SCORES_DTYPE.itemsize


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-10]),
        lambda file: file.write_bytes(b"\x93NUMPY nonsense"),
        lambda file: np.save(file, np.zeros(3)),
    ],
    ids=["lost", "empty", "cut off", "nonsense", "other array"],
)
def test_a_damaged_file_is_no_file(tmp_path: Path, damage: object) -> None:
    [back] = kept(tmp_path, record(7, (1, 2)))
    damage(tmp_path / "scores" / "trial-7.val.npy")  # type: ignore[operator]
    assert read_scores(tmp_path, back) is None


def test_a_file_of_another_trial_is_not_believed(tmp_path: Path) -> None:
    kept(tmp_path, record(7, (1, 2)))
    other = dataclasses.replace(record(7, (3, 4)), scores={})
    assert read_scores(tmp_path, other) is None


def test_deltas_to_the_baseline_have_intervals_around_them(tmp_path: Path) -> None:
    baseline, *trials = kept(tmp_path, record(0, (9,), "baseline"), record(0, (1, 2)), record(1, (3, 4)))
    found = delta_intervals(tmp_path, trials, baseline, "val_log_loss")
    assert set(found.bounds) == {("trial", 0), ("trial", 1)}
    assert found.missing is None
    assert found.questions == np.count_nonzero(ATTEMPTS.any(axis=0))
    for trial in trials:
        low, high = found.bounds["trial", trial.trial]
        assert low < trial.metrics["val_log_loss"] - baseline.metrics["val_log_loss"] < high


def test_what_cannot_have_an_interval_says_why(tmp_path: Path) -> None:
    baseline, first, second = kept(tmp_path, record(0, (9,), "baseline"), record(0, (1,)), record(1, (2,)))
    trials = [first, second]
    assert delta_intervals(tmp_path, trials, baseline, "val_ece").missing == "val_ece is not a mean over questions"
    assert delta_intervals(tmp_path, trials, None, "val_log_loss").bounds == {}
    (tmp_path / "scores" / "trial-1.val.npy").unlink()
    some = delta_intervals(tmp_path, trials, baseline, "val_log_loss")
    assert set(some.bounds) == {("trial", 0)}
    assert some.missing == "missing for 1 of 2 trials, whose scores per question are lost"
    (tmp_path / "scores" / "baseline-0.val.npy").unlink()
    none = delta_intervals(tmp_path, trials, baseline, "val_log_loss")
    assert none.bounds == {}
    assert none.missing == "the baseline's scores per question are not in the sweep's folder"


def test_one_question_gives_no_interval(tmp_path: Path) -> None:
    one = question_scores([forecast(1)[:, :4]], CORRECT[:, :4], np.maximum(ATTEMPTS[:, :4], [[0, 0, 0, 1]]))
    trials = [TrialRecord(0, "COMPLETE", FitConfig(), 1, role) for role in ("baseline", "trial")]  # type: ignore[arg-type]
    for trial in trials:
        write_scores(tmp_path, dataclasses.replace(trial, scores={"val": one}))
    found = delta_intervals(tmp_path, trials[1:], trials[0], "val_log_loss")
    assert (found.bounds, found.missing) == ({}, "fewer than two validation questions have a label")


def test_scores_on_other_questions_are_not_compared(tmp_path: Path) -> None:
    baseline, trial = kept(tmp_path, record(0, (9,), "baseline"), record(0, (1,)))
    fewer = question_scores([forecast(1)[:, :50]], CORRECT[:, :50], ATTEMPTS[:, :50])
    write_scores(tmp_path, dataclasses.replace(trial, scores={"val": fewer}))
    unchecked = dataclasses.replace(trial, metrics={})
    assert delta_intervals(tmp_path, [unchecked], baseline, "val_log_loss").bounds == {}
