"""The driver's state machine, without Ray: whatever workers do, the sweep ends with exactly its target."""

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.tune.engine.driving import Log, dispatcher, drive, train
from tune.config import Range, SearchSpace, SweepConfig
from tune.engine.dispatch import GENERATION, Outcome
from tune.engine.packing import ROUNDS, Pack
from tune.records import TrialRecord
from tune.results.scores import SCORES_DTYPE
from tune.search.study import SweepStudy, read_records


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("deaths", [0.0, 0.3])
def test_ends_with_exactly_the_target(tmp_path: Path, seed: int, deterministic: bool, deaths: float) -> None:
    config = SweepConfig(trials=37, seed=seed, sampler="random", deterministic=deterministic)
    log = Log()
    with SweepStudy(tmp_path, config, 1000) as study:
        drive(dispatcher(study, log), random.Random(seed), deaths=deaths)
    records = [record for record in read_records(tmp_path) if record.role == "trial"]
    assert sum(record.state == "COMPLETE" for record in records) == 37
    assert all(record.state in ("COMPLETE", "FAIL") for record in records)
    # Every trial's end is told once, the baseline's too.
    told = [(record.role, record.trial) for record in log.finished]
    assert len(told) == len(set(told)) == len(records) + 1
    assert set(log.started) == set(told)


def test_deterministic_mode_asks_the_same_at_any_parallelism(tmp_path: Path) -> None:
    found = []
    for place, (slots, pack_size) in enumerate([(1, 1), (2, 4), (5, 16)]):
        folder = tmp_path / str(place)
        folder.mkdir()
        config = SweepConfig(trials=2 * GENERATION + 5, deterministic=True)
        with SweepStudy(folder, config, 1000) as study:
            drive(dispatcher(study, slots=slots, pack_size=pack_size), random.Random(place), slots=slots)
            found.append([(r.trial, r.state, r.config) for r in study.records() if r.role == "trial"])
    assert found[0] == found[1] == found[2]


def test_a_generation_waits_for_trials_and_not_for_the_baseline(tmp_path: Path) -> None:
    one_kind = SearchSpace(encoder=["lsa"], training_questions=[1.0])
    config = SweepConfig(trials=3 * GENERATION, deterministic=True, sampler="random", space=one_kind)
    with SweepStudy(tmp_path, config, 1000) as study:
        subject = dispatcher(study, slots=3, pack_size=GENERATION)
        baseline, first = subject.next_order("baseline"), subject.next_order("first")
        assert baseline is not None
        assert first is not None
        assert (baseline.pack.role, first.pack.role) == ("baseline", "trial")
        assert subject.next_order("second") is None, "the first generation is being trained"
        assert subject.keeps_idle_workers, "one more will follow"
        subject.finished("first", train(first.pack))
        assert subject.next_order("second") is not None
        assert subject.next_order("third") is None
        subject.stop("interrupted")
        assert not subject.keeps_idle_workers


def test_workers_are_kept_for_generations_only(tmp_path: Path) -> None:
    with SweepStudy(tmp_path, SweepConfig(trials=3), 1000) as study:
        subject = dispatcher(study)
        while subject.next_order(str(len(subject._running))) is not None:
            assert not subject.keeps_idle_workers


@pytest.mark.parametrize("cut", [1, 3, 6, 9])
def test_deterministic_mode_survives_a_crash(tmp_path: Path, cut: int) -> None:
    # Random sampling: TPE also weighs trials by their number, and a trial that is run again gets a new one.
    config = SweepConfig(trials=3 * GENERATION, deterministic=True, sampler="random")
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    with SweepStudy(tmp_path / "whole", config, 1000) as study:
        drive(dispatcher(study), random.Random(0))
    crashed = SweepStudy(tmp_path / "cut", config, 1000)
    drive(dispatcher(crashed), random.Random(1), limit=cut)
    crashed._lock.close()
    log = Log()
    with SweepStudy(tmp_path / "cut", config, 1000) as study:
        drive(dispatcher(study, log), random.Random(2))
        records = study.records()
    whole = {r.config for r in read_records(tmp_path / "whole") if r.role == "trial"}
    again = [r.config for r in records if r.role == "trial" and not r.lost]
    assert set(again) == whole
    assert len(again) == len(whole)
    # The new driver tells of the trials that it finished itself, once each.
    told = {(r.role, r.trial) for r in log.finished}
    assert len(told) == len(log.finished) < len([r for r in records if not r.lost])


