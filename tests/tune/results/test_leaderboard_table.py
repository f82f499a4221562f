"""How leaderboards and test tables look, at known widths and for programs."""

import csv
import dataclasses
import io
import json

import pytest
from rich.console import Console

from embedllm.config import FitConfig
from tune.records import TrialRecord
from tune.results.footnotes import footnotes
from tune.results.leaderboard import leaderboard
from tune.results.leaderboard_table import render
from tune.results.scores import DeltaIntervals

FAST = FitConfig(encoder="lsa", epochs=10, batch_questions=512, learning_rate=0.01)
METRICS = {"val_log_loss": 0.524, "val_log_loss_sd": 0.0012, "val_accuracy": 0.71}
RECORDS = [
    TrialRecord(
        trial=17,
        state="COMPLETE",
        config=FAST.replace(encoder="models/all-MiniLM-L6-v2", embedding_dim=64, noise=0.08),
        seeds=3,
        metrics=METRICS,
        budget=10,
        seconds=1.24,
    ),
    TrialRecord(
        trial=3,
        state="PRUNED",
        config=FAST.replace(training_questions=5000, learning_rate=0.003),
        metrics={**METRICS, "val_log_loss": 0.5},
        budget=3,
        reason="above the median",
    ),
    TrialRecord(trial=4, state="FAIL", config=FAST, budget=2, reason="loss is NaN"),
    TrialRecord(
        trial=0,
        role="baseline",
        state="COMPLETE",
        config=FitConfig(encoder="lsa"),
        metrics={"val_log_loss": 0.534, "val_log_loss_sd": 0.0008, "val_accuracy": 0.7},
        budget=50,
        seconds=41.2,
    ),
]


def wide(width: int = 140, colour: bool = False) -> Console:
    return Console(width=width, force_terminal=colour, color_system="standard" if colour else None)


def test_the_table_shows_ranks_values_with_sd_differences_and_budgets() -> None:
    text = render(leaderboard(RECORDS), "val_log_loss", console=wide())
    header, _, *rows = (" ".join(line.split()) for line in text.split("\n\n")[0].splitlines())
    assert header == "rank trial encoder dim α train lr val log-loss Δ val accuracy epochs s"
    assert rows == [
        "1 17 all-MiniLM-L6-v2 64 0.080 all 1.0e-02 0.5240 ± 0.0012 -0.0100 0.7100 10 1.2",
        "- paper lsa 232 0.050 all 1.0e-04 0.5340 ± 0.0008 - 0.7000 50 41.2",
        "pruned 3 lsa 232 0.050 5000 3.0e-03 0.5000 ± 0.0012 - 0.7100 3/10 0.0",
        "failed 4 lsa 232 0.050 all 1.0e-02 - - - 2/10 0.0",
    ]


def test_short_trainings_keep_two_digits() -> None:
    records = [dataclasses.replace(RECORDS[0], seconds=0.0521), RECORDS[3]]
    rows = render(leaderboard(records), "val_log_loss", console=wide()).splitlines()[2:4]
    assert [row.split()[-1] for row in rows] == ["0.052", "41.200"]


def test_numbers_are_aligned_to_the_right() -> None:
    lines = render(leaderboard(RECORDS), "val_log_loss", console=wide()).splitlines()
    header = lines[0]
    for title, cells in {"dim": ("64", "232"), "train": ("all", "5000")}.items():
        end = header.index(title) + len(title)
        shown = {line[:end].split()[-1] for line in lines[2:6]}
        assert shown == set(cells)


def test_the_default_is_a_hundred_columns_where_there_is_no_terminal() -> None:
    text = render(leaderboard(RECORDS), "val_log_loss", footnotes=footnotes(RECORDS, "val_log_loss"))
    assert max(map(len, text.splitlines())) <= 100


def test_a_narrow_table_leaves_columns_out_and_says_which() -> None:
    text = render(leaderboard(RECORDS), "val_log_loss", console=wide(70))
    assert max(map(len, text.splitlines())) <= 70
    assert "0.5240 ± 0.0012" in text, "the objective stays"
    words = " ".join(text.split())
    assert "Not shown for lack of width: val_accuracy, learning_rate, seconds, budget" in words
    assert "--format csv has every column." in words


