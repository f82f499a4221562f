"""Choosing the pack size and rehearsing a sweep, on made-up speeds."""

import pytest

from tune.config import Range, SearchSpace, SweepConfig
from tune.engine.packing import CPU_MEMBERS, MAX_PACK
from tune.engine.slots import Slots
from tune.planning.memory import GIB, MIB, DataShape
from tune.planning.probe import Throughput
from tune.planning.schedule import PACK_SECONDS, largest_pack, plan_packs, rehearse, rough_seconds, show_seconds

SPACE = SearchSpace(encoder=["e"], embedding_dim=Range(8, 256), training_questions=[1.0], epochs=[10])
CONFIG = SweepConfig(trials=96, seeds=2, space=SPACE)
SHAPE = DataShape(models=20, train=1000, val=100, widths={"e": 64}, weighted=False)
ONE, TWO = Slots(1, 1, 0.0), Slots(2, 1, 0.0)


def speed(epoch_seconds: dict[int, float], trial: float = 0.0, baseline: float = 0.0, **gpu: object) -> Throughput:
    return Throughput(epoch_seconds, trial, baseline, {"e": 1.0}, **gpu)  # type: ignore[arg-type]


def test_a_rehearsal_adds_up() -> None:
    # 8 trials x 2 seeds x 10 epochs of 0.1 s, 1 s a trial besides, and a baseline of 2 seeds x 50 epochs of 0.1 s.
    throughput = speed({1: 0.1}, trial=1.0, baseline=0.1)
    config = CONFIG.replace(trials=8)
    assert rehearse(config, SHAPE, ONE, 4, throughput) == pytest.approx(16 + 8 + 10 + 3 * PACK_SECONDS)
    # The other slot trains the 8 trials in 4 packs of 6 s while the first is at the baseline for 10 s.
    assert rehearse(config, SHAPE, TWO, 2, throughput) == pytest.approx(18, abs=0.2)


def test_half_the_questions_take_half_the_time_and_an_encoder_what_was_measured_of_it() -> None:
    config = CONFIG.replace(trials=1)
    half = config.replace(space=SearchSpace(encoder=["e"], training_questions=[0.5], epochs=[10]))
    full = rehearse(config, SHAPE, ONE, 1, speed({1: 1.0}))
    assert rehearse(half, SHAPE, ONE, 1, speed({1: 1.0})) == pytest.approx((full + 2 * PACK_SECONDS) / 2)
    slow = Throughput({1: 1.0}, 0.0, 0.0, {"e": 3.0})
    assert rehearse(config, SHAPE, ONE, 1, slow) == pytest.approx(60 + 2 * PACK_SECONDS)


def test_long_sweeps_are_rehearsed_in_proportion() -> None:
    short, long = (rehearse(CONFIG.replace(trials=n), SHAPE, ONE, 8, speed({1: 0.1})) for n in (512, 5120))
    assert long == pytest.approx(10 * short)


def test_generations_wait_for_their_slowest_pack() -> None:
    # 16 trials asked for at once, in packs of 16: one slot works, the other waits.
    free = rehearse(CONFIG, SHAPE, TWO, 16, speed({1: 0.1}))
    assert rehearse(CONFIG.replace(deterministic=True), SHAPE, TWO, 16, speed({1: 0.1})) > 1.5 * free


def test_fusing_is_chosen_where_it_pays_and_feedback_where_it_does_not() -> None:
    fused = plan_packs(CONFIG, SHAPE, ONE, None, speed({1: 1.0, 16: 0.1}))
    assert fused.size == 16
    assert "measured: " in fused.reason
    assert "in packs of 16" in fused.reason
    alone = plan_packs(CONFIG, SHAPE, ONE, None, speed({1: 1.0, 16: 1.0}))
    assert alone.size == 1
    assert alone.seconds == pytest.approx(96 * 20 + 97 * PACK_SECONDS, rel=0.01)


def test_a_sampler_that_learns_gets_six_packs_in_a_row() -> None:
    gains = speed({1: 1.0, 16: 0.1})
    assert plan_packs(CONFIG.replace(trials=48), SHAPE, ONE, None, gains).size == 8
    assert plan_packs(CONFIG.replace(trials=48, sampler="random"), SHAPE, ONE, None, gains).size == 16
    assert plan_packs(CONFIG.replace(trials=3), SHAPE, ONE, None, gains).size == 1


def test_without_a_measurement_the_rule_decides() -> None:
    plan = plan_packs(CONFIG, SHAPE, TWO, None, None)
    assert plan.size == -(-CPU_MEMBERS // CONFIG.seeds)
    assert "at least 6 packs in a row per slot, so that the sampler can learn" in plan.reason
    assert plan.seconds is plan.baseline_seconds is None
    unlearning = plan_packs(CONFIG.replace(sampler="random"), SHAPE, TWO, None, None)
    assert plan.size < unlearning.size <= MAX_PACK
    assert "several per slot" in unlearning.reason


def test_memory_bounds_the_pack_unless_it_is_given() -> None:
    room = largest_pack(CONFIG, SHAPE, 4, gpu=False).total / 0.8
    plan = plan_packs(CONFIG, SHAPE, ONE, int(room) + 1, None)
    assert plan.size == 4
    assert plan.reason.startswith("more do not fit into the ")
    assert plan.problem is None
    given = plan_packs(CONFIG.replace(pack=500), SHAPE, ONE, GIB // 2, None)
    assert given.size == 500
    assert given.reason == "as given"
    assert given.problem is not None
    assert given.problem.startswith("a pack of 500 needs about ")
    assert given.problem.endswith("but 512 MiB are available to each pack")


def test_the_largest_pack_is_that_of_the_ends_of_the_space() -> None:
    wide = DataShape(models=20, train=1000, val=100, widths={"e": 64, "f": 768}, weighted=False)
    space = SearchSpace(encoder=["e", "f"], embedding_dim=Range(8, 512))
    both = largest_pack(CONFIG.replace(space=space), wide, 4, gpu=False)
    for encoder in ("e", "f"):
        for dim in ([8], [512]):
            one = CONFIG.replace(space=SearchSpace(encoder=[encoder], embedding_dim=dim))
            assert largest_pack(one, wide, 4, gpu=False).total <= both.total
    # A space of tiny models: the baseline, of dimension 232, needs more.
    tiny = CONFIG.replace(space=SearchSpace(encoder=["e"], embedding_dim=[2]), seeds=20)
    assert largest_pack(tiny, SHAPE, 1, gpu=False).members > 5 * MIB


def test_the_rough_guess_grows_with_the_work_and_shrinks_with_the_machine() -> None:
    guess = rough_seconds(CONFIG, SHAPE, ONE)
    assert 0 < guess < 60
    assert rough_seconds(CONFIG.replace(trials=960), SHAPE, ONE) == pytest.approx(10 * guess)
    assert rough_seconds(CONFIG, SHAPE, Slots(2, 2, 0.0)) == pytest.approx(guess / 4)
    assert rough_seconds(CONFIG, SHAPE, Slots(1, 1, 0.5)) == pytest.approx(guess / 10)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (40, "40 s"), (210, "3.5 min"), (7560, "2.1 h"), (89.6, "90 s")]
)
def test_durations_in_the_unit_one_thinks_in(seconds: float, text: str) -> None:
    assert show_seconds(seconds) == text