def test_the_baseline_runs_first_and_once(tmp_path: Path) -> None:
    config = SweepConfig(trials=3)
    with SweepStudy(tmp_path, config, 1000) as study:
        subject = dispatcher(study)
        order = subject.next_order("a")
        assert order is not None
        assert order.pack.role == "baseline"
        subject.finished("a", train(order.pack))
        drive(subject, random.Random(0))
    with SweepStudy(tmp_path, config, 1000) as study:
        assert dispatcher(study).done


def test_stopping_starts_nothing_more(tmp_path: Path) -> None:
    with SweepStudy(tmp_path, SweepConfig(trials=30), 1000) as study:
        subject = dispatcher(study)
        orders = {key: subject.next_order(key) for key in "ab"}
        subject.stop("interrupted")
        assert not subject.done
        for key, order in orders.items():
            assert order is not None
            subject.finished(key, train(order.pack))
        assert subject.next_order("c") is None
        assert subject.done
        assert subject.stopped == "interrupted"
    states = {record.state for record in read_records(tmp_path)}
    assert "RUNNING" not in states
    with SweepStudy(tmp_path, SweepConfig(trials=30), 1000) as study:
        drive(dispatcher(study), random.Random(0))
        assert sum(r.state == "COMPLETE" and r.role == "trial" for r in study.records()) == 30


def test_a_spent_time_budget_stops(tmp_path: Path) -> None:
    with SweepStudy(tmp_path, SweepConfig(trials=30, time_budget=1e-9), 1000) as study:
        subject = dispatcher(study)
        drive(subject, random.Random(0))
        assert subject.stopped == "the time budget of 1e-09 s is spent"


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr("tune.engine.dispatch.time", SimpleNamespace(monotonic=lambda: seconds))


def test_no_pack_is_started_after_the_time_budget_however_many_are_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    at(monkeypatch, 0.0)
    with SweepStudy(tmp_path, SweepConfig(trials=30, time_budget=5.0, sampler="random"), 1000) as study:
        subject = dispatcher(study, pack_size=1)
        assert subject.next_order("baseline") is not None
        order = subject.next_order("first")
        assert order is not None
        at(monkeypatch, 6.0)
        subject.finished("first", train(order.pack))
        assert subject.next_order("second") is None
        assert subject.next_order("second") is None
        assert subject.stopped == "the time budget of 5 s is spent"
    assert caplog.messages == [
        "the time budget of 5 s is spent; the running packs are finished first (Ctrl-C twice aborts)"
    ]


def test_a_budget_that_ends_while_the_last_pack_trains_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, 0.0)
    space = SearchSpace(learning_rate=[0.01])  # none diverges
    with SweepStudy(tmp_path, SweepConfig(trials=2, time_budget=5.0, space=space), 1000) as study:
        subject = dispatcher(study)
        running = {}
        while (order := subject.next_order(f"pack{len(running)}")) is not None:
            running[f"pack{len(running)}"] = order
            if len(running) == 1:  # the baseline, done at once
                subject.finished("pack0", train(order.pack))
        at(monkeypatch, 6.0)
        for key, order in list(running.items())[1:]:
            subject.finished(key, train(order.pack))
        assert subject.done
        assert subject.stopped is None


