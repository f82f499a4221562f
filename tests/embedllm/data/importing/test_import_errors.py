"""Bad input: one message with every problem, and nothing written."""

import gzip
import sys
from pathlib import Path

import pandas as pd
import pytest

from embedllm.data import import_data
from embedllm.data.importing import tables
from embedllm.errors import DataError

HEADER = "prompt_id,model_id,category_id,label,prompt,model_name,category\n"
GOOD = '0,0,0,1,"Zero, or not?",a,piqa\n0,1,0,0,"Zero, or not?",b,piqa\n'


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small official folder without fault."""
    (tmp_path / "train.csv").write_text(HEADER + GOOD)
    (tmp_path / "val.csv").write_text(HEADER + "1,0,0,1,One?,a,piqa\n")
    (tmp_path / "test.csv").write_text(HEADER + "2,0,0,1,Two?,a,piqa\n")
    return tmp_path


def problems_of(source: Path, **options) -> tuple[str, ...]:
    target = source.parent / f"{source.name}-imported"
    with pytest.raises(DataError) as error:
        import_data(source, target, **options)
    assert not target.exists()
    assert not list(source.parent.glob(f".{target.name}*"))
    assert str(source) in str(error.value)
    return error.value.problems


def test_the_folder_is_fine(folder):
    assert import_data(folder, folder / "data").notes == ()


def test_headers_and_empty_files_are_reported_together(folder):
    (folder / "train.csv").write_text("")
    (folder / "val.csv").write_text("prompt_id,model_id,prompt\n1,0,One?\n")
    assert problems_of(folder) == (
        "train.csv is empty; it must begin with a line of column names",
        "val.csv has no label column and no category column; name them with --columns.label NAME --columns.category "
        "NAME; all its columns have a meaning: prompt_id, model_id, prompt; usual here: `label`, `category`",
    )


def test_everything_wrong_with_rows_is_reported_together(folder):
    rows = [
        "3,0,0,2,Three?,a,piqa",
        "3,1,0,yes,Three?,b,piqa",
        "4,0,0,0.5,Four?,a,piqa",
        "4,1,0,,Four?,b,piqa",
        "5,0,0,NaN,Five?,a,piqa",
        ",0,0,1,Six?,a,piqa",
        "7,,0,1,Seven?,a,piqa",
        "0,0,0,1,Zero again?,a,piqa",
        "8,0,0,1,,a,piqa",
        "9,0,0,1,Nine?,a,",
        "9,1,0,1,Nine?",
    ]
    (folder / "test.csv").write_text(HEADER + "\n".join(rows) + "\n")
    assert problems_of(folder) == (
        "1 question with an empty prompt: ids 8",
        "1 question with an empty category: ids 9",
        "1 question in more than one of train, val and test: ids 0; a question belongs to one side",
        "test.csv: labels that are neither 0 nor 1: '2' (row 1), 'yes' (row 2)",
        "test.csv: labels that are fractions; a label is 0 or 1, or the share of right answers where a column "
        "`attempts` says out of how many: '0.5' (row 3)",
        "rows whose prompt text is not the one of their question id's first row (an id must stand for one text; where "
        "it does not, name the column of texts with --columns.question): id '0' (test.csv, row 8)",
        "test.csv: rows that name no question: row 6",
        "test.csv: rows that name no model: row 7",
        "test.csv: rows without the 7 values of the header (a truncated file?): 5 values in '9,1,0,1,Nine?'",
    )


def test_many_problems_of_a_kind_are_counted(folder):
    (folder / "test.csv").write_text(HEADER + "".join(f"9,{m},0,{m - 98},Nine?,m{m},piqa\n" for m in range(100, 200)))
    assert problems_of(folder) == (
        "test.csv: labels that are neither 0 nor 1, 100 in all: '2' (row 1), '3' (row 2), '4' (row 3), '5' (row 4), "
        "'6' (row 5), …",
    )


def test_ids_that_the_order_files_do_not_list(folder):
    (folder / "model_order.csv").write_text("model_id,model_name\n0,a\n")
    (folder / "question_order.csv").write_text('prompt_id,prompt\n0,"Zero, or not?"\n1,One?\n')
    assert problems_of(folder) == (
        "1 question id not listed in question_order.csv: 2; allowed: the 2 ids of that file",
        "1 model id not listed in model_order.csv: 1; allowed: the 1 ids of that file",
    )


def test_order_files_that_disagree_with_the_rows_or_themselves(folder):
    (folder / "model_order.csv").write_text("model_id,model_name\n0,a\n1,c\n")
    (folder / "question_order.csv").write_text("prompt_id,prompt\n0,x\n1,x\n1,x\n2,x\n")
    assert problems_of(folder) == (
        "question_order.csv lists ids more than once: 1",
        "1 model named differently in the rows and in model_order.csv: 'b' and 'c' (id 1)",
    )
    (folder / "question_order.csv").write_text("id,prompt\n0,x\n")
    assert "question_order.csv has no column `prompt_id`; it has id, prompt" in problems_of(folder)


def test_a_model_id_with_two_names(folder):
    (folder / "test.csv").write_text(HEADER + "2,0,0,1,Two?,another,piqa\n")
    assert problems_of(folder) == ("1 model id with more than one model_name: 0",)


@pytest.mark.parametrize("cut", [3, 12, 20])
def test_a_file_cut_within_its_last_row(folder, cut):
    whole = (folder / "train.csv").read_text()
    (folder / "train.csv").write_text(whole[:-cut])
    (problem,) = problems_of(folder) if cut > 6 else [None]
    if problem:
        assert problem.startswith("train.csv: rows without the 7 values of the header (a truncated file?): ")
    else:
        # All values are there, so only the missing line break tells.
        report = import_data(folder, folder / "data")
        assert "train.csv does not end with a line break; check that its last row is whole" in report.notes


def test_bytes_that_are_no_text(folder):
    (folder / "test.csv").write_bytes(HEADER.encode() + b"2,0,0,1,\xff\xfe,a,piqa\n")
    assert problems_of(folder) == ("test.csv is not UTF-8 text; save it as UTF-8",)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("rows", ["a,café,1\n", "a,q,caf\xe9,1\n"])
def test_other_encodings_are_named(tmp_path, encoding, rows):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "t.csv").write_bytes(f"{mark}model,question,label\n{rows}".encode(encoding))
    assert problems_of(tmp_path / "t.csv") == ("t.csv is not UTF-8 text; save it as UTF-8",)


@pytest.mark.parametrize("row", ["a,café,1\n", "a,q,café,1\n"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_another_encoding_far_down_leaves_no_stray_traceback(tmp_path, monkeypatch, row, name):
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 4096)
    stray: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", stray.append)
    whole = ("model,question,label\n" + "".join(f"a,q{n},1\n" for n in range(9999)) + row).encode("latin-1")
    (tmp_path / name).write_bytes(gzip.compress(whole) if name.endswith(".gz") else whole)
    assert problems_of(tmp_path / name) == (f"{name} is not UTF-8 text; save it as UTF-8",)
    assert not stray


@pytest.mark.parametrize(("mark", "said"), [(";", "';'"), ("\t", "tabs"), ("|", "'|'")])
def test_other_separators_are_named(tmp_path, mark, said):
    (tmp_path / "t.csv").write_text("model,question,label\na,q,1\n".replace(",", mark))
    assert problems_of(tmp_path / "t.csv") == (f"t.csv: the columns seem to be separated by {said}; commas are needed",)
    (tmp_path / "t.tsv").write_text("model,question,label\na,q,1\n")
    assert problems_of(tmp_path / "t.tsv") == ("t.tsv: the columns seem to be separated by ','; tabs are needed",)


@pytest.mark.parametrize(
    ("column", "value", "kind"), [("prompt", ["x"], "lists"), ("label", {"acc": 1}, "structs"), ("model", [1], "lists")]
)
def test_columns_of_nested_values(tmp_path, column, value, kind):
    row = {"model": "a", "question": "q", "prompt": "Q?", "label": 1, "unused": ["x"]}
    pd.DataFrame([{**row, column: value}]).to_parquet(tmp_path / "t.parquet")
    assert problems_of(tmp_path / "t.parquet") == (f"t.parquet: column `{column}` holds {kind}; text is needed",)


LONG = "model,question,prompt,label,benchmark,split\na,q,Q?,1,b,train\nb,q,Q?,0,b,train\n"


@pytest.mark.parametrize("name", ["benchmark", "prompt", "split", "label", "attempts"])
def test_given_columns_that_are_not_there(tmp_path, name):
    (tmp_path / "t.csv").write_text(LONG)
    for options in ({}, {"format": "long"}, {"format": "wide"}):
        assert problems_of(tmp_path / "t.csv", columns={name: "nothere"}, **options) == (
            f"there is no column `nothere` (given for {name}); t.csv has model, question, prompt, label, benchmark, "
            "split",
        )


def test_given_columns_that_an_official_folder_does_not_have(folder):
    has = "has prompt_id, model_id, category_id, label, prompt, model_name, category"
    names = ("train.csv", "val.csv", "test.csv")
    assert problems_of(folder, columns={"benchmark": "x", "label": "y"}) == tuple(
        f"there is no column `{column}` (given for {name}); {file} {has}"
        for file in names
        for name, column in (("benchmark", "x"), ("label", "y"))
    )


@pytest.mark.parametrize("name", ["model", "label", "attempts", "model_name"])
def test_given_columns_that_a_wide_table_does_not_use(tmp_path, name):
    (tmp_path / "t.csv").write_text(LONG)
    problems = problems_of(tmp_path / "t.csv", format="wide", columns={name: "label", "prompt": "prompt"})
    assert problems == (
        f"column `label` is given for {name}, which the wide layout does not use: a wide table has a column per model; "
        "where it has a row per answer, name the label with --columns.label",
    )


def test_given_columns_that_an_official_folder_does_not_use(folder):
    assert problems_of(folder, columns={"split": "category"}) == (
        "column `category` is given for split, which the official layout does not use: the names train.csv, val.csv "
        "and test.csv say it",
    )


def test_a_header_alone_and_no_label_at_all(folder):
    (folder / "test.csv").write_text(HEADER)
    assert problems_of(folder) == ("test.csv has column names but no rows",)
    (folder / "wide.csv").write_text("question,a,b\nq,,\n")
    assert problems_of(folder / "wide.csv") == ("no row has a label",)


@pytest.mark.parametrize("count", [256, 65536])
def test_more_than_255_attempts_never_wrap(tmp_path, count):
    frame = pd.DataFrame({"model": "m", "question": "q", "label": [1] * count + [0]})
    frame.loc[count] = ["m", "other", 0]
    frame.to_parquet(tmp_path / "t.parquet")
    where = "256 for model m, question q" if count == 256 else "more than 65,535 somewhere"
    assert problems_of(tmp_path / "t.parquet") == (
        f"too many answers of one model to one question: {where}; at most 255 fit a cell, so leave some out",
    )


def test_attempts_that_make_no_sense(tmp_path):
    rows = "a,q,0.5,2\na,r,1,0\na,s,1,300\na,t,0.5,3\na,u,1,x\na,v,-1,1\n"
    (tmp_path / "t.csv").write_text("model,question,label,attempts\n" + rows)
    assert problems_of(tmp_path / "t.csv") == (
        "t.csv: values of `attempts` that are not whole numbers from 1 to 255: '0' (row 2), '300' (row 3), 'x' (row 5)",
        "t.csv: labels that are not the share of right answers out of their `attempts`: '0.5' (row 4), '-1' (row 6)",
    )


def test_an_unknown_side(tmp_path):
    (tmp_path / "t.csv").write_text("model,question,label,split\na,q,1,train\na,r,1,holdout\n")
    assert problems_of(tmp_path / "t.csv") == (
        "1 question on an unknown side: holdout; allowed: train, val, test, or empty",
    )


def test_part_files_with_different_columns(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "a.csv").write_text("model,question,label\na,q,1\n")
    (folder / "b.csv").write_text("model,question,score\na,q,1\n")
    assert problems_of(folder) == (
        "b.csv has the columns model, question, score, unlike a.csv: model, question, label; "
        "all tables of a folder must have the same columns",
    )


def test_sources_that_are_none(tmp_path, folder):
    assert problems_of(tmp_path / "nowhere") == ("no such file or folder",)
    (tmp_path / "notes.txt").write_text("hello")
    (problem,) = problems_of(tmp_path / "notes.txt")
    assert problem.startswith("it is nothing that can be imported; allowed: a folder with train.csv, val.csv and")
    import_data(folder, folder / "data")
    assert problems_of(folder / "data") == ("this is already imported data; use it as DATA",)
    assert problems_of(folder, format="xml") == ("unknown format 'xml'; allowed: auto, official, long, wide, harness",)
    assert problems_of(folder, duplicates="mean") == ("duplicates='mean'; allowed: binomial, majority, max, last",)
    (problem,) = problems_of(folder, columns={"answer": "x"})
    assert problem.startswith("cannot map a column to 'answer'; allowed: question, model, label, attempts, prompt,")


def test_a_failed_import_leaves_the_earlier_one(folder):
    import_data(folder, folder / "data")
    before = (folder / "data" / "meta.json").read_text()
    (folder / "test.csv").write_text("")
    with pytest.raises(DataError, match=r"test.csv is empty"):
        import_data(folder, folder / "data")
    assert (folder / "data" / "meta.json").read_text() == before


def test_other_files_in_the_target_are_never_overwritten(folder):
    target = folder / "mine"
    target.mkdir()
    (target / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="the folder exists and is not imported data"):
        import_data(folder, target)
    assert (target / "thesis.txt").read_text() == "precious"


def test_models_that_an_appended_id_does_not_tell_apart(tmp_path):
    rows = "".join(f"{number},{name},q,Q?,1,b\n" for number, name in ((1, "a"), (2, "a"), (3, "a (1)")))
    (tmp_path / "t.csv").write_text("model,model_name,question,prompt,label,benchmark\n" + rows)
    with pytest.raises(DataError) as caught:
        import_data(tmp_path / "t.csv", tmp_path / "data")
    assert caught.value.problems == (
        "1 model cannot be told apart by name, also with the id appended: a (1); rename them",
    )
