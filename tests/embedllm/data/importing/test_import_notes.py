"""What an import says about its guesses: tables passed over, columns taken for models, names that look alike."""

import pandas as pd
import pytest

from embedllm.data import CorrectnessMatrix, import_data
from embedllm.errors import DataError


def test_tables_beside_the_official_ones_are_mentioned(tmp_path):
    (tmp_path / "train.csv").write_text("prompt_id,model_id,label,prompt,category\n0,0,1,Zero?,piqa\n")
    (tmp_path / "model_order.csv").write_text("model_id,model_name\n0,a\n")
    (tmp_path / "notes.txt").write_text("hello")
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "more.parquet")
    (tmp_path / "extra.csv").write_text("x\n1\n")
    notes = import_data(tmp_path, tmp_path / "data").notes
    assert "not read: 2 tables beside train.csv: extra.csv, more.parquet" in notes


def test_the_columns_of_a_wide_table_that_were_taken_for_models_are_named(tmp_path):
    (tmp_path / "t.csv").write_text("question,gpt,llama,is_hard\nq,1,0,1\n")
    report = import_data(tmp_path / "t.csv", tmp_path / "data")
    assert "3 models read from the columns gpt, llama, is_hard" in report.notes
    many = [f"m{number}" for number in range(40)]
    pd.DataFrame([["q", *[1] * 40]], columns=["question", *many]).to_csv(tmp_path / "t.csv", index=False)
    report = import_data(tmp_path / "t.csv", tmp_path / "data")
    assert "40 models read from the columns m0, m1, m2, m3, m4, …" in report.notes


def test_model_names_that_differ_by_blanks_or_case_are_named(tmp_path):
    rows = "".join(f"{model},q,Q?,1,b\n" for model in ("a", "a ", "B", "b", "c"))
    (tmp_path / "t.csv").write_text("model,question,prompt,label,benchmark\n" + rows)
    report = import_data(tmp_path / "t.csv", tmp_path / "data")
    assert report.models == 5
    assert report.notes == (
        "2 model names spelled in several ways that differ only in spaces or case; they count as different models: "
        "'B' and 'b', 'a' and 'a '",
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_blanks_around_column_names_do_not_count(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    frame = pd.DataFrame({" llm_x": ["a", "b"], "question ": ["q", "q"], " label": [1, 0]})
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    report = import_data(path, tmp_path / "data", columns={"model": "llm_x "})
    assert report.columns == {"model": "llm_x", "question": "question", "label": "label"}
    assert CorrectnessMatrix.load(tmp_path / "data").correct.tolist() == [[1], [0]]


def test_blanks_around_column_names_of_an_official_folder(tmp_path):
    header = "prompt_id, model_id, label, prompt, category\n"
    for number, side in enumerate(("train", "val", "test")):
        (tmp_path / f"{side}.csv").write_text(f"{header}{number},0,1,Q{number}?,piqa\n")
    import_data(tmp_path, tmp_path / "data")
    assert CorrectnessMatrix.load(tmp_path / "data").prompts == ["Q0?", "Q1?", "Q2?"]


def test_attempts_given_for_an_official_folder_count(tmp_path):
    (tmp_path / "train.csv").write_text("prompt_id,model_id,label,prompt,category,tries\n0,0,1,Zero?,piqa,3\n")
    import_data(tmp_path, tmp_path / "data", columns={"attempts": "tries"})
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert (data.correct.tolist(), data.attempts.tolist()) == ([[3]], [[3]])


def test_a_target_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("question,gpt,llama\nq,1,0\n")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    monkeypatch.setattr("embedllm.data.importing.run.recognise", lambda *_: pytest.fail("it was read"))
    with pytest.raises(DataError, match=r"thesis\.txt"):
        import_data(tmp_path / "t.csv", tmp_path / "taken")
    assert (tmp_path / "taken" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("text", [["question"], ["prompt"], ["question", "prompt"]])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_index_of_a_pandas_frame_is_no_model(tmp_path, text, suffix):
    """As `df.to_csv(path)` and `df.to_parquet(path)` write it, and as the CSV looks once read and written again."""
    path = tmp_path / f"t{suffix}"
    frame = pd.DataFrame({**{name: ["Why?", "How?"] for name in text}, "A": [1, 0], "B": [1, 1]}, index=[4, 2])
    if suffix == ".csv":
        frame.to_csv(path)
        index = "the column without a name"
        pd.read_csv(path).to_csv(tmp_path / "again.csv")
        notes = import_data(tmp_path / "again.csv", tmp_path / "data").notes
        assert "not read: the column without a name and the column `Unnamed: 0`, the index of a pandas frame" in notes
    else:
        frame.to_parquet(path)
        index = "the column `__index_level_0__`"
    report = import_data(path, tmp_path / "data")
    assert f"not read: {index}, the index of a pandas frame" in report.notes
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.model_names == ["A", "B"]
    assert data.prompts == ["How?", "Why?"]
    assert data.correct.tolist() == [[0, 1], [1, 1]]


def test_a_long_table_may_have_an_index_too(tmp_path):
    pd.DataFrame({"model": ["a", "b"], "question": "q", "label": [1, 0]}).to_csv(tmp_path / "t.csv")
    report = import_data(tmp_path / "t.csv", tmp_path / "data")
    assert (report.format, report.models) == ("long", 2)
    assert CorrectnessMatrix.load(tmp_path / "data").correct.tolist() == [[1], [0]]
