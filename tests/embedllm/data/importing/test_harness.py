"""Sample logs of lm-evaluation-harness, in the shapes that its versions write."""

import gzip
import json
from pathlib import Path

import pytest

from embedllm.data import CorrectnessMatrix, import_data
from embedllm.errors import DataError


def sample(doc_id: int, prompt: str, **metrics) -> dict:
    return {
        "doc_id": doc_id,
        "doc": {"question": prompt, "choices": [1, "two"]},
        "target": "A",
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": " A"}, "gen_args_1": {"arg_0": prompt, "arg_1": " B"}},
        "resps": [[["-1.5", "False"]]],
        "filtered_resps": [["-1.5", "False"]],
        **metrics,
    }


def write(folder: Path, name: str, samples: list[dict]) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in samples))


def test_a_folder_per_model(tmp_path):
    piqa = "samples_piqa_2024-06-26T12-00-00.123456.jsonl"
    gpqa = "samples_gpqa_main_zeroshot_2024-06-26T12-00-00.123456.jsonl"
    write(tmp_path / "org__one", piqa, [sample(0, "Goal 0", acc=1.0, acc_norm=0.0), sample(1, "Goal 1", acc=0.0)])
    write(tmp_path / "org__one", gpqa, [sample(0, "Hard", acc=0.0)])
    write(tmp_path / "org__two", piqa, [sample(0, "Goal 0", acc=0.0), sample(1, "Goal 1, chat", acc=1.0)])
    report = import_data(tmp_path, tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert report.format == "harness"
    assert data.model_names == ["org/one", "org/two"]
    assert data.questions["prompt_id"].to_pylist() == ["gpqa_main_zeroshot/0", "piqa/0", "piqa/1"]
    assert data.prompts == ["Hard", "Goal 0", "Goal 1"]
    assert data.benchmarks.tolist() == ["gpqa", "piqa", "piqa"]
    assert data.correct.tolist() == [[0, 1, 0], [0, 0, 1]]
    assert data.attempts.tolist() == [[1, 1, 1], [0, 1, 1]]
    assert report.notes == ("1 row worded differently from the first row of the same question, whose wording is kept",)


def test_two_filters_are_two_attempts(tmp_path):
    rows = [sample(0, "Sum?", exact_match=score, filter=name) for name, score in (("strict", 0), ("flexible", 1.0))]
    write(tmp_path / "m", "samples_gsm8k.jsonl", rows)
    import_data(tmp_path, tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert (data.correct.tolist(), data.attempts.tolist()) == ([[1]], [[2]])


@pytest.mark.parametrize(
    "arguments",
    [
        [["Sum?", " A"], ["Sum?", " B"]],  # old, multiple choice
        [["Sum?", {"until": ["\n"]}]],  # old, generation
        {"gen_args_0": {"arg_0": ["Sum?"], "arg_1": {"until": []}}},  # chat messages
    ],
)
def test_other_shapes_of_arguments(tmp_path, arguments):
    write(tmp_path / "m", "samples_gsm8k.jsonl", [{**sample(0, "", acc=True), "arguments": arguments}])
    import_data(tmp_path, tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.prompts == ["Sum?"]
    assert data.correct.tolist() == [[1]]


def test_another_metric_by_name(tmp_path):
    write(tmp_path / "m", "samples_piqa.jsonl", [sample(0, "Goal", acc=0.0, acc_norm=1.0)])
    import_data(tmp_path, tmp_path / "data", columns={"label": "acc_norm"})
    assert CorrectnessMatrix.load(tmp_path / "data").correct.tolist() == [[1]]


def test_every_bad_log_is_named(tmp_path):
    write(tmp_path / "m", "samples_a.jsonl", [sample(0, "x", bleu=0.3)])
    write(tmp_path / "m", "samples_b.jsonl", [{"doc_id": 0, "acc": 1.0}])
    (tmp_path / "m" / "samples_c.jsonl").write_text(json.dumps(sample(0, "x", acc=1.0))[:-30])
    write(tmp_path / "m", "samples_d.jsonl", [sample(0, "x", acc=0.25)])
    with pytest.raises(DataError) as error:
        import_data(tmp_path, tmp_path / "data")
    no_texts, damaged, no_metric, fraction = sorted(error.value.problems, key=lambda problem: problem[:5] != "m/sam")
    assert no_texts == "m/samples_b.jsonl carries no prompt texts (`arguments`)"
    assert damaged.startswith("m/samples_c.jsonl cannot be read (damaged or truncated?): ")
    remedy = "or choose another metric with --columns.label"
    assert fraction == (
        "metrics that are no labels of 0 or 1: '0.25' (m/samples_d.jsonl, row 1); leave these tasks out with --skip d, "
        + remedy
    )
    assert no_metric == (
        "logs without the metric acc or exact_match or mc1 or pass@1 or em or prompt_level_strict_acc: "
        f"m/samples_a.jsonl (its numbers are bleu); leave these tasks out with --skip a, {remedy}"
    )
    assert not (tmp_path / "data").exists()


def test_lines_that_are_json_but_no_objects(tmp_path):
    chat = {**sample(0, "", acc=1.0), "arguments": [["Sum?", {"until": []}]]}
    write(tmp_path / "m", "samples_a.jsonl", [[1, 2]])
    write(tmp_path / "m", "samples_b.jsonl", [chat, [1, 2]])
    write(tmp_path / "m", "samples_c.jsonl", [sample(0, "x", acc=1.0), [1, 2]])
    with pytest.raises(DataError) as error:
        import_data(tmp_path, tmp_path / "data")
    first, second, third = error.value.problems
    assert first == "m/samples_a.jsonl is not a sample log: each line must be a JSON object, not [1, 2]"
    assert second == "m/samples_b.jsonl is not a sample log: each line must be a JSON object, not [1, 2]"
    assert third == "m/samples_c.jsonl is not a sample log: each line must be a JSON object, not [1, 2]"


def test_only_the_metric_can_be_given(tmp_path):
    write(tmp_path / "m", "samples_a.jsonl", [sample(0, "x", acc=1.0)])
    with pytest.raises(DataError) as error:
        import_data(tmp_path, tmp_path / "data", columns={"label": "acc", "model": "m", "prompt": "doc"})
    assert error.value.problems == tuple(
        f"column `{column}` is given for {name}, which the harness layout does not use: logs of lm-evaluation-harness "
        "are laid out alike, and only the metric is a choice"
        for name, column in (("model", "m"), ("prompt", "doc"))
    )


def test_tables_beside_logs_are_mentioned(tmp_path):
    write(tmp_path / "m", "samples_a.jsonl", [sample(0, "x", acc=1.0)])
    (tmp_path / "more.csv").write_text("model,question,label\na,q,1\n")
    notes = import_data(tmp_path, tmp_path / "data").notes
    assert notes == ("not read: 1 table beside samples_*.jsonl: more.csv",)


@pytest.mark.parametrize("filters", [1, 2])
@pytest.mark.parametrize(("before", "between", "after"), [("\n", "\n", ""), ("", "\n\n \n", "\n"), ("", "\n", "\n\n")])
@pytest.mark.parametrize("settings", [" A", {"until": ["\n"]}])
def test_blank_lines_do_not_count(tmp_path, filters, before, between, after, settings):
    rows = [
        {"doc_id": doc_id, "acc": float(doc_id % 2), "arguments": [[f"Text {doc_id}", settings]]}
        for doc_id in range(3)
        for _ in range(filters)
    ]
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "samples_a.jsonl").write_text(before + between.join(map(json.dumps, rows)) + after)
    import_data(tmp_path, tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.prompts == ["Text 0", "Text 1", "Text 2"]
    assert data.correct.tolist() == [[0, filters, 0]]


@pytest.mark.parametrize("settings", [" A", {"until": ["\n"]}])
@pytest.mark.parametrize("nothing", [[], None])
def test_rows_without_a_prompt_are_named(tmp_path, settings, nothing):
    rows = [{"doc_id": n, "acc": 1.0, "arguments": a} for n, a in enumerate([[["Zero?", settings]], nothing])]
    write(tmp_path / "m", "samples_a.jsonl", rows)
    write(tmp_path / "m", "samples_b.jsonl", [row | {"arguments": []} for row in rows])
    with pytest.raises(DataError) as error:
        import_data(tmp_path, tmp_path / "data")
    assert error.value.problems == (
        "m/samples_b.jsonl carries no prompt texts (`arguments`)",
        "1 question with an empty prompt: ids a/1",
    )


def test_tasks_that_are_skipped_are_not_read(tmp_path):
    for model in ("m", "n"):
        write(tmp_path / model, "samples_arc.jsonl", [sample(0, "x", acc=1.0)])
        write(tmp_path / model, "samples_wikitext.jsonl", [sample(0, "x", word_perplexity=[-3.0, 10])])
        write(tmp_path / model, "samples_truthfulqa_mc2_2024-06-26T12-00-00.1.jsonl", [sample(0, "x", acc=0.4)])
    with pytest.raises(DataError) as error:
        import_data(tmp_path, tmp_path / "data")
    unusable = " ".join(error.value.problems)
    assert "leave these tasks out with --skip wikitext, or" in unusable
    assert "leave these tasks out with --skip truthfulqa_mc2, or" in unusable
    report = import_data(tmp_path, tmp_path / "data", skip=["wikitext", "truthfulqa_*"])
    assert report.rows == 2
    assert report.notes == ("skipped as asked: 2 tasks: truthfulqa_mc2, wikitext",)
    with pytest.raises(DataError, match="there is no task 'wiki' to skip; the logs are of arc, truthfulqa_mc2, wikit"):
        import_data(tmp_path, tmp_path / "data", skip=["wiki"])
    with pytest.raises(DataError, match="every task is skipped; leave one"):
        import_data(tmp_path, tmp_path / "data", skip=["*"])


@pytest.mark.parametrize("values", [[None, 1.0, 0.0], [1.0, None, 0.0], [None, True, False], [None, None, 1]])
def test_metrics_that_are_null_are_rows_without_a_label(tmp_path, values):
    rows = [sample(number, f"Text {number}", acc=value) for number, value in enumerate(values)]
    write(tmp_path / "m", "samples_a.jsonl", rows)
    report = import_data(tmp_path, tmp_path / "data")
    known = [value for value in values if value is not None]
    assert CorrectnessMatrix.load(tmp_path / "data").correct.tolist() == [[int(value) for value in known]]
    assert report.notes[0].startswith(f"{3 - len(known)} row")
    assert "without a label w" in report.notes[0]


def test_a_metric_that_is_now_a_truth_value_and_now_a_number(tmp_path):
    values = [True, 0.0, None, 1, False]
    rows = [sample(number, f"Text {number}", acc=value) for number, value in enumerate(values)]
    write(tmp_path / "m", "samples_a.jsonl", rows)
    import_data(tmp_path, tmp_path / "data")
    assert CorrectnessMatrix.load(tmp_path / "data").correct.tolist() == [[1, 0, 1, 0]]


def test_packed_logs(tmp_path):
    rows = [sample(0, "Sum? é", acc=1.0), sample(1, "More?", acc=0.0)]
    (tmp_path / "m").mkdir()
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "m" / "samples_gsm8k_2024-06-26T12-00-00.1.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    import_data(tmp_path, tmp_path / "data")
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.questions["prompt_id"].to_pylist() == ["gsm8k/0", "gsm8k/1"]
    assert (data.prompts, data.correct.tolist()) == (["Sum? é", "More?"], [[1, 0]])