def test_a_pack_that_dies_is_split_and_a_trial_that_kills_is_failed(tmp_path: Path) -> None:
    space = SearchSpace(learning_rate=[0.01])
    with SweepStudy(tmp_path, SweepConfig(trials=8, space=space, sampler="random"), 1000) as study:
        subject = dispatcher(study, slots=1, pack_size=8)
        sizes, deadly = [], 3
        while not subject.done:
            order = subject.next_order("p")
            if order is None:
                continue
            numbers = [number for number, _ in order.pack.trials]
            sizes.append(len(numbers))
            if order.pack.role == "trial" and deadly in numbers:
                subject.died("p", "worker killed")
            else:
                subject.finished("p", train(order.pack))
        records = {r.trial: r for r in study.records() if r.role == "trial"}
    assert records[deadly].state == "FAIL"
    assert "its worker died" in (records[deadly].reason or "")
    assert sum(r.state == "COMPLETE" for r in records.values()) == 8
    assert len(records) == 9


def test_out_of_memory_is_tried_again_smaller_and_a_refusal_is_not(tmp_path: Path) -> None:
    with SweepStudy(tmp_path, SweepConfig(trials=4), 1000) as study:
        study.tell(train(Pack((study.ask_baseline(),), "baseline")).records[0])  # type: ignore[arg-type]
        subject = dispatcher(study, slots=1, pack_size=4)
        order = subject.next_order("a")
        assert order is not None
        size = len(order.pack.trials)
        subject.died("a", "out of memory: host")
        smaller = subject.next_order("b")
        assert smaller is not None
        assert len(smaller.pack.trials) == (size + 1) // 2
        subject.finished("b", Outcome(failure="no such thing"))
        failed = [r for r in study.records() if r.state == "FAIL"]
        assert [r.reason for r in failed] == ["no such thing"] * len(smaller.pack.trials)


def test_a_sweep_where_everything_fails_ends(tmp_path: Path) -> None:
    with SweepStudy(tmp_path, SweepConfig(trials=4, space=SearchSpace(learning_rate=[0.05])), 1000) as study:
        subject = dispatcher(study)
        drive(subject, random.Random(0))
        assert subject.stopped is not None
        assert subject.stopped.endswith("trials failed")


def test_a_used_up_space_ends_the_sweep(tmp_path: Path) -> None:
    space = SearchSpace(["lsa"], [4], [0.0, 0.1], [1.0], [0.01], [0.0])
    with SweepStudy(tmp_path, SweepConfig(trials=30, space=space), 1000) as study:
        subject = dispatcher(study)
        drive(subject, random.Random(0))
        assert len(study.records()) == 3


def test_a_listener_that_raises_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Log):
        def trial_finished(self, record: TrialRecord) -> None:
            raise RuntimeError("boom")

    with SweepStudy(tmp_path, SweepConfig(trials=5, sampler="random"), 1000) as study:
        drive(dispatcher(study, Broken()), random.Random(0))
    assert caplog.text.count("Broken failed and is told nothing more") == 1


def test_scores_are_kept_in_the_folder_before_anyone_hears_of_the_trial(tmp_path: Path) -> None:
    config, seen = SweepConfig(trials=1, out=str(tmp_path)), []

    class Watcher(Log):
        def trial_finished(self, record: TrialRecord) -> None:
            seen.append(
                (record.role, dict(record.scores), (tmp_path / "scores" / f"{record.role}-0.val.npy").is_file())
            )

    with SweepStudy(tmp_path, config, num_train=100) as study:
        subject = dispatcher(study, Watcher(), slots=1)
        while (order := subject.next_order("pack")) is not None:
            outcome = train(order.pack)
            scores = {"val": np.zeros(3, SCORES_DTYPE)}
            subject.finished("pack", Outcome([replace(record, scores=scores) for record in outcome.records]))
    assert set(role for role, _, _ in seen) == {"baseline", "trial"}
    assert all(told == {} and there for _, told, there in seen), "in the folder, and out of memory"


