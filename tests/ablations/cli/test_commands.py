"""The commands, in this process: a stand-in computes the cells without Ray."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ablations.batches import Batch
from ablations.cell import Cell
from ablations.cli import program
from ablations.cli.design import DesignCommand
from ablations.cli.options import list_to_yaml
from ablations.config import AblationConfig
from ablations.design import Plan
from ablations.folder import DesignFolder
from ablations.listeners import Listeners
from ablations.runner import Ablation
from ablations.worker import CellWorker
from embedllm.cli.program import Command, Program
from embedllm.data import CorrectnessMatrix
from embedllm.errors import ConfigError, DataError


@pytest.fixture
def main(toy: Any, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `ablations toy WORDS…`; batches are computed in this process."""
    monkeypatch.chdir(tmp_path)

    def compute(self: Ablation, waiting: list[Any], listeners: Listeners, on_plan: Any) -> None:
        worker = CellWorker(self.payload(waiting), 1)
        for family, cells in self.families(waiting).items():
            listeners.cells_started(cells)
            self._take(worker(Batch(tuple(cells), family[1])).cells, listeners)  # type: ignore[arg-type]

    monkeypatch.setattr(Ablation, "_compute", compute)
    commands = {"toy": Command(DesignCommand(toy), toy.title), **program().commands}

    def run(*words: str) -> int:
        return Program("ablations", "", "", commands).main(list(words))

    return run


COMMON = ("--encoder", "lsa:8", "--seeds", "1", "--methods", "lookup,knn", "--out", "out")


