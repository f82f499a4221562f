"""A sweep read from its folder: finished, running or damaged."""

import json
import shutil
from pathlib import Path

import pytest

from embedllm.errors import ConfigError
from embedllm.evaluation import BOOTSTRAP_METRICS
from tune.results.standings import Standings
from tune.search.study import JOURNAL_FILE


def test_every_trial_has_an_interval_and_finalists_their_test_metrics(trained_sweep: Path) -> None:
    standings = Standings.read(trained_sweep)
    frame = standings.frame()
    trials = frame[frame["role"] == "trial"]
    assert len(trials) == 4
    assert (trials["delta_low"] < trials["delta"]).all()
    assert (trials["delta"] < trials["delta_high"]).all()
    assert trials["ranked_budget"].tolist() == [4, 4, 2, 2]
    assert standings.winner is not None
    judged = trials["test_log_loss"].notna()
    assert trials.loc[judged, "trial"].tolist() == [standings.winner.trial]
    assert frame.loc[frame["role"] == "baseline", "test_log_loss"].notna().all()
    assert trials["training_questions"].isna().sum() == 2, "half of them trained on all questions"


def test_the_journal_holds_no_scores(trained_sweep: Path) -> None:
    assert "scores" not in (trained_sweep / JOURNAL_FILE).read_text()
    names = {path.name for path in (trained_sweep / "scores").iterdir()}
    assert {"baseline-0.val.npy", "baseline-0.test.npy", *(f"trial-{n}.val.npy" for n in range(4))} <= names


def test_lost_scores_cost_a_row_its_interval_and_nothing_else(finished_sweep: Path) -> None:
    (finished_sweep / "scores" / "trial-2.val.npy").unlink()
    standings = Standings.read(finished_sweep)
    frame = standings.frame()
    missing = frame[frame["delta"].notna() & frame["delta_low"].isna() & (frame["role"] == "trial")]
    assert missing["trial"].tolist() == [2]
    notes = standings.footnotes()
    assert "Incomplete intervals: missing for 1 of 4 trials, whose scores per question are lost." in notes


def test_without_any_scores_there_are_no_intervals_but_a_leaderboard(finished_sweep: Path) -> None:
    shutil.rmtree(finished_sweep / "scores")
    standings = Standings.read(finished_sweep)
    assert standings.frame()["delta_low"].isna().all()
    assert "No intervals: the baseline's scores per question are not in the sweep's folder." in standings.footnotes()


def test_rows_of_finalists_compare_with_the_winner(trained_sweep: Path) -> None:
    winner, *others = Standings.read(trained_sweep).finalists
    assert winner["method"] == "winner"
    assert others[0]["method"] == "paper"
    assert len(others) == 6
    for metric in BOOTSTRAP_METRICS:
        assert winner[f"{metric}_se"] > 0
        assert f"{metric}_delta" not in winner
        for row in others:
            assert row[f"{metric}_delta"] == pytest.approx(row[metric] - winner[metric], abs=1e-5)
            assert row[f"{metric}_delta_low"] <= row[f"{metric}_delta"] <= row[f"{metric}_delta_high"]
    assert "ece_se" not in winner


def test_a_folder_that_cannot_be_read_is_an_error(finished_sweep: Path) -> None:
    sweep = json.loads((finished_sweep / "sweep.json").read_text())
    del sweep["questions"]
    (finished_sweep / "sweep.json").write_text(json.dumps(sweep))
    with pytest.raises(ConfigError, match=r"sweep\.json cannot be read \(KeyError: 'questions'\)"):
        Standings.read(finished_sweep)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("questions", ["train"], r"questions must hold a whole number for each side but is \['train'\]"),
        ("questions", {"train": "9"}, r"questions must hold a whole number for each side but is \{'train': '9'\}"),
        ("encoders", {"lsa": 1}, r"encoders must hold a revision for each encoder but is \{'lsa': 1\}"),
        ("data_digest", None, "data_digest must be a text"),
    ],
)
def test_a_folder_that_was_tampered_with_is_an_error(finished_sweep: Path, name: str, value: object, told: str) -> None:
    sweep = json.loads((finished_sweep / "sweep.json").read_text())
    (finished_sweep / "sweep.json").write_text(json.dumps(sweep | {name: value}))
    with pytest.raises(ConfigError, match=rf"sweep\.json is damaged: {told}; restore it from a copy"):
        Standings.read(finished_sweep)


def test_a_folder_that_is_no_sweep_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not a sweep: sweep\.json is missing"):
        Standings.read(tmp_path)
