"""Routing metrics and reports against loops over questions."""

import math

import numpy as np
import pytest

from embedllm.errors import DataError
from embedllm.evaluation.lookup import SMOOTHING, AccuracyTable
from embedllm.evaluation.routing import Labels, routing_metrics, routing_report


def naive_rewards(probability, labels):
    """Reward of each question that has a label, by argmax over the models that have one."""
    rewards = {}
    for question in range(labels.attempts.shape[1]):
        eligible = [m for m in range(labels.attempts.shape[0]) if labels.attempts[m, question]]
        if eligible:
            chosen = max(eligible, key=lambda m: (probability[m, question], -m))
            rewards[question] = chosen, labels.correct[chosen, question] / labels.attempts[chosen, question]
    return rewards


def side(data, questions):
    return Labels(data.correct[:, questions], data.attempts[:, questions], data.benchmarks[questions])


@pytest.fixture
def labels(data, split):
    labels = side(data, split.test)
    labels.attempts[:, 0] = labels.correct[:, 0] = 0  # a question nobody was asked
    return labels


def test_metrics_agree_with_a_loop(labels):
    probability = np.round(np.random.default_rng(0).random(labels.attempts.shape), 1)  # with ties
    rewards = naive_rewards(probability, labels)
    metrics = routing_metrics(probability, labels.correct, labels.attempts, labels.benchmarks)
    assert metrics["routing_micro"] == pytest.approx(np.mean([reward for _, reward in rewards.values()]))
    by_benchmark = [
        np.mean([reward for question, (_, reward) in rewards.items() if labels.benchmarks[question] == name])
        for name in set(labels.benchmarks)
    ]
    assert metrics["routing_macro"] == pytest.approx(np.mean(by_benchmark))


def test_without_labels_metrics_are_nan():
    empty = np.zeros((2, 3), dtype=np.uint8)
    metrics = routing_metrics(np.full((2, 3), 0.5), empty, empty, np.array(["a", "a", "b"]))
    assert all(math.isnan(value) for value in metrics.values())


def test_report_agrees_with_loops(data, split, labels):
    reference = side(data, split.train)
    probability = np.random.default_rng(1).random(labels.attempts.shape)
    report = routing_report(probability, labels, reference)

    rewards = naive_rewards(probability, labels)
    values = np.array([reward for _, reward in rewards.values()])
    assert report.router.micro == pytest.approx(values.mean())
    assert report.router.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(len(values)))
    shares = np.bincount([chosen for chosen, _ in rewards.values()], minlength=len(probability)) / len(rewards)
    assert report.selection_shares == pytest.approx(shares)

    # oracle: the best cell of every question
    cells = labels.correct / np.maximum(labels.attempts, 1)
    best = [cells[:, question].max() for question in rewards]
    assert report.oracle.micro == pytest.approx(np.mean(best))
    assert report.regret == pytest.approx(np.mean(best) - values.mean())

    # random by share: sum of share times accuracy of each model on the questions it has labels on
    accuracy = [cells[m, labels.attempts[m] > 0].mean() for m in range(len(cells))]
    assert report.random_by_share == pytest.approx(shares @ accuracy)

    # single best: ranked on the reference, the next in rank where it has no label
    ranking = reference.correct.sum(axis=1) / reference.attempts.sum(axis=1)
    single = naive_rewards(np.repeat(ranking[:, None], probability.shape[1], axis=1), labels)
    assert report.single_best.micro == pytest.approx(np.mean([reward for _, reward in single.values()]))


def test_reports_as_numbers_and_tables(data, split, labels):
    probability = np.random.default_rng(1).random(labels.attempts.shape)
    report = routing_report(probability, labels, side(data, split.train))
    numbers = report.to_dict()
    assert set(numbers) >= {"routing_micro", "routing_macro", "routing_regret", "routing_oracle"}
    table = report.table().set_index("router")
    assert list(table.index) == ["router", "single best model", "random by share", "benchmark lookup", "oracle"]
    assert table.loc["router", "routing_micro"] == numbers["routing_micro"]
    assert table.loc["oracle", "regret"] == 0
    assert table.loc["random by share", "routing_micro"] == numbers["routing_random_by_share"]
    per_benchmark = report.benchmark_table()
    assert list(per_benchmark.index) == ["code", "law", "maths"]
    weighted = np.average(per_benchmark["router"], weights=per_benchmark["questions"])
    assert weighted == pytest.approx(numbers["routing_micro"])


def test_single_best_is_not_chosen_on_the_questions_it_is_judged_on():
    # Model 0 wins on the reference, model 1 on the test questions.
    attempts = np.ones((2, 4), dtype=np.uint8)
    wins_0 = np.array([[1] * 4, [0] * 4], dtype=np.uint8)
    names = np.array(["a"] * 4)
    report = routing_report(np.ones((2, 4)) / 2, Labels(1 - wins_0, attempts, names), Labels(wins_0, attempts, names))
    assert report.single_best.micro == 0
    assert report.oracle.micro == 1


def test_lookup_router_falls_back_to_the_best_model_on_an_unknown_benchmark():
    attempts = np.ones((2, 3), dtype=np.uint8)
    reference = Labels(np.array([[1, 1, 0], [0, 0, 1]], dtype=np.uint8), attempts, np.array(["a", "a", "b"]))
    judged = Labels(np.array([[1, 0, 1], [0, 1, 0]], dtype=np.uint8), attempts, np.array(["a", "b", "unseen"]))
    report = routing_report(np.ones((2, 3)), judged, reference)
    assert report.benchmark_lookup.chosen.tolist() == [0, 1, 0]
    assert report.benchmark_lookup.micro == 1


def test_report_needs_a_label():
    empty = np.zeros((2, 3), dtype=np.uint8)
    labels = Labels(empty, empty, np.array(["a"] * 3))
    with pytest.raises(DataError, match="none of them has a graded answer; choose questions with labels"):
        routing_report(np.ones((2, 3)), labels, labels)


def test_accuracy_table_counts_answers(data):
    table = AccuracyTable.count(data.correct, data.attempts, data.benchmarks)
    assert table.names.tolist() == ["code", "law", "maths"]
    law = data.benchmarks == "law"
    right, answers = data.correct[2, law].sum(), data.attempts[2, law].sum()
    overall = data.correct[2].sum() / data.attempts[2].sum()
    assert table.overall[2] == pytest.approx(overall)
    assert table.accuracy[2, 1] == pytest.approx((right + SMOOTHING * overall) / (answers + SMOOTHING))
    looked_up = table.look_up(np.array(["law", "unheard of"]))
    assert looked_up[:, 0] == pytest.approx(table.accuracy[:, 1])
    assert looked_up[:, 1] == pytest.approx(table.overall)


def test_a_model_without_labels_is_as_good_as_the_pool():
    attempts = np.array([[1, 1], [0, 0]], dtype=np.uint8)
    correct = np.array([[1, 0], [0, 0]], dtype=np.uint8)
    table = AccuracyTable.count(correct, attempts, np.array(["a", "b"]))
    assert table.overall.tolist() == [0.5, 0.5]
    assert table.accuracy[1].tolist() == [0.5, 0.5]
