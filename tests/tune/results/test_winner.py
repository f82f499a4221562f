"""The finalists: who is judged, what is kept, and that nobody is trained or judged twice."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

import tune.results.winner
from embedllm.artifact import load_artifact
from embedllm.config import FitConfig
from embedllm.data.simulate import simulate
from embedllm.errors import ConfigError
from tune.config import SearchSpace, SweepConfig
from tune.data import SweepData
from tune.engine.fitting import PackFitter
from tune.engine.packing import Pack
from tune.folder import WINNER_TABLE
from tune.records import TrialRecord
from tune.results.winner import choose_finalists, crown, read_winner
from tune.runner import Sweep

SPACE = SearchSpace(
    encoder=["lsa:8", "lsa:16"], embedding_dim=[4, 8], noise=[0.0], training_questions=[0.25, 0.5, 1.0],
    learning_rate=[0.02], weight_decay=[0.0], batch_questions=[32], epochs=[12],
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(simulate(models=8, questions=240, seed=2).save(tmp_path_factory.mktemp("data") / "simulated"))


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDLLM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the trials trained as finalists."""
    numbers: list[int] = []
    judge = tune.results.winner._judge

    def noted(sweep: Sweep, fitter: PackFitter, record: TrialRecord):  # type: ignore[no-untyped-def]
        numbers.append(record.trial)
        return judge(sweep, fitter, record)

    monkeypatch.setattr(tune.results.winner, "_judge", noted)
    return numbers


def prepared(data: str, out: Path, **changes: object) -> tuple[Sweep, list[TrialRecord]]:
    """A sweep and the records of one trial per encoder and training size, without running Ray."""
    sweep = Sweep.create(SweepConfig(data=data, out=str(out), seeds=2, space=SPACE).replace(**changes))
    source = SweepData(sweep.data, sweep.split, {name: one.matrix for name, one in sweep.encodings.items()})
    fitter = PackFitter(source, seeds=2, objective="val_log_loss")
    base = FitConfig(embedding_dim=4, batch_questions=32, learning_rate=0.02, epochs=12, schedule="one-cycle")
    found: list[TrialRecord] = []
    for encoder in SPACE.encoder:
        for size in (30, 60, 120):
            number = len(found)
            found += fitter.fit(Pack(((number, base.replace(encoder=encoder, training_questions=size)),)))
    return sweep, found


def record(number: int, loss: float, size: int) -> TrialRecord:
    config = FitConfig(training_questions=size, epochs=10)
    return TrialRecord(number, "COMPLETE", config, metrics={"val_log_loss": loss}, budget=10)


FRONT = [record(number, 0.5 + number / 100, 1000 - 100 * number) for number in range(9)]
BEHIND = [record(9, 0.7, 950), record(10, 0.51, 990)]


@pytest.mark.parametrize(
    ("finalists", "chosen"),
    [(None, [0, 2, 4, 6, 8]), (2, [0, 8]), (3, [0, 4, 8]), (1, [0]), (20, list(range(9)))],
)
def test_finalists_are_spread_along_the_front_with_both_ends(finalists: int | None, chosen: list[int]) -> None:
    config = SweepConfig(
        objectives=["val_log_loss", "training_questions"], finalists=finalists, space=SearchSpace(encoder=["lsa"])
    )
    assert [record.trial for record in choose_finalists(BEHIND + FRONT[::-1], config)] == chosen


@pytest.mark.parametrize(
    ("finalists", "chosen"), [(None, [0]), (3, [0, 1, 10]), (99, [0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9])]
)
def test_with_one_objective_the_best_are_finalists(finalists: int | None, chosen: list[int]) -> None:
    config = SweepConfig(finalists=finalists)
    assert [record.trial for record in choose_finalists(FRONT + BEHIND, config)] == chosen


