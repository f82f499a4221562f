"""The report says what tables, figures and provenance say, and needs nothing else."""

import html
import re
from pathlib import Path

import pandas as pd
import pytest

from ablations import report
from ablations.folder import DesignFolder
from ablations.redraw import redraw
from ablations.report import REPORT_FILE, write_report
from embedllm.errors import ConfigError

RUN = {
    "command": "python -m ablations toy data --out results",
    "git_commit": "abc1234",
    "packages": {"torch": "2.0"},
    "started": "2026-01-02T03:04:05+0000",
}


def design_folder(out: Path, name: str = "toy", *, tables: bool = True, **changes: object) -> DesignFolder:
    folder = DesignFolder(out / name)
    folder.path.mkdir(parents=True)
    identity = {
        "design": name,
        "title": f"The {name} title",
        "options": {"size": 40},
        "config": {"encoder": "lsa", "preset": "fast", "seeds": 2, "out": None},
        "data": {"name": "helm", "digest": "d1e5", "simulated": False, "models": 8, "questions": 2400},
        "splits": {"base": "x"},
        "notes": ["One thing was <left> out."],
        "cells": 12,
        "complete": 12,
        "failed": 0,
    } | changes
    folder.begin(identity, RUN)
    if tables:
        means = pd.DataFrame({"method": ["knn", "embedllm"], "part": "all", "mean": [0.6, 0.5], "count": 2})
        folder.save_tables({"means": means, "long": pd.DataFrame({"row": range(100)})})
    return folder


@pytest.fixture(autouse=True)
def _known_designs(monkeypatch: pytest.MonkeyPatch, toy: type) -> None:
    monkeypatch.setattr(report, "find_design", lambda name: toy)


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_everything_is_on_one_page_that_needs_nothing_else(tmp_path: Path, toy: type) -> None:
    redraw(design_folder(tmp_path), toy())
    file = write_report(tmp_path)
    assert file == tmp_path / REPORT_FILE
    page = file.read_text()
    shown = text_of(page)
    for wanted in (
        "helm (8 models, 2,400 questions)",
        "The toy title",
        "2 means were found.",
        "It is a toy.",
        "Mean test log-loss.",
        "One thing was &lt;left&gt; out.",
        "means (toy/tables/means.csv)",
        "toy/tables/long.csv : 100 rows, row",
        "digest d1e5",
        "12 of 12 complete, 0 failed",
        "abc1234",
        "torch 2.0",
        "python -m ablations toy data --out results",
    ):
        assert wanted in shown, wanted
    assert "<svg" in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "<script" not in page


def test_figures_are_not_drawn_again_but_where_they_are_missing(
    tmp_path: Path, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = design_folder(tmp_path)
    assert "<svg" in write_report(tmp_path).read_text()
    assert (folder.figures / "means.png").is_file()
    monkeypatch.setattr(report, "redraw", lambda *_: pytest.fail("drawn again"))
    write_report(tmp_path)


def test_unfinished_designs_and_failed_cells_are_told(tmp_path: Path) -> None:
    design_folder(tmp_path, "first", failed=3, complete=9)
    design_folder(tmp_path, "second", tables=False)
    shown = text_of(write_report(tmp_path).read_text())
    assert "they have not finished: second." in shown
    assert "3 of 12 cells failed; the results shown are from the others." in shown


def test_designs_of_different_data_are_told_apart(tmp_path: Path) -> None:
    design_folder(tmp_path, "first")
    other = {"name": "simulated data", "digest": "f00d", "simulated": True, "models": 5, "questions": 99}
    design_folder(tmp_path, "second", data=other)
    shown = text_of(write_report(tmp_path).read_text())
    assert "helm (8 models, 2,400 questions), simulated data (5 models, 99 questions, simulated)" in shown


def test_no_finished_design_makes_a_page_that_says_so_and_no_folder_an_error(tmp_path: Path) -> None:
    design_folder(tmp_path, "second", tables=False)
    assert "no design has finished yet" in write_report(tmp_path).read_text()
    with pytest.raises(ConfigError, match="holds no results of an ablation"):
        write_report(tmp_path / "second" / "tables")


def test_tables_are_shown_with_the_options_they_were_made_with(tmp_path: Path, toy: type) -> None:
    folder = design_folder(tmp_path)
    redraw(folder, toy())
    assert "a later run" not in text_of(write_report(tmp_path).read_text()).lower()
    made = folder.provenance
    machine = made | {"config": made["config"] | {"out": "elsewhere", "slots": 3}, "complete": 0}
    folder.begin(machine, RUN)  # the same run going on elsewhere: nothing that decides a number has changed
    shown = text_of(write_report(tmp_path).read_text())
    assert "later run" not in shown
    assert "12 of 12 complete" in shown
    folder.begin(made | {"options": {"size": 90}, "notes": ["New."], "cells": 99}, RUN | {"git_commit": "fff9999"})
    shown = text_of(write_report(tmp_path).read_text())
    assert "A later run with other options has not finished; the earlier one is shown." in shown
    for own, later in (("40}", "90}"), ("12 of 12 complete", "of 99"), ("abc1234", "fff9999")):
        assert own in shown
        assert later not in shown
    assert "One thing was" in shown
    folder.save_tables({"means": folder.tables()["means"]})  # now it has come to its end
    assert "later run" not in text_of(write_report(tmp_path).read_text())


def test_tables_that_the_design_cannot_read_are_named(tmp_path: Path) -> None:
    changed = design_folder(tmp_path)
    changed.save_tables({"averages": pd.DataFrame({"x": [1]})})  # the design looks for means
    page = html.unescape(write_report(tmp_path).read_text())
    assert "the tables of no design can be read" in page
    assert "Not in this report: toy." in page
    assert "has no table 'means'" in page