@pytest.mark.parametrize(("seeds", "sizes"), [(3, [8, 4, 4]), (2, [8, 8]), (12, [8, 4, 2, 1, 1])])
def test_the_last_pack_is_shared_while_its_parts_fuse_well(tmp_path: Path, seeds: int, sizes: list[int]) -> None:
    one_kind = SearchSpace(encoder=["lsa"], training_questions=[1.0])
    config = SweepConfig(trials=16, sampler="random", seeds=seeds, space=one_kind)
    with SweepStudy(tmp_path, config, 1000) as study:
        subject = dispatcher(study, pack_size=8)
        found = []
        while (order := subject.next_order("p")) is not None:
            if order.pack.role == "trial":
                found.append(order.pack)
            subject.finished("p", train(order.pack))
            if sum(len(pack.trials) for pack in found) >= 16:
                break
        assert [len(pack.trials) for pack in found] == sizes
        assert len({number for pack in found for number, _ in pack.trials}) == 16


@pytest.mark.parametrize(("sampler", "ahead"), [("tpe", False), ("random", True)])
def test_only_a_sampler_that_does_not_learn_is_asked_far_ahead(tmp_path: Path, sampler: str, ahead: bool) -> None:
    config = SweepConfig(trials=60, sampler=sampler, space=SearchSpace(encoder=["lsa"]))  # type: ignore[arg-type]
    with SweepStudy(tmp_path, config, 1000) as study:
        subject = dispatcher(study, slots=2, pack_size=4)
        orders = [subject.next_order(key) for key in "ab"]
        assert all(order is not None for order in orders)
        asked = sum(record.role == "trial" for record in study.records())
        assert (asked == 60) is ahead
        dims = [[config.embedding_dim for _, config in order.pack.trials] for order in orders if order is not None]
        if ahead:  # neighbours among many lie close together
            assert all(max(pack) < 2 * min(pack) for pack in dims)


def test_failures_of_an_earlier_run_do_not_stop_the_next(tmp_path: Path) -> None:
    bad = SearchSpace(learning_rate=Range(0.05, 0.09))
    with SweepStudy(tmp_path, SweepConfig(trials=4, space=bad), 1000) as study:
        drive(dispatcher(study), random.Random(0))
    with SweepStudy(tmp_path, SweepConfig(trials=4, space=bad), 1000) as study:
        subject = dispatcher(study)
        assert subject.next_order("again") is not None


def test_a_cluster_that_grows_gets_smaller_packs_and_fills_every_slot(tmp_path: Path) -> None:
    one_kind = SearchSpace(encoder=["lsa"], training_questions=[1.0])
    with SweepStudy(tmp_path, SweepConfig(trials=200, space=one_kind), 1000) as study:
        subject = dispatcher(study, slots=2, pack_size=16)
        assert subject.next_order("baseline") is not None
        first = subject.next_order("a")
        assert first is not None
        assert len(first.pack.trials) == 16
        assert subject.next_order("b") is None
        subject.resize(10)
        running = [order for key in "bcdefghi" if (order := subject.next_order(key)) is not None]
        assert len(running) == 8
        assert subject.next_order("j") is None
        assert max(len(order.pack.trials) for order in running) == 200 // (ROUNDS * 10) == 3
        subject.resize(0)
        subject.finished("a", train(first.pack))
        assert subject.next_order("k") is None, "no node is left"
        assert not subject.done


def test_packs_as_given_stay_as_given_when_the_cluster_grows(tmp_path: Path) -> None:
    one_kind = SearchSpace(encoder=["lsa"], training_questions=[1.0])
    with SweepStudy(tmp_path, SweepConfig(trials=200, pack=16, space=one_kind), 1000) as study:
        subject = dispatcher(study, slots=1, pack_size=16)
        assert subject.next_order("baseline") is not None
        subject.resize(3)
        for key in "ab":
            order = subject.next_order(key)
            assert order is not None
            assert len(order.pack.trials) == 16
