"""Official files are read with integer ids where they have them; nothing but the time shows it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from embedllm.data import CorrectnessMatrix, import_data
from embedllm.data.importing import run, tables
from embedllm.errors import DataError

QUESTIONS, MODELS = 300, 6


@pytest.fixture(params=["question", "model", "shuffled"])
def rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Every model's answers in one of three row orders, some questions twice, read in several blocks."""
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 1 << 13)
    question, model = (part.ravel() for part in np.indices((QUESTIONS, MODELS)))
    frame = pd.DataFrame({"prompt_id": question + 17, "model_id": model, "label": (question * 7 + model) % 3 == 0})
    frame["label"] = frame.label.astype(int)
    frame = pd.concat([frame, frame[frame.prompt_id % 10 == 0]])
    frame["prompt"] = "What, exactly, is number " + frame.prompt_id.astype(str)
    frame["category"] = np.where(frame.prompt_id % 2, "gsm8k", "piqa")
    if request.param == "shuffled":
        return frame.sample(frac=1, random_state=0)
    return frame.sort_values(["prompt_id", "model_id"][:: 1 if request.param == "question" else -1], kind="stable")


def folder_with(frame: pd.DataFrame, folder: Path) -> Path:
    folder.mkdir()
    frame.to_csv(folder / "train.csv", index=False)
    return folder


def test_integers_and_texts_give_the_same_data(rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = folder_with(rows, tmp_path / "csv")
    import_data(source, tmp_path / "integers")
    monkeypatch.setattr(run, "starts_with_integers", lambda path, columns: False)
    import_data(source, tmp_path / "texts")
    fast, slow = (CorrectnessMatrix.load(tmp_path / name) for name in ("integers", "texts"))
    assert fast.digest == slow.digest
    assert fast.questions.equals(slow.questions)
    assert fast.attempts.sum() == len(rows)


@pytest.mark.parametrize(
    ("row", "column", "value", "kept"),
    [(-1, "prompt_id", "q1", "q1"), (0, "prompt_id", "0099", "0099"), (5, "model_id", "gpt", "gpt")],
)
def test_other_ids_are_kept_as_they_are_spelled(rows, tmp_path, row, column, value, kept):
    """Wherever it stands, an id that is no plain integer makes all of them texts again."""
    frame = rows.astype({"prompt_id": object, "model_id": object})
    frame.iloc[row, frame.columns.get_loc(column)] = value
    if column == "prompt_id":
        frame.iloc[row, frame.columns.get_loc("prompt")] = "a question of its own"
    import_data(folder_with(frame, tmp_path / "csv"), tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    table = data.questions if column == "prompt_id" else data.models
    assert kept in table[column].to_pylist()
    assert data.attempts.sum() == len(rows)


@pytest.mark.parametrize("label", ["yes", "2", "0.5", "-1"])
def test_other_labels_are_named(rows, tmp_path, label):
    frame = rows.astype({"label": object})
    frame.iloc[700, frame.columns.get_loc("label")] = label
    with pytest.raises(DataError, match="label"):
        import_data(folder_with(frame, tmp_path / "csv"), tmp_path / "data")


def test_a_row_without_a_label_is_left_out(rows, tmp_path):
    frame = rows.astype({"label": object})
    frame.iloc[700, frame.columns.get_loc("label")] = ""
    report = import_data(folder_with(frame, tmp_path / "csv"), tmp_path / "data")
    assert report.rows == len(rows) - 1
    assert "1 row without a label was left out" in report.notes


def test_a_differing_text_is_found_in_any_row(rows, tmp_path):
    """A question's text is compared in every row, whatever the order of the rows: one byte changed in one of 1,980."""
    for row in np.random.default_rng(0).choice(len(rows), 5, replace=False).tolist():
        frame = rows.copy()
        column = frame.columns.get_loc("prompt")
        frame.iloc[row, column] = frame.iloc[row, column].replace("exactly", "exactlY")
        source = tmp_path / f"csv{row}"
        with pytest.raises(DataError, match=f"id '{frame.iloc[row].prompt_id}'"):
            import_data(folder_with(frame, source), tmp_path / "data")


def test_ids_beyond_the_largest_are_texts(rows, tmp_path):
    frame = rows.assign(prompt_id=rows.prompt_id + 30_000_000)
    import_data(folder_with(frame, tmp_path / "csv"), tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.questions["prompt_id"][0].as_py() == "30000017"
