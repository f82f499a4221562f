"""All figures of a sweep at once: what is saved agrees with its table, and refusals are kept where readers look."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from embedllm.figures import SavedFigure
from tests.tune.figures.conftest import BASELINE, CONFIG, searched, trial
from tune.figures import NotDrawn, study_figures
from tune.figures.selection import quantity_title, visible_limit

SEARCHED = searched(20)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[SavedFigure | NotDrawn]:
    """The figures of a sweep of 20 complete trials."""
    folder = tmp_path_factory.mktemp("sweep") / "figures"
    folder.mkdir()
    (folder / "stale.png").touch()
    return study_figures([BASELINE, *SEARCHED, trial(20, 0.6, "PRUNED", budget=1)], CONFIG, folder)


def test_everything_that_applies_is_drawn_and_the_rest_explained(outcomes: list[SavedFigure | NotDrawn]) -> None:
    assert [outcome.name for outcome in outcomes] == ["history", "pareto", "curves", "importance", "slice", "parallel"]
    assert [outcome.name for outcome in outcomes if isinstance(outcome, NotDrawn)] == ["pareto"]
    for saved in outcomes:
        if isinstance(saved, SavedFigure):
            assert saved.png.read_bytes().startswith(b"\x89PNG")
            assert saved.svg.read_text().startswith("<?xml")
            assert len(pd.read_csv(saved.table)) > 3
            assert saved.caption.endswith(".")
            assert saved.png.parent.name == "figures", "not where they were staged"


def test_a_saved_table_holds_the_numbers_of_the_records(outcomes: list[SavedFigure | NotDrawn]) -> None:
    [saved] = [outcome for outcome in outcomes if outcome.name == "history"]
    assert isinstance(saved, SavedFigure)
    table = pd.read_csv(saved.table).query("role == 'trial' and state == 'COMPLETE'").set_index("trial")
    assert table["val_log_loss"].to_dict() == {record.trial: record.metrics["val_log_loss"] for record in SEARCHED}


def test_the_folder_holds_this_set_and_nothing_older(outcomes: list[SavedFigure | NotDrawn]) -> None:
    [saved] = [outcome for outcome in outcomes if outcome.name == "history"]
    assert isinstance(saved, SavedFigure)
    names = {path.name for path in saved.png.parent.iterdir()}
    drawn = [outcome.name for outcome in outcomes if isinstance(outcome, SavedFigure)]
    assert names == {f"{name}.{ending}" for name in drawn for ending in ("png", "svg", "csv")} | {
        "figures.json",
        "not-drawn.txt",
    }


def test_refusals_lie_beside_the_figures(tmp_path: Path) -> None:
    study_figures([BASELINE, trial(0, 0.6, "PRUNED", budget=1)], CONFIG, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["not-drawn.txt"]
    refusals = (tmp_path / "not-drawn.txt").read_text().splitlines()
    assert len(refusals) == 6
    assert refusals[3].startswith("Importance of the searched axes: not drawn, it needs 20 complete trials of equal")


def test_the_package_is_imported_without_matplotlib() -> None:
    script = "import sys, tune.figures, embedllm.figures; print({'matplotlib', 'optuna', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("val_log_loss", "validation log-loss"),
        ("val_accuracy_sd", "validation accuracy, sd over seeds"),
        ("training_questions", "training questions"),
        ("train_log_loss", "training log-loss"),
        ("val_unheard_of", "val unheard of"),
    ],
)
def test_titles_of_quantities(name: str, title: str) -> None:
    assert quantity_title(name) == title


def test_an_axis_is_cut_only_where_few_are_far_worse() -> None:
    crowd = [0.50, 0.51, 0.52, 0.53, 0.54]
    assert visible_limit(crowd, "minimize") is None
    assert visible_limit([*crowd, 9.0], "minimize") == pytest.approx(0.56)
    assert visible_limit([1 - value for value in crowd] + [0.0], "maximize") == pytest.approx(0.44)
    assert visible_limit([0.5] * 5, "minimize") is None
    assert visible_limit([], "minimize") is None
