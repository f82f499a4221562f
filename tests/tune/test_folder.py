"""Folders of sweeps: the newest unnamed one is found."""

import dataclasses
from pathlib import Path

import pytest

from embedllm.errors import ConfigError
from tune.config import SweepConfig
from tune.folder import SweepFolder, latest_sweep, sweep_path
from tune.runner import Sweep


def test_the_newest_unnamed_sweep_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    unnamed = sweep_path(SweepConfig())
    assert unnamed.parent == tmp_path / "sweeps"
    for name in ("20260101-000000", "20260301-120000", "20260201-000000"):
        SweepFolder.create(SweepConfig(out=f"sweeps/{name}"), "digest")
    (tmp_path / "sweeps" / "99990101-000000").mkdir()  # not a sweep
    assert latest_sweep().name == "20260301-120000"


def test_unnamed_sweeps_of_one_second_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = SweepConfig()
    path = sweep_path(config)
    made = [SweepFolder.create(config.replace(seed=seed), f"digest {seed}", path=path) for seed in range(3)]
    assert [folder.path.name for folder in made] == [path.name, f"{path.name}-2", f"{path.name}-3"]
    assert [SweepFolder.open(folder.path).digest for folder in made] == ["digest 0", "digest 1", "digest 2"]
    assert [folder.config.out for folder in made] == [str(folder.path) for folder in made]
    assert latest_sweep().name == f"{path.name}-3"


def test_a_named_folder_taken_meanwhile_is_refused(tmp_path: Path) -> None:
    config = SweepConfig(out=str(tmp_path / "s"))
    path = sweep_path(config)
    path.mkdir()
    (path / "journal.log").touch()
    with pytest.raises(ConfigError, match="holds a sweep already"):
        SweepFolder.create(config, "digest", path=path)


def test_without_any_the_message_says_what_to_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no SWEEP is given and sweeps/ holds none; name the folder"):
        latest_sweep()


def test_a_folder_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = SweepFolder.create(SweepConfig(out=str(tmp_path / "s")), "digest", {"train": 10}, {"lsa": "1"})
    assert SweepFolder.open(tmp_path / "s") == made


def test_a_question_encoder_that_has_changed_is_refused(finished_sweep: Path) -> None:
    folder = SweepFolder.open(finished_sweep)
    assert list(folder.encoders) == ["lsa:8"]
    Sweep.open(finished_sweep)
    dataclasses.replace(folder, encoders={"lsa:8": "another"}).save()
    with pytest.raises(ConfigError, match=r"question encoder lsa:8 has changed: .* began with another"):
        Sweep.open(finished_sweep)
