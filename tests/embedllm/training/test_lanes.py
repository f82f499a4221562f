"""Groups side by side train as they do alone, and end together."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from embedllm.training import FitData, fit, fit_many, grouping
from embedllm.training.lanes import side_by_side
from tests.embedllm.training.conftest import BASE, assert_same

LANES = [[[0], [1]], [[2], [3]]]


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_members_of_two_lanes_equal_single_fits(problem: FitData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "LANE_FLOPS", 1.0)
    configs = [BASE.replace(seed=seed, embedding_dim=dim, noise=0.1) for dim in (4, 6) for seed in range(3)]
    results = fit_many(configs, problem)
    for config, result in zip(configs, results, strict=True):
        assert result.config == config
        assert_same(fit(config, problem), result)
        assert result.seconds > 0


@pytest.mark.usefixtures("two_threads")
def test_lanes_run_at_the_same_time_with_a_share_of_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = threading.Barrier(2)  # passed only by two at once

    def train(group: list[int], after_epoch: Callable) -> tuple[list[int], int]:
        meeting.wait(30)
        assert list(after_epoch(1, np.zeros(1), np.zeros(1))) == []
        return group, torch.get_num_threads()

    assert side_by_side(LANES, train) == [([0], 1), ([1], 1), ([2], 1), ([3], 1)]
    assert torch.get_num_threads() == 2
    found: list[int] = []
    later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert found == [2]


def train_until_stopped(group: list[int], after_epoch: Callable) -> list[int]:
    for epoch in range(3000):
        if list(after_epoch(epoch, np.zeros(2), np.zeros(2))) == [0, 1]:
            return group
        time.sleep(0.01)
    raise AssertionError("never told to stop")


def test_a_lane_that_fails_stops_the_other_after_its_epoch() -> None:
    ended: list[list[int]] = []

    def train(group: list[int], after_epoch: Callable) -> None:
        if group == [0]:
            raise MemoryError("no room")
        ended.append(train_until_stopped(group, after_epoch))

    with pytest.raises(MemoryError, match="no room"):
        side_by_side(LANES, train)
    assert ended in ([[2]], [])  # the other lane's first group ended early, or never began


def test_ctrl_c_stops_all_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[list[int]] = []

    def interrupted(futures: list) -> None:
        while not all(future.running() for future in futures):
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr("embedllm.training.lanes.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        side_by_side(LANES, lambda group, after_epoch: ended.append(train_until_stopped(group, after_epoch)))
    assert sorted(ended) == [[0], [2]]
