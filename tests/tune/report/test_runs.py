"""The list of runs of a sweep."""

from pathlib import Path

from tune.report.runs import RUNS_FILE, note_run, read_runs
from tune.tracking.provenance import Provenance

PROVENANCE = Provenance("python -m tune run", "c" * 40, {"torch": "2"}, "Linux", "me", "pool", "d" * 16)


def test_runs_are_kept_in_order(tmp_path: Path) -> None:
    assert read_runs(tmp_path) == []
    note_run(tmp_path, PROVENANCE)
    note_run(tmp_path, Provenance("python -m tune resume s", None, {}, "Linux", "me", "pool", "d" * 16))
    runs = read_runs(tmp_path)
    assert [run.provenance.command for run in runs] == ["python -m tune run", "python -m tune resume s"]
    assert runs[0].provenance == PROVENANCE
    assert runs[0].started.endswith("+00:00")


def test_a_line_cut_off_by_a_crash_is_skipped(tmp_path: Path) -> None:
    note_run(tmp_path, PROVENANCE)
    with (tmp_path / RUNS_FILE).open("a") as file:
        file.write('{"started": "2026')
    assert len(read_runs(tmp_path)) == 1
