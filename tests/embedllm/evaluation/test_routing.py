"""Routing against loops over questions."""

import math

import numpy as np
import pytest

from embedllm.evaluation.lookup import SMOOTHING, AccuracyTable
from embedllm.evaluation.routing import Labels, oracle, random_by_share, route_by, routing_metrics, selection_shares


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


def test_shares_oracle_and_chance_agree_with_loops(labels):
    probability = np.random.default_rng(1).random(labels.attempts.shape)
    rewards = naive_rewards(probability, labels)
    routed = route_by(probability, labels)
    assert routed.micro == pytest.approx(np.mean([reward for _, reward in rewards.values()]))
    shares = np.bincount([chosen for chosen, _ in rewards.values()], minlength=len(probability)) / len(rewards)
    assert selection_shares(routed, len(probability)) == pytest.approx(shares)

    # oracle: the best cell of every question
    cells = labels.correct / np.maximum(labels.attempts, 1)
    assert oracle(labels).micro == pytest.approx(np.mean([cells[:, question].max() for question in rewards]))

    # random by share: sum of share times accuracy of each model on the questions it has labels on
    accuracy = [cells[m, labels.attempts[m] > 0].mean() for m in range(len(cells))]
    assert random_by_share(shares, labels) == pytest.approx(shares @ accuracy)


def test_without_labels_there_are_no_shares():
    empty = np.zeros((2, 3), dtype=np.uint8)
    routed = route_by(np.full((2, 3), 0.5), Labels(empty, empty, np.array(["a"] * 3)))
    assert np.isnan(selection_shares(routed, 2)).all()


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
