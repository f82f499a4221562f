"""Import of tables gives back what was written, whatever the row order, layout and file format."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedllm.data import CorrectnessMatrix, import_data

OFFICIAL = ["prompt_id", "model_id", "category_id", "label", "prompt", "model_name", "category"]
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=20)


@st.composite
def long_rows(draw) -> pd.DataFrame:
    """Rows with duplicates and gaps; ids need not be contiguous, texts hold quotes, commas and line breaks."""
    questions = draw(st.lists(st.integers(0, 500), min_size=1, max_size=12, unique=True))
    models = draw(st.lists(st.integers(0, 50), min_size=1, max_size=5, unique=True))
    prompts = {q: f"{q} {draw(TEXTS)}" for q in questions}
    cells = st.tuples(st.sampled_from(questions), st.sampled_from(models), st.integers(0, 1))
    rows = draw(st.lists(cells, min_size=1, max_size=120))
    frame = pd.DataFrame(rows, columns=["prompt_id", "model_id", "label"])
    frame["prompt"] = frame.prompt_id.map(prompts)
    frame["model_name"] = [f"model {m}" for m in frame.model_id]
    frame["category"] = ["mmlu_anatomy" if q % 2 else "gsm8k" for q in frame.prompt_id]
    frame["category_id"] = frame.prompt_id % 2
    return frame


def naive_matrix(frame: pd.DataFrame, duplicates: str) -> tuple[np.ndarray, np.ndarray]:
    """The reference: a loop over rows."""
    questions, models = sorted(set(frame.prompt_id)), sorted(set(frame.model_id))
    cells: dict[tuple[int, int], list[int]] = {}
    for row in frame.itertuples():
        cells.setdefault((models.index(row.model_id), questions.index(row.prompt_id)), []).append(row.label)
    correct, attempts = np.zeros((2, len(models), len(questions)), dtype=np.uint8)
    merge = {
        "binomial": lambda labels: (sum(labels), len(labels)),
        "majority": lambda labels: (int(2 * sum(labels) >= len(labels)), 1),
        "max": lambda labels: (max(labels), 1),
        "last": lambda labels: (labels[-1], 1),
    }[duplicates]
    for cell, labels in cells.items():
        correct[cell], attempts[cell] = merge(labels)
    return correct, attempts


def write_official(frame: pd.DataFrame, folder: Path) -> Path:
    folder.mkdir()
    for code, side in enumerate(("train", "val", "test")):
        part = frame[frame.prompt_id % 3 == code] if side != "train" else frame[frame.prompt_id % 3 == 0]
        if len(part):
            part[OFFICIAL].to_csv(folder / f"{side}.csv", index=False)
    return folder


def hypothesis_settings(examples: int):
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


@given(frame=long_rows(), duplicates=st.sampled_from(["binomial", "majority", "max", "last"]))
@hypothesis_settings(40)
def test_official_folder_round_trip(tmp_path_factory, frame, duplicates):
    folder = tmp_path_factory.mktemp("official")
    report = import_data(write_official(frame, folder / "csv"), folder / "data", duplicates=duplicates)
    data = CorrectnessMatrix.load(folder / "data")
    correct, attempts = naive_matrix(frame, duplicates)
    assert np.array_equal(data.correct, correct)
    assert np.array_equal(data.attempts, attempts)
    questions = frame.drop_duplicates("prompt_id").sort_values("prompt_id")
    assert data.prompts == questions.prompt.tolist()
    assert data.questions["split"].to_pylist() == [("train", "val", "test")[q % 3] for q in questions.prompt_id]
    assert data.benchmarks.tolist() == ["mmlu" if q % 2 else "gsm8k" for q in questions.prompt_id]
    assert data.model_names == [f"model {m}" for m in sorted(set(frame.model_id))]
    everything, tries = naive_matrix(frame, "binomial")
    assert report.rows == len(frame)
    assert report.cells == np.count_nonzero(tries)
    assert report.repeated_answers == len(frame) - np.count_nonzero(tries)
    assert report.conflicting_cells == np.sum((everything > 0) & (everything < tries))
    assert report.missing_share == pytest.approx(np.mean(tries == 0))


@given(frame=long_rows(), seed=st.integers(0, 3), suffix=st.sampled_from([".csv", ".tsv", ".parquet", ".csv.gz"]))
@hypothesis_settings(30)
def test_shuffled_rows_and_file_formats_give_the_same_data(tmp_path_factory, frame, seed, suffix):
    folder = tmp_path_factory.mktemp("long")
    shuffled = frame.sample(frac=1, random_state=seed)
    table = shuffled[["prompt_id", "model_name", "label", "prompt", "category"]]
    path = folder / f"table{suffix}"
    if suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    report = import_data(path, folder / "data")
    data = CorrectnessMatrix.load(folder / "data")
    names = sorted(set(frame.model_name))
    expected = frame.assign(model_id=frame.model_name.map(names.index))
    correct, attempts = naive_matrix(expected, "binomial")
    assert report.format == "long"
    assert data.model_names == names
    assert np.array_equal(data.correct, correct)
    assert np.array_equal(data.attempts, attempts)


def test_small_blocks_change_nothing(tmp_path, monkeypatch):
    """Rows of one question that fall into different blocks meet again, in every row order."""
    monkeypatch.setattr("embedllm.data.importing.tables._BLOCK_BYTES", 700)
    rows = pd.DataFrame([(q, m) for q in range(40) for m in range(7)], columns=["prompt_id", "model_id"])
    rows["label"] = (rows.prompt_id * rows.model_id) % 2
    rows["prompt"] = [f"text of {q} " + "x" * (q % 9) for q in rows.prompt_id]
    rows["category"], rows["category_id"], rows["model_name"] = "gsm8k", 0, [f"model {m}" for m in rows.model_id]
    expected = naive_matrix(rows, "binomial")
    orders = (rows, rows.sort_values("model_id", kind="stable"), rows.sample(frac=1, random_state=0))
    for number, frame in enumerate(orders):
        import_data(write_official(frame, tmp_path / f"csv{number}"), tmp_path / f"data{number}")
        data = CorrectnessMatrix.load(tmp_path / f"data{number}")
        assert np.array_equal(data.correct, expected[0])
        assert np.array_equal(data.attempts, expected[1])
        assert data.prompts == rows.drop_duplicates("prompt_id").prompt.tolist()


def test_order_files_fix_the_order_and_fill_in_texts_and_names(tmp_path):
    (tmp_path / "train.csv").write_text("prompt_id,model_id,label,category\n7,1,1,piqa\n3,0,0,piqa\n3,1,1,piqa\n")
    (tmp_path / "question_order.csv").write_text("prompt_id,prompt\n7,Seven\n3,Three\n5,Five\n")
    (tmp_path / "model_order.csv").write_text("model_id,model_name\n1,one\n0,zero\n")
    report = import_data(tmp_path, tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.prompts == ["Seven", "Three"]
    assert data.model_names == ["one", "zero"]
    assert data.attempts.tolist() == [[1, 1], [0, 1]]
    assert report.notes == (
        "there is no val.csv and no test.csv; no question is on that side",
        "left out: 1 question of question_order.csv without a single row: 5",
    )


def test_long_table_with_shares_and_attempts(tmp_path):
    table = "llm,item,score,trials,text,dataset\na,q1,0.6,5,One?,gsm8k\na,q2,1,1,Two?,mine\nb,q1,0,255,One?,gsm8k\n"
    (tmp_path / "t.csv").write_text(table)
    report = import_data(tmp_path / "t.csv", tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.correct.tolist() == [[3, 1], [0, 0]]
    assert data.attempts.tolist() == [[5, 1], [255, 0]]
    assert data.benchmarks.tolist() == ["gsm8k", "mine"]
    assert data.questions["category"].to_pylist() == ["gsm8k", "mine"]
    assert data.questions["split"].to_pylist() == [None, None]
    assert report.columns == {
        "question": "item",
        "model": "llm",
        "label": "score",
        "attempts": "trials",
        "prompt": "text",
        "benchmark": "dataset",
    }


def test_named_columns_and_a_text_as_the_only_key(tmp_path):
    (tmp_path / "t.csv").write_text(
        "who,what,ok,side\nb,Is it?,True,validation\na,Is it?,false,validation\nb,Why?,1.0,train\n"
    )
    columns = {"model": "who", "prompt": "what", "label": "ok"}
    report = import_data(tmp_path / "t.csv", tmp_path / "data", columns=columns)
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.prompts == ["Is it?", "Why?"]
    assert data.questions["prompt_id"].to_pylist() == ["0", "1"]
    assert data.questions["split"].to_pylist() == ["val", "train"]
    assert data.correct.tolist() == [[0, 0], [1, 1]]
    assert report.notes == ("there is neither a benchmark nor a category; all questions belong to benchmark 'all'",)


def test_a_folder_of_part_files(tmp_path):
    for part in range(2):
        frame = pd.DataFrame({"model": ["a", "b"], "question": [f"q{part}"] * 2, "label": [part, 1]})
        frame.to_parquet(tmp_path / f"part{part}.parquet")
    report = import_data(tmp_path, tmp_path / "data")
    assert report.files == ("part0.parquet", "part1.parquet")
    assert CorrectnessMatrix.load(tmp_path / "data").correct.tolist() == [[0, 1], [1, 1]]
    assert "there are no prompt texts; the question ids stand in for them" in report.notes


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_wide_table(tmp_path, suffix):
    frame = pd.DataFrame(
        {
            "question": ["q1", "q2", "q3"],
            "prompt": ["One?", "Two?", "Three?"],
            "benchmark": ["x", "x", "y"],
            "model A": [1, 0, 1],
            "model B": [0, None, 1],
            "model C": [None, None, None],
        }
    )
    path = tmp_path / f"t.{suffix}"
    (frame.to_csv if suffix == "csv" else frame.to_parquet)(path, index=False)
    report = import_data(path, tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert report.format == "wide"
    assert data.model_names == ["model A", "model B"]
    assert data.correct.tolist() == [[1, 0, 1], [0, 0, 1]]
    assert data.attempts.tolist() == [[1, 1, 1], [1, 0, 1]]
    assert data.prompts == ["One?", "Two?", "Three?"]
    assert report.notes == (
        "3 models read from the columns model A, model B, model C",
        "left out: 1 model without a single label: model C",
    )


def test_copies_of_a_text_move_to_the_side_nearer_to_training(tmp_path):
    for side, rows in {"train": "1,0,1,Same?,piqa", "val": "2,0,1,Other?,piqa", "test": "3,0,0,Same?,piqa"}.items():
        (tmp_path / f"{side}.csv").write_text(f"prompt_id,model_id,label,prompt,category\n{rows}\n")
    report = import_data(tmp_path, tmp_path / "data")
    assert CorrectnessMatrix.load(tmp_path / "data").questions["split"].to_pylist() == ["train", "val", "train"]
    assert report.notes[-1] == (
        "1 question moved from val or test to the side nearer to training that holds the same prompt text under "
        "another id: ids 3"
    )


def test_the_report_reads_well(tmp_path):
    rows = "1,0,1,A?,gsm8k\n1,0,0,A?,gsm8k\n2,0,1,B?,mmlu_anatomy\n1,1,1,A?,gsm8k\n"
    (tmp_path / "train.csv").write_text("prompt_id,model_id,label,prompt,category\n" + rows)
    report = import_data(tmp_path, tmp_path / "data", duplicates="majority", progress=True)
    lines = str(report).splitlines()
    assert lines[0].startswith(f"{tmp_path}: official layout, 1 file, 4 rows in ")
    assert lines[1:] == [
        "  models      2",
        "  questions   2 of 2 benchmarks (train 2)",
        "  cells       3; 25.00% of all model-question pairs have no label",
        "  repeats     1 answer beyond the first of a cell, merged by majority, ties count as right; "
        "1 cell with conflicting labels",
        "  note        there is no val.csv and no test.csv; no question is on that side",
    ]
    meta = CorrectnessMatrix.load(tmp_path / "data").meta
    assert meta["import"] == report.as_dict()
    assert meta["simulated"] is False


@pytest.mark.parametrize("naming", [("train",), ("val", "test"), ("test",), ()])
def test_models_are_named_by_whichever_official_file_names_them(tmp_path, naming):
    for number, side in enumerate(("train", "val", "test")):
        frame = pd.DataFrame({"prompt_id": number, "model_id": [0, 1], "label": [1, 0], "prompt": f"Q{number}?"})
        frame["category"] = "piqa"
        if side in naming:
            frame["model_name"] = ["zero", "one"]
        frame.to_csv(tmp_path / f"{side}.csv", index=False)
    report = import_data(tmp_path, tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.model_names == (["zero", "one"] if naming else ["0", "1"])
    assert data.prompts == ["Q0?", "Q1?", "Q2?"]
    assert data.correct.tolist() == [[1, 1, 1], [0, 0, 0]]
    assert report.notes == ()


def test_texts_of_some_official_files_are_not_read(tmp_path):
    (tmp_path / "train.csv").write_text("prompt_id,model_id,label,category\n0,0,1,piqa\n")
    (tmp_path / "test.csv").write_text("prompt_id,model_id,label,prompt,category\n1,0,1,One!,piqa\n")
    (tmp_path / "question_order.csv").write_text("prompt_id,prompt\n0,Zero?\n1,One?\n")
    notes = import_data(tmp_path, tmp_path / "data").notes
    assert "column `prompt` is not in train.csv and is not read; the texts are those of question_order.csv" in notes
    assert CorrectnessMatrix.load(tmp_path / "data").prompts == ["Zero?", "One?"]
