"""What a pack's pruner is given to compare with, by the dispatcher."""

import random
from pathlib import Path

import pytest

from embedllm.config import FitConfig
from tests.tune.engine.driving import dispatcher, train
from tune.config import SearchSpace, SweepConfig
from tune.engine.dispatch import GENERATION, Dispatcher, Order
from tune.search.study import SweepStudy


def test_pruners_see_the_curves_of_equal_budget(tmp_path: Path) -> None:
    space = SearchSpace(epochs=[2, 4], learning_rate=[0.01])
    with SweepStudy(tmp_path, SweepConfig(trials=12, space=space, pruner="median"), 1000) as study:
        subject = dispatcher(study, slots=1)
        seen = 0
        while not subject.done:
            order = subject.next_order("p")
            if order is None:
                continue
            epochs = order.pack.trials[0][1].epochs
            done = {r.trial: r for r in study.records() if r.role == "trial" and r.state == "COMPLETE"}
            expected = {number for number, r in done.items() if r.config.epochs == epochs}
            if order.pack.role == "trial":
                assert set(order.history.complete) == expected
                seen += len(expected)
            subject.finished("p", train(order.pack))
        assert seen > 0


PRUNED_MODE = SweepConfig(
    trials=3 * GENERATION, deterministic=True, sampler="random", pruner="hyperband",
    space=SearchSpace(learning_rate=[0.01], epochs=[9]),
)  # fmt: skip


def compared(subject: Dispatcher, rng: random.Random, limit: int = 10**6) -> dict[FitConfig, tuple[object, ...]]:
    """Configuration -> the curves its pruner compared with, and the number its bracket is made of."""
    found: dict[FitConfig, tuple[object, ...]] = {}
    running: list[tuple[str, Order]] = []
    for count in range(limit):
        while (order := subject.next_order(f"{count}-{len(running)}")) is not None:
            running.append((f"{count}-{len(running)}", order))
            for number, config in order.pack.trials:
                seen = sorted(curve[-1] for curve in order.history.complete.values())
                found[config] = tuple(seen), order.history.origins.get(number, number)
        if not running:
            break
        key, order = running.pop(rng.randrange(len(running)))
        subject.finished(key, train(order.pack))
    return found


@pytest.mark.parametrize(("slots", "size"), [(1, 2), (2, 5), (3, 16)])
def test_deterministic_pruning_compares_with_earlier_generations_only(tmp_path: Path, slots: int, size: int) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    with SweepStudy(tmp_path / "one", PRUNED_MODE, 1000) as study:
        alone = compared(dispatcher(study, slots=1, pack_size=1), random.Random(0))
    with SweepStudy(tmp_path / "other", PRUNED_MODE, 1000) as study:
        assert compared(dispatcher(study, slots=slots, pack_size=size), random.Random(1)) == alone
    assert len({seen for seen, _ in alone.values()}) == 3, "one history for each generation"


@pytest.mark.parametrize("cut", [3, 7])
def test_deterministic_pruning_survives_a_crash(tmp_path: Path, cut: int) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    with SweepStudy(tmp_path / "whole", PRUNED_MODE, 1000) as study:
        whole = compared(dispatcher(study), random.Random(0))
    crashed = SweepStudy(tmp_path / "cut", PRUNED_MODE, 1000)
    compared(dispatcher(crashed), random.Random(1), limit=cut)
    crashed._lock.close()
    with SweepStudy(tmp_path / "cut", PRUNED_MODE, 1000) as study:
        rest = compared(dispatcher(study), random.Random(2))
    assert 0 < len(rest) < len(whole)
    assert {config: whole[config][0] for config in rest} == {config: seen for config, (seen, _) in rest.items()}
    lost = {config for config, (_, origin) in rest.items() if origin == whole[config][1]}
    assert lost, "a trial that was lost keeps its bracket"
