"""`fusible_groups`: who may train fused, cut to the cache, seeds together, halves side by side."""

import pytest
import torch

from embedllm.training import FitData, fit_many, fusible_groups, grouping
from embedllm.training.grouping import fusible_lanes
from embedllm.training.layout import Layout
from embedllm.training.sides import member_sides
from tests.embedllm.training.conftest import BASE, MODELS, assert_same


def test_fusible_groups_cover_every_member_once(problem: FitData):
    configs = [BASE.replace(embedding_dim=d, batch_questions=b) for d in (2, 3, 8, 9, 64) for b in (10, 20)]
    groups = fusible_groups(configs, problem)
    assert sorted(index for group in groups for index in group) == list(range(len(configs)))
    for group in groups:
        dims = sorted({configs[index].embedding_dim for index in group})
        assert dims[-1] < 64 or dims == [64]  # padding 9 columns to 64 would cost more than fusing saves
        assert len({configs[index].batch_questions for index in group}) == 1


def test_on_a_cpu_groups_are_cut_to_its_cache(problem: FitData, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    configs = [BASE.replace(noise=0.01 * k, seed=seed) for k in range(4) for seed in range(3)]
    assert fusible_groups(configs, problem) == [[0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]]
    whole = fit_many(configs, problem)
    read = BASE.batch_shape(MODELS, problem.num_train)[0]
    member, questions = 4 * 4 * Layout(MODELS, problem.width, 16).size, 4 * read * problem.width

    monkeypatch.setattr(grouping, "CACHED", 4 * member + questions)  # a seed's members and the questions they read
    assert fusible_groups(configs, problem) == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    for fused, alone in zip(whole, fit_many(configs, problem), strict=True):
        assert_same(fused, alone)
    monkeypatch.setattr(grouping, "CACHED", 4 * member + questions - 1)  # in halves, but never of two seeds
    assert fusible_groups(configs, problem) == [[0, 3], [6, 9], [1, 4], [7, 10], [2, 5], [8, 11]]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)  # twice the cache
    assert fusible_groups(configs, problem) == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    monkeypatch.setattr(grouping, "CACHED", 1)
    assert [len(group) for group in fusible_groups(configs, problem)] == [1] * 12
    assert fusible_groups(configs, problem, seeds_together=True) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


def test_streams_of_a_part_have_equally_many_members_so_that_they_share_batches(problem: FitData):
    sizes = 120, 120, 100  # in batches of equal shape; each size and seed is a stream
    configs = [
        BASE.replace(training_questions=size, batch_questions=10, noise=0.01 * k, seed=seed)
        for k, size in enumerate(sizes)
        for seed in range(3)
    ]
    assert fusible_groups(configs, problem) == [[6, 7, 8], [0, 3, 1, 4, 2, 5]]


def lanes_of(configs: list, problem: FitData, *, seeds_together: bool = False) -> list[list[list[list[int]]]]:
    sides = member_sides(configs, problem, None)
    return list(fusible_lanes(configs, problem, sides, seeds_together=seeds_together))


@pytest.mark.parametrize(
    ("seeds", "halves"),
    [
        ([0, 0, 0, 0, 1, 1], [[0, 2, 4], [1, 3, 5]]),  # half of every seed's members
        ([0, 1, 2, 3], [[0, 2], [1, 3]]),  # half of the seeds
        ([0, 0, 0, 1, 1, 1], [[0, 1, 2], [3, 4, 5]]),
        ([0, 0, 0], None),
        ([0, 1, 1, 1], None),  # halves would cost unequally much
    ],
)
def test_a_large_group_is_halved_where_the_halves_cost_the_same(
    problem: FitData, seeds: list[int], halves: list[list[int]] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = [BASE.replace(seed=seed, noise=0.01 * k) for k, seed in enumerate(seeds)]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(grouping, "LANE_FLOPS", 1.0)
    (lanes,) = lanes_of(configs, problem)
    found = [sorted(index for group in lane for index in group) for lane in lanes]
    assert found == (halves or [list(range(len(seeds)))])


def test_there_is_one_lane_for_one_thread_for_little_work_and_where_epochs_are_watched(
    problem: FitData, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = [BASE.replace(seed=seed) for seed in range(4)]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert [len(lanes) for lanes in lanes_of(configs, problem)] == [1]
    monkeypatch.setattr(grouping, "LANE_FLOPS", 1.0)
    assert [len(lanes) for lanes in lanes_of(configs, problem)] == [2]
    assert [len(lanes) for lanes in lanes_of(configs, problem, seeds_together=True)] == [1]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert [len(lanes) for lanes in lanes_of(configs, problem)] == [1]


def test_every_lane_has_half_of_the_cache(problem: FitData, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [BASE.replace(noise=0.01 * k) for k in range(8)]
    member = 4 * 4 * Layout(MODELS, problem.width, 16).size
    read = 4 * BASE.batch_shape(MODELS, problem.num_train)[0] * problem.width
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(grouping, "CACHED", 2 * member + read)
    monkeypatch.setattr(grouping, "LANE_FLOPS", 1.0)
    assert lanes_of(configs, problem) == [[[[0, 2], [4, 6]], [[1, 3], [5, 7]]]]
