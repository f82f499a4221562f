"""Tables that are neither CSV nor Parquet: JSON lines and data frames."""

import pandas as pd
import pytest

from embedllm.data import CorrectnessMatrix, import_data
from embedllm.errors import DataError


def frame_of_four() -> pd.DataFrame:
    return pd.DataFrame(
        {"model": list("aabb"), "question_id": [7, 10, 7, 10], "prompt": ["S?", "T?"] * 2, "label": [1, 0, 1, 1]}
    )


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
def test_json_lines_without_the_marks_of_a_log_are_a_table(tmp_path, name):
    frame_of_four().to_json(tmp_path / name, orient="records", lines=True)
    for source in (tmp_path / name, tmp_path):
        report = import_data(source, tmp_path.parent / f"{tmp_path.name}-data")
        data = CorrectnessMatrix.load(tmp_path.parent / f"{tmp_path.name}-data")
        assert (report.format, report.files) == ("long", (name,))
        assert data.questions["prompt_id"].to_pylist() == ["7", "10"]
        assert data.correct.tolist() == [[1, 0], [1, 1]]


def test_json_lines_that_are_no_table(tmp_path):
    (tmp_path / "t.jsonl").write_text("")
    with pytest.raises(DataError, match=r"t.jsonl is empty; it must hold a JSON object a line"):
        import_data(tmp_path / "t.jsonl", tmp_path / "data")
    (tmp_path / "t.jsonl").write_text("[1, 2]\n")
    with pytest.raises(DataError, match=r"t.jsonl cannot be read .every line must hold a JSON object"):
        import_data(tmp_path / "t.jsonl", tmp_path / "data")


def test_a_data_frame_long_or_wide(tmp_path):
    frame = frame_of_four()
    report = import_data(frame, tmp_path / "long")
    assert str(report).startswith("a pandas data frame: long layout, 1 file, 4 rows")
    long = CorrectnessMatrix.load(tmp_path / "long")
    assert long.meta["source"] == "a pandas data frame"
    import_data(frame.pivot(index="question_id", columns="model", values="label"), tmp_path / "wide")
    wide = CorrectnessMatrix.load(tmp_path / "wide")
    assert long.correct.tolist() == wide.correct.tolist() == [[1, 0], [1, 1]]
    assert long.prompts == ["S?", "T?"]


def test_a_data_frame_that_is_no_table(tmp_path):
    frame = pd.DataFrame({"model": ["a", "b"], "question": [1, "x"], "label": [1, 0]})
    with pytest.raises(DataError, match="1 problem in a pandas data frame:\n  - it cannot be made a table"):
        import_data(frame, tmp_path / "data")
    with pytest.raises(DataError, match=r"1 problem in a pandas data frame:\n  - frame.parquet has no label column"):
        import_data(frame_of_four().drop(columns="label"), tmp_path / "data")