def test_a_design_is_run_and_told(main: Any, data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("toy", str(data_folder), *COMMON, "--size", "30") == 0
    said = capsys.readouterr()
    assert "design  toy: A toy" in said.err
    assert "cells   8: 4 lookup, 4 knn" in said.err
    assert "note    This is a toy." in said.err
    assert "8/8 cells" in said.err
    assert "- 4 means were found.\n  caveat: It is a toy." in said.out
    assert "1 figure in out/toy/figures, tables in out/toy/tables" in said.out
    assert "MLflow: mlflow ui --backend-store-uri sqlite:///" in said.out

    assert main("toy", str(data_folder), *COMMON, "--size", "60") == 0
    said = capsys.readouterr()
    assert "done    4 of them, by earlier runs" in said.err
    assert "unused  4 finished cells from other options stay in the folder and are not shown" in said.err


@dataclass(frozen=True)
class Refused:
    """A design that no data can answer."""

    name: ClassVar[str] = "refused"
    title: ClassVar[str] = "Refused"

    def plan(self, data: CorrectnessMatrix, config: AblationConfig) -> Plan:
        raise DataError("the toy", ["it cannot be done"])


def test_all_designs_and_a_report_then_figures_again(
    main: Any,
    toy: Any,
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    classes = {"refused": Refused, "toy": toy}
    for module in ("ablations.registry", "ablations.cli.every"):
        monkeypatch.setattr(f"{module}.design_classes", lambda: classes)
    monkeypatch.setattr("ablations.cli.session.ray_cluster", lambda address: contextlib.nullcontext())
    assert main("all", str(data_folder), *COMMON, "--toy.size", "30") == 1
    said = capsys.readouterr()
    assert "1/2 refused\nrefused is left out: 1 problem in the toy:\n  - it cannot be done" in said.err
    assert "cells   8: 4 lookup, 4 knn" in said.err
    assert "report: out/report.html" in said.out
    report = tmp_path / "out" / "report.html"
    assert "4 means were found." in report.read_text()

    report.unlink()
    assert main("figures", "out") == 0
    assert capsys.readouterr().out == "toy: 1 figure in out/toy/figures\nreport: out/report.html\n"
    assert report.is_file()

    folder = DesignFolder(tmp_path / "out" / "toy")
    folder.begin(folder.provenance | {"options": {"size": 60, "explode": False}}, {})
    assert main("figures", "out") == 0
    assert capsys.readouterr().out.startswith(
        "toy: a later run with other options has not finished; the earlier one is shown\ntoy: 1 figure in"
    )


@dataclass(frozen=True)
class Broken(Refused):
    """A design that cannot be finished."""

    name: ClassVar[str] = "broken"
    option: str = "good"
    """An option."""

    def plan(self, data: CorrectnessMatrix, config: AblationConfig) -> Plan:
        if self.option == "typo":
            raise ConfigError("option must be good but is 'typo'")
        encoder = "no/such-model" if self.option == "unknown encoder" else "lsa:8"
        split = config.base_split(data)
        return Plan({"base": split}, [Cell("embedllm", config.recipe(encoder=encoder), "base")])


@pytest.mark.parametrize(("option", "error"), [("typo", "option must be good"), ("unknown encoder", "no/such-model")])
def test_a_wrong_option_of_a_later_design_is_found_before_anything_is_computed(
    main: Any,
    toy: Any,
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    error: str,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("ablations.cli.every.design_classes", lambda: {"toy": toy, "broken": Broken})
    monkeypatch.setattr(Ablation, "_compute", lambda *_: pytest.fail("computed"))
    assert main("all", str(data_folder), *COMMON, "--broken.option", option) != 0
    assert error in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("error", [ConfigError("it broke"), ZeroDivisionError("it broke")])
def test_the_report_is_written_where_a_later_design_fails(
    main: Any,
    toy: Any,
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    def compute(self: Ablation, waiting: list[Any], listeners: Listeners, on_plan: Any) -> None:
        if self.design.name == "broken":
            raise error
        return whole(self, waiting, listeners, on_plan)  # type: ignore[no-any-return]

    whole = Ablation._compute
    monkeypatch.setattr(Ablation, "_compute", compute)
    classes = {"toy": toy, "broken": Broken}
    for module in ("ablations.registry", "ablations.cli.every"):
        monkeypatch.setattr(f"{module}.design_classes", lambda: classes)
    monkeypatch.setattr("ablations.cli.session.ray_cluster", lambda address: contextlib.nullcontext())
    with contextlib.nullcontext() if isinstance(error, ConfigError) else contextlib.suppress(ZeroDivisionError):
        assert main("all", str(data_folder), *COMMON, "--toy.size", "30") == 1
    said = capsys.readouterr()
    assert "report: out/report.html" in said.out
    assert "it broke" in said.err or not isinstance(error, ConfigError)
    report = (tmp_path / "out" / "report.html").read_text()
    assert "4 means were found." in report
    assert "they have not finished: broken." in report


def test_failed_cells_are_counted_and_change_the_exit_code(
    main: Any, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("toy", str(data_folder), *COMMON, "--explode") == 1
    said = capsys.readouterr().out
    assert "1 of 9 cells failed; run the same command again to retry them. 1 x diverged" in said


@pytest.mark.usefixtures("ray_here")
def test_a_dry_run_writes_nothing(
    main: Any, data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("toy", str(data_folder), *COMMON, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "cells   8: 4 lookup, 4 knn" in said
    assert "of memory for each slot" in said
    assert not (tmp_path / "out").exists()


def test_unnamed_runs_of_one_second_have_folders_of_their_own(
    main: Any, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablations.paths.time.strftime", lambda *_: "20260102-030405")
    words = ("toy", str(data_folder), *COMMON[:-2])
    assert main(*words, "--size", "5000") == 2
    assert list((tmp_path / "ablation-results").iterdir()) == []  # nothing was written
    for _ in range(2):
        assert main(*words) == 0
    assert sorted(path.name for path in (tmp_path / "ablation-results").glob("2*")) == [
        "20260102-030405",
        "20260102-030405-2",
    ]


def test_refusals_say_what_to_do(main: Any, data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("toy", str(data_folder), "--size", "x") == 2
    assert "size must be a whole number but is 'x'" in capsys.readouterr().err
    assert main("toy", "missing") == 2
    assert "no such folder" in capsys.readouterr().err
    assert main("toy", str(data_folder), *COMMON, "--size", "5000") == 2
    assert "5000 training questions are requested but the split 'base' has" in capsys.readouterr().err
    assert main("figures", "nothing") == 2
    assert "holds no results of an ablation" in capsys.readouterr().err
    assert main("toys") == 2
    assert "the nearest is `toy`" in capsys.readouterr().err


def test_a_file_mirrors_the_options_and_unknown_keys_are_named(
    main: Any, data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text("methods: [lookup]\nseeds: 1\nsize: 30\nencoder: lsa:8\n")
    assert main("toy", str(data_folder), "--out", "out", "--config", str(file)) == 0
    assert "cells   4: 4 lookup" in capsys.readouterr().err
    file.write_text("sized: 30\n")
    assert main("toy", str(data_folder), "--config", str(file)) == 2
    assert "unknown key 'sized'; the nearest allowed is 'size'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "yaml"), [("1,2", "[1, 2]"), ("a, b", '["a", "b"]'), ("0.5", "[0.5]"), ("[1]", "[1]"), ("null", "null")]
)
def test_lists_are_typed_with_commas(typed: str, yaml: str) -> None:
    assert list_to_yaml(typed) == yaml


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in program().commands:
        assert program().main([name, "--help"]) == 0
        assert f"embedllm-ablations {name}" in capsys.readouterr().out