def test_what_all_trials_share_is_a_line_instead_of_a_column() -> None:
    records = [dataclasses.replace(RECORDS[0], trial=number) for number in (1, 2)]
    text = render(leaderboard(records), "val_log_loss", console=wide())
    assert "encoder" not in text.splitlines()[0]
    shared = "encoder models/all-MiniLM-L6-v2, dim 64, α 0.08, training questions all, lr 0.01, decay 1e-05"
    assert f"All trials shown: {shared}." in text


def test_the_best_value_is_bold_and_a_pruned_trial_is_not_the_best() -> None:
    text = render(leaderboard(RECORDS), "val_log_loss", console=wide(colour=True))
    assert "\x1b[1;32m0.5240 ± 0.0012" in text
    assert "\x1b[1;32m0.5000" not in text


def test_json_is_a_list_of_flat_rows_of_plain_types_without_nan() -> None:
    text = render(leaderboard(RECORDS), "val_log_loss", format="json", footnotes=["not in JSON"])
    rows = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    assert [row["trial"] for row in rows] == [17, 0, 3, 4]
    best, baseline, pruned, failed = rows
    assert best["rank"] == 1
    assert best["delta"] == pytest.approx(-0.01)
    assert baseline["rank"] is None
    assert pruned["training_questions"] == 5000
    assert best["training_questions"] is None
    assert failed["val_log_loss"] is None
    assert failed["reason"] == "loss is NaN"


def test_csv_has_every_column() -> None:
    frame = leaderboard(RECORDS)
    rows = list(csv.DictReader(io.StringIO(render(frame, "val_log_loss", format="csv"))))
    assert list(rows[0]) == list(frame.columns)
    assert float(rows[0]["val_log_loss"]) == 0.524
    assert rows[3]["val_log_loss"] == ""


def test_markdown_is_a_table_with_footnotes() -> None:
    text = render(leaderboard(RECORDS), "val_log_loss", format="markdown", footnotes=["One.", "Two."])
    lines = text.splitlines()
    assert lines[0].startswith("| rank | trial | encoder |")
    assert lines[1].startswith("| ---: | ---: | --- |")
    assert len(lines) == 2 + 4 + 1 + 3
    assert lines[-3:] == ["One.  ", "Two.  ", "All trials shown: decay 1e-05."]


def test_an_interval_stands_beside_its_difference_and_colours_it_where_it_excludes_zero() -> None:
    intervals = DeltaIntervals({("trial", 17): (-0.015, -0.005)}, 300)
    sure = render(leaderboard(RECORDS, intervals=intervals), "val_log_loss", console=wide(colour=True))
    assert "\x1b[32m-0.0100 [-0.0150, -0.0050]" in sure
    intervals = DeltaIntervals({("trial", 17): (-0.025, 0.005)}, 300)
    unsure = render(leaderboard(RECORDS, intervals=intervals), "val_log_loss", console=wide(colour=True))
    assert "-0.0100 [-0.0250, +0.0050]" in unsure
    assert "\x1b[32m-0.0100" not in unsure
    text = render(leaderboard(RECORDS, intervals=intervals), "val_log_loss", console=wide())
    assert "Δ [95 %]" in text.splitlines()[0]


def test_budgets_stand_apart_under_headings_of_their_own() -> None:
    short = dataclasses.replace(RECORDS[0], trial=5, config=FAST.replace(epochs=4), budget=4)
    records = [*RECORDS, short]
    text = render(leaderboard(records), "val_log_loss", console=wide())
    headings = [line for line in text.splitlines() if line.startswith(("10 epochs", "4 epochs", "Not ranked"))]
    assert headings == ["10 epochs: 1 trial", "4 epochs: 1 trial", "Not ranked"]
    assert text.count("paper") == 2
    assert "**4 epochs: 1 trial**" in render(leaderboard(records), "val_log_loss", format="markdown")


def test_an_empty_leaderboard_is_a_header() -> None:
    frame = leaderboard([])
    assert "val log-loss" in render(frame, "val_log_loss", console=wide())
    assert json.loads(render(frame, "val_log_loss", format="json")) == []


def test_csv_without_rows_has_a_header() -> None:
    header = render(leaderboard([]), "val_log_loss", format="csv").split(",")
    assert header[0] == "rank"
    assert {"trial", "role", "state", "reason"} <= set(header)
