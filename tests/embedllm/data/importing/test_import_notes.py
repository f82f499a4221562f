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


@pytest.mark.parametrize(
    ("models", "named"),
    [
        (("a", "a ", "B", "b", "c"), "'B' and 'b', 'a' and 'a '"),
        (("\u00e9", "e\u0301", "\ufb01", "fi"), "'e\\u0301' and 'é', 'fi' and '\\ufb01'"),
    ],
)
def test_model_names_that_differ_in_what_is_hardly_seen_are_named(tmp_path, models, named):
    rows = "".join(f"{model},q,Q?,1,b\n" for model in models)
    (tmp_path / "t.csv").write_text("model,question,prompt,label,benchmark\n" + rows)
    report = import_data(tmp_path / "t.csv", tmp_path / "data")
    assert report.models == len(models)
    assert report.notes == (
        "2 model names spelled in several ways that differ only in spaces, case or how letters are encoded; they count "
        f"as different models: {named}",
    )


def test_names_in_notes_stay_on_one_line_and_are_spelled_out(tmp_path):
    (tmp_path / "t.csv").write_text('question,"a\n[31m\x1b[31m",b\nq,1,0\n')
    report = import_data(tmp_path / "t.csv", tmp_path / "data")
    assert "2 models read from the columns a [31m\\x1b[31m, b" in report.notes


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


def test_columns_of_a_long_table_that_are_not_used_are_named(tmp_path):
    frame = pd.DataFrame({"model": ["a", "b"], "question": "q", "label": [1, 0], "Model": ["A", "B"], "cost": 1})
    frame.to_csv(tmp_path / "t.csv")
    notes = import_data(tmp_path / "t.csv", tmp_path / "data").notes
    assert "not read: the column without a name, the index of a pandas frame" in notes
    assert "not used: 2 columns: Model, cost" in notes


@pytest.mark.parametrize("spelling", [str, str.upper, str.title, lambda name: name.replace(" ", "-")])
def test_column_names_are_matched_without_blanks_dashes_and_case(tmp_path, spelling):
    frame = pd.DataFrame({"question id": ["q", "q"], "llm name": ["a", "b"], "is correct": [1, 0], "task name": "x"})
    frame.rename(columns=spelling).to_csv(tmp_path / "t.csv", index=False)
    report = import_data(tmp_path / "t.csv", tmp_path / "data")
    assert set(report.columns) == {"question", "model", "label", "category"}
    assert CorrectnessMatrix.load(tmp_path / "data").correct.tolist() == [[1], [0]]


@pytest.mark.parametrize("wide", [False, True])
def test_beside_an_id_a_column_called_question_holds_the_text(tmp_path, wide):
    """Two questions of one text stay two, and their text is the prompt."""
    rows = [("1", "A?", "x", 1), ("1", "A?", "y", 0), ("2", "A?", "x", 0), ("2", "A?", "y", 0), ("3", "B?", "x", 1)]
    frame = pd.DataFrame(rows, columns=["question_id", "question", "model", "correct"])
    if wide:
        frame = frame.pivot(index=["question_id", "question"], columns="model", values="correct").reset_index()
    frame.to_csv(tmp_path / "t.csv", index=False)
    report = import_data(tmp_path / "t.csv", tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.questions["prompt_id"].to_pylist() == ["1", "2", "3"]
    assert data.prompts == ["A?", "A?", "B?"]
    assert data.correct.tolist() == [[1, 0, 1], [0, 0, 0]]
    assert not any("no prompt texts" in note for note in report.notes)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
@pytest.mark.parametrize("attempts", [False, True])
def test_rows_without_a_label_are_left_out_and_counted(tmp_path, suffix, attempts):
    frame = pd.DataFrame({"model": list("aabbc"), "question": list("12121"), "label": [1, None, 0, 1, None]})
    if attempts:
        frame["attempts"] = [2, None, 2, 2, 1]
    path = tmp_path / f"t{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path) if suffix == ".parquet" else frame.to_json(path, orient="records", lines=True)
    report = import_data(path, tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert (data.attempts > 0).tolist() == [[True, False], [True, True]]
    assert (report.rows, report.cells) == (3, 3)
    assert "2 rows without a label were left out" in report.notes
    assert "left out: 1 model without a single label: c" in report.notes


def test_a_blank_row_is_one_without_a_label(tmp_path):
    (tmp_path / "t.csv").write_text("model,question,label\na,10,1\na,9,0\n,,\n")
    report = import_data(tmp_path / "t.csv", tmp_path / "data")
    assert CorrectnessMatrix.load(tmp_path / "data").questions["prompt_id"].to_pylist() == ["9", "10"]
    assert report.notes[0] == "1 row without a label was left out"
    assert not any(note.startswith("left out") for note in report.notes)


def test_a_column_that_is_ignored_is_not_there(tmp_path):
    rows = "a,q,1,0,train\nb,q,0,1,train\n"
    (tmp_path / "t.csv").write_text("model,question,label,correct,split\n" + rows)
    report = import_data(tmp_path / "t.csv", tmp_path / "data", ignore=["label", "split"])
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.correct.tolist() == [[0], [1]]
    assert data.questions["split"].to_pylist() == [None]
    assert not any(note.startswith("not used") for note in report.notes)