def test_a_front_is_judged_and_kept(data: str, tmp_path: Path, trained: list[int]) -> None:
    sweep, records = prepared(data, tmp_path / "s", objectives=["val_log_loss", "training_questions"])
    expected = choose_finalists(records, sweep.folder.config)
    winner = crown(sweep, records)
    assert [one.trial for one in winner.finalists] == [one.trial for one in expected] == trained
    assert len(expected) >= 2
    assert winner.trial == expected[0].trial
    for one, chosen in zip(winner.finalists, expected, strict=True):
        assert one.metrics["val_log_loss"] == pytest.approx(chosen.metrics["val_log_loss"], abs=1e-4)
        assert "test_log_loss" in one.metrics
        assert one.artifact == tmp_path / "s" / "finalists" / f"trial-{one.trial}"
        assert load_artifact(one.artifact).config.training_questions == chosen.config.training_questions
    assert load_artifact(winner.artifact).config == winner.config
    methods = [row["method"] for row in winner.rows]
    assert methods[: len(expected)] == ["winner", *["finalist"] * (len(expected) - 1)]
    size = winner.config.training_questions
    assert winner.rows[0]["title"] == f"trial {winner.trial} ({size} questions)"
    assert winner.rows[0]["about"].startswith("lsa:")

    again = crown(sweep, records)
    assert again == read_winner(tmp_path / "s")
    assert again.finalists == winner.finalists
    assert len(trained) == len(expected), "nobody is trained again"


def test_after_an_extension_only_new_finalists_are_trained(data: str, tmp_path: Path, trained: list[int]) -> None:
    sweep, records = prepared(data, tmp_path / "s", finalists=2)
    first = [one.trial for one in crown(sweep, records[:4]).finalists]
    assert trained == first
    ranked = choose_finalists(records, sweep.folder.config)
    best, second = (one.trial for one in ranked)
    winner = crown(sweep, records)
    assert [one.trial for one in winner.finalists] == [best, second]
    assert trained == first + [number for number in (best, second) if number not in first]
    assert load_artifact(tmp_path / "s" / "winner").config == winner.config


def test_the_winner_is_never_chosen_by_the_test_questions(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, records = prepared(data, tmp_path / "s", finalists=3)
    judge = tune.results.winner._judge
    losses = iter((0.9, 0.8, 0.7))

    def worst_first(sweep: Sweep, fitter: PackFitter, record: TrialRecord):  # type: ignore[no-untyped-def]
        finalist = judge(sweep, fitter, record)
        return dataclasses.replace(finalist, metrics={**finalist.metrics, "test_log_loss": next(losses)})

    monkeypatch.setattr(tune.results.winner, "_judge", worst_first)
    winner = crown(sweep, records)
    assert winner.trial == min(records, key=lambda record: record.metrics["val_log_loss"]).trial
    assert [one.metrics["test_log_loss"] for one in winner.finalists] == [0.9, 0.8, 0.7]
    assert winner.metrics["test_log_loss"] == 0.9


def test_a_finalist_whose_files_are_gone_is_trained_again(data: str, tmp_path: Path, trained: list[int]) -> None:
    sweep, records = prepared(data, tmp_path / "s", finalists=1)
    best, second = (one.trial for one in choose_finalists(records, sweep.folder.config.replace(finalists=2)))
    crown(sweep, records)
    (tmp_path / "s" / "scores" / f"trial-{best}.test.npy").unlink()
    wider = Sweep(
        dataclasses.replace(sweep.folder, config=sweep.folder.config.replace(finalists=2)),
        sweep.data, sweep.split, sweep.encodings,
    )  # fmt: skip
    crown(wider, records)
    assert trained == [best, best, second]


def test_a_winner_whose_folder_is_gone_is_saved_again(data: str, tmp_path: Path, trained: list[int]) -> None:
    sweep, records = prepared(data, tmp_path / "s", finalists=1)
    first = crown(sweep, records)
    shutil.rmtree(first.artifact)
    assert crown(sweep, records).artifact.is_dir()
    assert trained == [first.trial], "the finalist's own artifact is still there"
    shutil.rmtree(first.artifact)
    shutil.rmtree(tmp_path / "s" / "finalists")
    assert crown(sweep, records).artifact.is_dir()
    assert trained == [first.trial] * 2


def test_a_damaged_table_is_told(data: str, tmp_path: Path, trained: list[int]) -> None:
    sweep, records = prepared(data, tmp_path / "s", finalists=1)
    crown(sweep, records)
    file = tmp_path / "s" / WINNER_TABLE
    content = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in content.items() if key != "rows"}))
    with pytest.raises(
        ConfigError, match=r"winner\.json cannot be read \(KeyError: 'rows'\); delete it and run `python"
    ):
        crown(sweep, records)
    file.write_text("")
    with pytest.raises(ConfigError, match=r"winner\.json is damaged \(.*\); delete it and run `python -m tune resume`"):
        crown(sweep, records)
