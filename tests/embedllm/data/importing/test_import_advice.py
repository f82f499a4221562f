"""Tables that do not fit: which columns they lack or have to spare, and what to do about it."""

from pathlib import Path

import pandas as pd
import pytest

from embedllm.data import import_data
from embedllm.errors import DataError


def problems_of(source: Path, **options) -> tuple[str, ...]:
    with pytest.raises(DataError) as error:
        import_data(source, source.parent / f"{source.name}-imported", **options)
    return error.value.problems


def test_tables_that_are_neither_long_nor_wide(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    assert problems_of(tmp_path / "t.csv") == (
        "t.csv has no question column; name it with --columns.question NAME; candidates: a, b; if it is a long table, "
        "with a row per answer, add --columns.model NAME --columns.label NAME as well",
    )
    assert problems_of(tmp_path / "t.csv", format="long") == (
        "t.csv has no model column and no question column and no label column; name them with --columns.model NAME "
        "--columns.question NAME --columns.label NAME; candidates: a, b",
    )
    (tmp_path / "u.csv").write_text("model,question,label,label\n")
    assert problems_of(tmp_path / "u.csv") == ("u.csv has more than one column called label; names must be unique",)


def test_a_column_of_models_makes_a_table_long_whatever_its_label_is_called(tmp_path):
    (tmp_path / "t.csv").write_text("question_id,prompt,model_id,passed\nq,Q?,0,1\nq,Q?,1,0\n")
    assert problems_of(tmp_path / "t.csv") == (
        "t.csv has no label column; name it with --columns.label NAME; candidates: passed; if it is a wide table, with "
        "a column per model, add --format wide",
    )
    assert import_data(tmp_path / "t.csv", tmp_path / "data", columns={"label": "passed"}).format == "long"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("first", ["model", "name"])
def test_a_transposed_table_is_told_in_a_short_message(tmp_path, first, suffix):
    frame = pd.DataFrame(
        [["a", *[0, 1] * 1000], ["b", *[1, 1] * 1000]], columns=[first, *(f"q{n}" for n in range(2000))]
    )
    path = tmp_path / f"t{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    assert problems_of(path) == (
        f"t{suffix} looks transposed: 2,001 columns ({first}, q0, q1, q2, q3, …) and few rows. A row per question and "
        "a column per model are needed: turn it, in pandas with "
        f"`df.set_index('{first}').T.rename_axis('question')`",
    )
    frame.set_index(first).T.rename_axis("question").to_csv(tmp_path / "turned.csv")
    report = import_data(tmp_path / "turned.csv", tmp_path / "data")
    assert (report.models, report.questions) == (2, 2000)


def test_long_lists_of_columns_are_cut(tmp_path):
    (tmp_path / "t.csv").write_text("question," + ",".join(f"m{n}" for n in range(3000)) + "\nq" + ",1" * 3000 + "\n")
    assert problems_of(tmp_path / "t.csv", columns={"label": "nothere"}) == (
        "there is no column `nothere` (given for label); t.csv has question, m0, m1, m2, m3, … (3,001 in all)",
    )


def test_columns_of_a_wide_table_that_hold_no_labels_are_named_with_the_way_out(tmp_path):
    (tmp_path / "t.csv").write_text(
        "question,hard,answer,m0,m1\n" + "".join(f"q{n},0.{n},A,1,0\n" for n in range(3, 6))
    )
    remedy = (
        "; round or threshold scores to 0 and 1 (shares of several answers need a long table with a column `attempts`)"
        "; if it is a long table, with a row per answer, use --columns.model NAME --columns.label NAME"
    )
    assert problems_of(tmp_path / "t.csv") == (
        "t.csv: values other than 0 and 1 in columns taken for models, 6 in all: '0.3' (column hard, row 1), 'A' "
        f"(column answer, row 1), …; leave columns that are no models out with --columns.ignore hard,answer{remedy}",
    )
    report = import_data(tmp_path / "t.csv", tmp_path / "data", ignore=["hard", "ans*"])
    assert (report.models, report.questions) == (2, 3)
    assert problems_of(tmp_path / "t.csv", ignore=["hrad"]) == (
        "there is no column `hrad` to ignore; t.csv has question, hard, answer, m0, m1",
    )


def test_rows_of_a_wide_table_that_name_no_question_are_counted_once(tmp_path):
    (tmp_path / "t.csv").write_text("question,a,b,c\nq,1,1,1\n,1,0,1\n,,1,\n")
    assert problems_of(tmp_path / "t.csv") == ("t.csv: rows that name no question: row 2, row 3",)


def test_choices_that_the_layout_leaves_no_room_for(tmp_path):
    official = tmp_path / "official"
    official.mkdir()
    (official / "train.csv").write_text("prompt_id,model_id,label,prompt,category\n0,0,1,Zero?,piqa\n")
    assert problems_of(official, ignore=["x"], skip=["y", "z"]) == (
        "columns to ignore are given (x), but in the official layout no other columns are read than those it knows",
        "tasks to skip are given (y, z), but this is no folder of lm-evaluation-harness logs; leave the rows out of "
        "the table instead",
    )
    (tmp_path / "t.csv").write_text("model,question,label\na,q,1\n")
    (problem,) = problems_of(tmp_path / "t.csv", skip=["y"])
    assert problem.startswith("tasks to skip are given (y), but")


def test_columns_of_a_wide_table_with_no_name_of_a_model_are_named(tmp_path):
    (tmp_path / "t.csv").write_text("question,a,b,None,nan\nq,1,0,1,1\nr,1,1,0,1\n")
    assert problems_of(tmp_path / "t.csv") == (
        "t.csv: columns of labels whose name says that there is none: 'None', 'nan'; rename them, or leave them out "
        "with --columns.ignore None,nan",
    )
    assert import_data(tmp_path / "t.csv", tmp_path / "data", ignore=["None", "nan"]).models == 2
