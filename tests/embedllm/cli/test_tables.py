"""Tables: the same rows as text, markdown, csv and json."""

import csv
import io
import json
import math

import numpy as np

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
