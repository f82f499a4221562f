from pathlib import Path

import pytest

from tune.cli.standings import read_standings, settle_abandoned
from tune.config import SweepConfig
from tune.folder import SweepFolder
from tune.search.study import SweepStudy, read_records


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return SweepFolder.create(SweepConfig(out=str(tmp_path / "sweep")), "digest", {"train": 100, "val": 10, "test": 10})


def kill(study: SweepStudy) -> None:
    """End a study as SIGKILL does: nothing is written, the operating system gives up the lock."""
    study._lock.close()


def test_what_a_killed_sweep_left_running_is_failed_and_queued(
    folder: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    study = SweepStudy(folder.path, folder.config, 100)
    asked = study.ask(3)
    kill(study)
    assert read_standings(str(folder.path)).count("RUNNING") == 0
    assert capsys.readouterr().err == (
        "3 trials were running when the sweep's process was killed; "
        f"run `python -m tune resume {folder.path}` to train them again\n"
    )
    records = [record for record in read_records(folder.path) if record.state != "WAITING"]
    assert [record.state for record in records] == ["FAIL"] * 3
    assert all(record.lost for record in records)
    assert read_standings(str(folder.path)).count("RUNNING") == 0
    assert capsys.readouterr().err == "", "told once"
    with SweepStudy(folder.path, folder.config, 100) as resumed:
        assert [config for _, config in resumed.ask(3)] == [config for _, config in asked]


def test_a_sweep_that_is_running_is_left_alone(folder: SweepFolder) -> None:
    with SweepStudy(folder.path, folder.config, 100) as study:
        study.ask(2)
        assert settle_abandoned(folder) == 0
        assert [record.state for record in read_records(folder.path)] == ["RUNNING"] * 2


def test_a_sweep_of_another_host_is_left_alone(folder: SweepFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock need not reach this one: the sweep may be running there."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "elsewhere")
        study = SweepStudy(folder.path, folder.config, 100)
        study.ask(2)
        kill(study)
    assert settle_abandoned(folder) == 0
    assert [record.state for record in read_records(folder.path)] == ["RUNNING"] * 2


def test_a_folder_that_cannot_be_written_is_still_shown(folder: SweepFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    study = SweepStudy(folder.path, folder.config, 100)
    study.ask(2)
    kill(study)

    def refuse(*_: object) -> None:
        raise PermissionError("read-only file system")

    monkeypatch.setattr("tune.cli.standings.SweepStudy", refuse)
    assert read_standings(str(folder.path)).count("RUNNING") == 2
