"""Tables: the same rows as text, markdown, csv and json."""

import csv
import io
import json
import math
from typing import Literal

import numpy as np
import pytest

from embedllm.cli.tables import render

ROWS = [
    {"method": "EmbedLLM", "accuracy": np.float64(0.71234), "accuracy_sd": 0.0012, "questions": 1234, "note": "a|b"},
    {"method": "kNN", "accuracy": math.nan, "questions": None},
]


def test_text_is_aligned_and_shows_deviations_below() -> None:
    assert render(ROWS).splitlines() == [
        "method    accuracy  questions  note",
        "───────────────────────────────────",
        "EmbedLLM    0.7123      1,234  a|b",
        "           ±0.0012",
        "kNN              -          -  -",
    ]


def test_digits() -> None:
    assert "0.71 " in render(ROWS, digits=2)


def test_markdown_escapes_bars() -> None:
    assert render(ROWS, "markdown").splitlines() == [
        "| method | accuracy | questions | note |",
        "| --- | ---: | ---: | --- |",
        "| EmbedLLM | 0.7123 | 1,234 | a\\|b |",
        "|  | ±0.0012 |  |  |",
        "| kNN | - | - | - |",
    ]


def test_json_is_flat_rows_at_full_precision_with_null_for_nan() -> None:
    first, second = json.loads(render(ROWS, "json"))
    assert first == {"method": "EmbedLLM", "accuracy": 0.71234, "accuracy_sd": 0.0012, "questions": 1234, "note": "a|b"}
    assert second == {"method": "kNN", "accuracy": None, "questions": None}


def test_csv_has_every_column() -> None:
    rows = list(csv.DictReader(io.StringIO(render(ROWS, "csv"))))
    assert rows[0]["accuracy_sd"] == "0.0012"
    assert rows[1] == {"method": "kNN", "accuracy": "", "accuracy_sd": "", "questions": "", "note": ""}


def test_booleans_and_lone_sd_columns_are_ordinary() -> None:
    assert render([{"held_out": True, "x_sd": 0.5}]).splitlines()[-1].split() == ["yes", "0.5000"]


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_names_act_on_no_terminal_and_stay_on_one_line(format: Literal["table", "markdown"]) -> None:
    names = ["\x1b[31mred", "new\nline", "tab\tname", "\u202ertl"]
    text = render([{"name": name, "accuracy": 0.5} for name in names], format)
    assert len(text.splitlines()) == 2 + len(names)
    assert text.replace("\n", "").isprintable()
    for shown in ("x1b[31mred", "new line", "tab name", "u202ertl"):
        assert shown in text


def test_names_are_no_markup_in_markdown() -> None:
    text = render([{"name": "<script>a|b</script>", "`t`": "**x**"}], "markdown")
    assert text.splitlines() == [
        "| name | \\`t\\` |",
        "| --- | --- |",
        "| \\<script\\>a\\|b\\</script\\> | \\*\\*x\\*\\* |",
    ]


def test_csv_and_json_keep_names_as_they_are() -> None:
    name = "\x1b[31mred\n=cmd|' /C calc'!A0"
    assert json.loads(render([{"name": name}], "json")) == [{"name": name}]
    assert next(csv.DictReader(io.StringIO(render([{"name": name}], "csv"))))["name"] == name


def test_long_names_lose_their_middle_and_stay_apart() -> None:
    lines = render([{"name": f"{'L' * 300}{end}", "n": 1} for end in ("one", "two")]).splitlines()
    assert max(map(len, lines)) == 60 + len("  n")
    assert [line.split()[0][-4:] for line in lines[2:]] == ["Lone", "Ltwo"]


def test_wide_letters_count_double() -> None:
    assert render([{"name": "模型", "n": 1}, {"name": "abcd", "n": 2}]).splitlines() == [
        "name  n", "───────", "模型  1", "abcd  2"]  # fmt: skip
