"""The correctness matrix: what it refuses, how it is saved, what its digest means."""

import json

import numpy as np
import pyarrow as pa
import pytest

from embedllm.data import CorrectnessMatrix, simulate
from embedllm.data.matrix import check_target
from embedllm.errors import DataError


@pytest.fixture
def data() -> CorrectnessMatrix:
    return simulate(models=3, questions=20, missing=0.2, duplicates=True)


def test_save_and_load(data, tmp_path):
    data.save(tmp_path / "data")
    loaded = CorrectnessMatrix.load(tmp_path / "data")
    assert np.array_equal(loaded.correct, data.correct)
    assert np.array_equal(loaded.attempts, data.attempts)
    assert loaded.questions.equals(data.questions)
    assert loaded.models.equals(data.models)
    assert loaded.digest == data.digest == loaded.meta["digest"]
    assert loaded.meta["truth"] == data.meta["truth"]


def test_every_fault_is_named(data):
    with pytest.raises(DataError) as error:
        CorrectnessMatrix(
            data.correct.astype(np.int64), data.attempts[:, :5], data.questions.drop(["split"]), data.models
        )
    assert error.value.problems[:2] == (
        "`correct` has dtype int64; it must be uint8",
        "`attempts` has shape (3, 5); models x questions is (3, 20)",
    )
    assert error.value.problems[2].startswith("`questions` lacks the columns split; it has [")
    with pytest.raises(DataError, match="model 0, question 0: 1 right answers out of 0 attempts"):
        CorrectnessMatrix(np.ones((3, 20), np.uint8), np.zeros((3, 20), np.uint8), data.questions, data.models)


def test_models_of_one_name_are_refused(data):
    models = data.models.set_column(
        data.models.column_names.index("model_name"), "model_name", pa.array(["twin", "single", "twin"])
    )
    with pytest.raises(DataError, match="2 models are named 'twin'; names must differ, for results are kept by name"):
        CorrectnessMatrix(data.correct, data.attempts, data.questions, models)


def test_digest_sees_content_and_not_chunking(data):
    def with_questions(table: pa.Table) -> CorrectnessMatrix:
        return CorrectnessMatrix(data.correct, data.attempts, table, data.models)

    pieces = pa.concat_tables([data.questions.slice(0, 7), data.questions.slice(7)])
    assert with_questions(pieces).digest == data.digest
    padded = pa.concat_tables([data.questions.slice(0, 3), data.questions]).slice(3)
    assert with_questions(padded).digest == data.digest
    sides = data.questions["split"].to_pylist()
    for change in ([None, *sides[1:]], ["", *sides[1:]], ["testtrain", *sides[1:]]):
        table = data.questions.set_column(4, "split", pa.array(change, pa.string()))
        assert with_questions(table).digest != data.digest
    flipped = data.correct.copy()
    cell = np.argwhere(data.attempts > 0)[0]
    flipped[tuple(cell)] = 1 - min(flipped[tuple(cell)], 1)
    assert CorrectnessMatrix(flipped, data.attempts, data.questions, data.models).digest != data.digest


def test_a_crash_while_saving_leaves_the_old_folder(data, tmp_path, monkeypatch):
    data.save(tmp_path / "data")

    def crash(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("embedllm.data.matrix.pq.write_table", crash)
    with pytest.raises(
        DataError, match=r"the folder cannot be written \(disk full\); is the disk full\? What was there"
    ):
        simulate(models=2, questions=10).save(tmp_path / "data")
    assert CorrectnessMatrix.load(tmp_path / "data").digest == data.digest
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_loading_names_every_missing_or_damaged_file(data, tmp_path):
    with pytest.raises(DataError, match="no such folder; make one with `embedllm data import SRC DATA`"):
        CorrectnessMatrix.load(tmp_path / "none")
    folder = data.save(tmp_path / "data")
    (folder / "models.parquet").unlink()
    (folder / "meta.json").unlink()
    with pytest.raises(DataError) as error:
        CorrectnessMatrix.load(folder)
    assert error.value.problems[:2] == ("models.parquet is missing", "meta.json is missing")
    (folder / "models.parquet").write_bytes(b"PAR1")
    (folder / "meta.json").write_text("{")
    with pytest.raises(DataError) as error:
        CorrectnessMatrix.load(folder)
    assert [problem.split()[0] for problem in error.value.problems] == ["models.parquet", "meta.json"]
    assert all("import the data again" in problem for problem in error.value.problems)


def test_meta_is_json(data, tmp_path):
    meta = json.loads((data.save(tmp_path / "data") / "meta.json").read_text())
    assert (meta["models"], meta["questions"], meta["simulated"]) == (3, 20, True)


def test_a_file_of_the_user_in_the_data_folder_is_never_deleted(data, tmp_path):
    folder = data.save(tmp_path / "data")
    (folder / "raw.csv").write_text("precious")
    message = "holds raw.csv, which is not part of imported data; choose another folder or move it away"
    with pytest.raises(DataError, match=message):
        data.save(folder)
    assert (folder / "raw.csv").read_text() == "precious"


def test_another_programs_meta_json_does_not_make_a_folder_imported_data(data, tmp_path):
    (tmp_path / "meta.json").write_text('{"title": "my site"}')
    (tmp_path / "index.html").write_text("precious")
    with pytest.raises(DataError, match=r"is not imported data; .* \(it holds index.html\)"):
        data.save(tmp_path)
    assert (tmp_path / "index.html").read_text() == "precious"


def test_data_is_saved_into_the_current_folder(data, tmp_path, monkeypatch):
    monkeypatch.chdir(data.save(tmp_path / "data"))
    other = simulate(models=2, questions=10)
    other.save(".")
    assert CorrectnessMatrix.load(".").digest == CorrectnessMatrix.load(tmp_path / "data").digest == other.digest


def test_a_target_that_cannot_be_written_is_told_beforehand(data, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(DataError, match="the folder exists as a file; choose another name"):
        check_target(tmp_path / "file")
    with pytest.raises(DataError, match=r"cannot be created because .*file is a file"):
        check_target(tmp_path / "file" / "data")
    assert check_target(tmp_path / "new" / "data") == tmp_path / "new" / "data"
    monkeypatch.setattr("embedllm.storage.os.access", lambda *_: False)
    with pytest.raises(DataError, match=r"cannot be written: you cannot write to .*; choose another"):
        check_target(tmp_path / "new" / "data")


def test_a_link_to_a_data_folder_stays_a_link(data, tmp_path):
    data.save(tmp_path / "data")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    other = simulate(models=2, questions=10)
    other.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert CorrectnessMatrix.load(tmp_path / "data").digest == other.digest


@pytest.mark.parametrize("content", ["[]", "3", "null"])
def test_meta_that_is_no_object_is_told(data, tmp_path, content):
    (data.save(tmp_path / "data") / "meta.json").write_text(content)
    with pytest.raises(DataError, match=r"meta.json cannot be read \(.*it must hold a JSON object but holds .*import"):
        CorrectnessMatrix.load(tmp_path / "data")


def test_a_file_is_to_be_imported_first(tmp_path):
    (tmp_path / "long.csv").write_text("model,question,label\n")
    with pytest.raises(DataError, match=r"this is a file; import it first: `embedllm data import \S+/long\.csv DATA`"):
        CorrectnessMatrix.load(tmp_path / "long.csv")


def test_a_matrix_is_shown_in_a_line(data):
    cells = np.count_nonzero(data.attempts)
    assert repr(data) == (
        f"CorrectnessMatrix(3 models x 20 questions, {cells} cells with a label, digest {data.digest})"
    )
