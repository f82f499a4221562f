"""A journal that somebody else wrote or changed: told as damaged, whatever is in it."""

import json
from pathlib import Path

import pytest

from embedllm.errors import ConfigError
from tune.config import SweepConfig
from tune.search.lock import is_locked
from tune.search.study import JOURNAL_FILE, SweepStudy, read_records

STUDY = {"op_code": 0, "worker_id": "w", "study_name": "sweep", "directions": [1]}
TRIAL = {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": "2026-11-22T08:05:25+00:00"}
PARAM = {"op_code": 5, "worker_id": "w", "trial_id": 0, "param_name": "x", "param_value_internal": 0}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([1], r"TypeError: 'int' object is not subscriptable"),
        ([{}], r"KeyError: 'op_code'"),
        ([STUDY | {"op_code": 99}], "AssertionError"),
        (
            [STUDY, TRIAL, PARAM | {"distribution": json.dumps({"name": "os.system", "attributes": {}})}],
            "ValueError: Unknown distribution class: os.system",
        ),
        (
            [STUDY, TRIAL, {"op_code": 8, "worker_id": "w", "trial_id": 0, "user_attr": {"config": ["x"]}}],
            "TypeError: .*must be a mapping, not list",
        ),
    ],
)
def test_a_foreign_journal_is_told_as_damaged(tmp_path: Path, lines: list[object], told: str) -> None:
    (tmp_path / JOURNAL_FILE).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    damaged = rf"journal.log is damaged \({told}.*\); restore it from a copy"
    with pytest.raises(ConfigError, match=damaged):
        read_records(tmp_path)
    with pytest.raises(ConfigError, match=damaged):
        SweepStudy(tmp_path, SweepConfig(), 100)
    assert not is_locked(tmp_path)
