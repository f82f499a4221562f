"""What is left out of which cell, and what small data leads to."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from ablations.batches import check_plan
from ablations.designs.held_out import HeldOutBenchmark
from ablations.held_out.benchmarks import held_out_split
from ablations.held_out.cells import held_out_cells
from embedllm.data import CorrectnessMatrix
from embedllm.data.simulate import simulate
from embedllm.data.splits import prompt_groups, random_split
from embedllm.errors import ConfigError, DataError
from tests.ablations.made import CONFIG, small


def with_copies(data: CorrectnessMatrix) -> CorrectnessMatrix:
    """Every third question of b1 gets the prompt of a question of b0."""
    prompts = list(data.prompts)
    b0, b1 = (np.flatnonzero(data.benchmarks == name) for name in ("b0", "b1"))
    for copy, original in zip(b1[::3], b0, strict=False):
        prompts[copy] = prompts[original]
    return dataclasses.replace(data, questions=data.questions.set_column(1, "prompt", pa.array(prompts)))


@pytest.mark.parametrize("held_out", [["b0"], ["b0", "b2"]])
def test_no_question_of_a_held_out_benchmark_is_trained_on_nor_a_copy_of_one(held_out: list[str]) -> None:
    data = with_copies(small())
    base = random_split(data, seed=0)
    split = held_out_split(data, base, held_out)
    seen = np.concatenate([split.train, split.val])
    groups = prompt_groups(data)
    hidden = np.isin(data.benchmarks, held_out)
    assert len(seen)
    assert not hidden[seen].any()
    assert not np.isin(groups[seen], groups[hidden]).any()
    assert set(split.test) == set(base.test[hidden[base.test]])
    assert set(split.train) <= set(base.train)


def test_a_leak_is_an_error_of_the_program_and_no_footnote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablations.held_out.benchmarks.leave_out", lambda data, benchmarks, base: base)
    with pytest.raises(AssertionError, match="questions are held out or have the prompt of one that is"):
        held_out_cells(small(), CONFIG, None, True)


def test_the_plan_is_one_that_the_runner_takes() -> None:
    data = with_copies(small())
    plan = HeldOutBenchmark().plan(data, CONFIG)
    check_plan(plan, data)
    methods = {(cell.method, cell.split) for cell in plan.cells}
    assert ("lookup", "all benchmarks") in methods
    assert {split for method, split in methods if method == "lookup"} == {"all benchmarks"}
    assert ("logistic", "without b0") in methods
    assert ("model_mean", "without b0") in methods
    assert any("no entry for a benchmark it never saw" in note for note in plan.notes)


def test_the_number_of_cells_is_what_the_design_says() -> None:
    cells = held_out_cells(small(benchmarks=4), CONFIG, None, True)
    embedllm = [cell for cell in cells.plan().cells if cell.method == "embedllm"]
    # all benchmarks, without each, pairs, and without each again for the encoder that the pairs share
    assert len(embedllm) == 2 * (1 + 4 + 6 + 4)
    assert {len(of_set) for of_set in cells.removed.values()} == {2}
    assert any("12" not in note and "6 pairs of 4 benchmarks" in note for note in cells.notes)
    pretrained = held_out_cells(small(benchmarks=4), CONFIG.replace(encoder="all-MiniLM-L6-v2"), None, True)
    assert len([cell for cell in pretrained.plan().cells if cell.method == "embedllm"]) == 2 * (1 + 4 + 6)
    assert pretrained.removed[frozenset({"b0"})] == pretrained.without["b0"]["embedllm"]


def test_contribution_and_benchmarks_can_be_left_out() -> None:
    cells = held_out_cells(small(), CONFIG, ["b1"], False)
    assert cells.benchmarks == ("b1",)
    assert not cells.removed
    assert "b0" in small().benchmarks[cells.splits["without b1"].train]
    with pytest.raises(DataError, match="there is no benchmark 'b9'; the data has b0, b1, b2"):
        held_out_cells(small(), CONFIG, ["b9"], True)


def test_many_benchmarks_have_no_contribution_matrix_and_the_plan_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablations.held_out.cells.MOST_CONTRIBUTING", 3)
    assert held_out_cells(small(), CONFIG, None, True).removed
    cells = held_out_cells(small(benchmarks=4), CONFIG, None, True)
    assert not cells.removed
    assert len(cells.benchmarks) == 4
    told = "There is no contribution matrix: 4 benchmarks have 6 pairs"
    assert any(note.startswith(told) and "up to 3 names" in note for note in cells.notes)


def test_encoders_of_single_cells_never_see_the_benchmark_and_those_of_pairs_share_one() -> None:
    plan = HeldOutBenchmark().plan(small(), CONFIG)
    data = small()
    assert "b0" not in data.benchmarks[plan.encoder_questions("without b0")]
    shared = plan.encoder_questions("without b0, shared encoder")
    assert np.array_equal(shared, plan.encoder_questions("without b0, b1"))
    assert any("fitted once, on the texts (no labels)" in note for note in plan.notes)


def test_one_benchmark_is_refused() -> None:
    with pytest.raises(DataError, match="the data has one benchmark, 'b0': without it nothing is left to train on"):
        HeldOutBenchmark().plan(small(benchmarks=1), CONFIG)


def test_two_benchmarks_have_no_contribution_matrix() -> None:
    plan = HeldOutBenchmark().plan(small(benchmarks=2), CONFIG)
    check_plan(plan, small(benchmarks=2))
    assert any("There is no contribution matrix: without b0 and b1" in note for note in plan.notes)


def test_few_models_are_not_forecast() -> None:
    plan = HeldOutBenchmark().plan(small(models=8), CONFIG)
    assert any("8 models are too few to learn from some and test on others" in note for note in plan.notes)
    assert not any("embedding" in cell.outputs for cell in plan.cells)
    assert {cell.split for cell in plan.cells} == {"all benchmarks", *(f"without b{number}" for number in range(3))}


def without_test_labels(data: CorrectnessMatrix, benchmark: str) -> CorrectnessMatrix:
    """Nobody has answered the benchmark's test questions."""
    base = CONFIG.base_split(data)
    attempts = data.attempts.copy()
    attempts[:, base.test[data.benchmarks[base.test] == benchmark]] = 0
    return dataclasses.replace(data, attempts=attempts, correct=np.minimum(data.correct, attempts))


def without_answers(data: CorrectnessMatrix, models: int, benchmarks: list[str]) -> CorrectnessMatrix:
    """The first `models` models have no answer on `benchmarks`."""
    attempts = data.attempts.copy()
    attempts[:models, np.isin(data.benchmarks, benchmarks)] = 0
    return dataclasses.replace(data, attempts=attempts, correct=np.minimum(data.correct, attempts))


def test_a_benchmark_that_too_few_models_answered_is_judged_but_neither_forecast_nor_paired() -> None:
    data = without_answers(small(models=12, benchmarks=4), 1, ["b1"])
    cells = held_out_cells(data, CONFIG, None, True)
    check_plan(cells.plan(), data)
    assert cells.benchmarks == cells.judged == ("b0", "b1", "b2", "b3")
    assert cells.forecast == ("b0", "b2", "b3")
    assert "b1 is not forecast: only 11 of the 12 models have an answer there (needed: 12)." in cells.notes
    assert len([note for note in cells.notes if "is not forecast" in note]) == 1
    assert not any("embedding" in cell.outputs for cell in cells.without["b1"]["embedllm"])
    assert {name for left_out in cells.removed for name in left_out} == {"b0", "b2", "b3"}


def test_one_benchmark_that_can_be_forecast_has_no_contribution_matrix() -> None:
    data = without_answers(small(models=12), 1, ["b0"])
    data.attempts[1, data.benchmarks == "b1"] = 0
    data.correct[1, data.benchmarks == "b1"] = 0
    cells = held_out_cells(data, CONFIG, None, True)
    assert cells.forecast == ("b2",)
    assert not cells.removed
    assert any("it needs two held-out benchmarks that can be forecast" in note for note in cells.notes)


def test_models_without_labels_elsewhere_do_not_count_for_a_forecast() -> None:
    cells = held_out_cells(without_answers(small(models=12, benchmarks=2), 1, ["b1"]), CONFIG, None, True)
    assert cells.forecast == ()
    assert "b1 is not forecast: only 11 of the 12 models have an answer there (needed: 12)." in cells.notes
    assert (
        "b0 is not forecast: only 11 of the 12 models have an answer there and a label to train on elsewhere (needed: "
        "12)." in cells.notes
    )


def test_models_without_labels_beyond_a_pair_are_told_and_too_few_give_no_contribution_matrix() -> None:
    few = held_out_cells(without_answers(small(models=13), 2, ["b2"]), CONFIG, ["b0", "b1"], True)
    assert few.forecast == ("b0", "b1")
    assert not few.removed
    assert (
        "There is no contribution matrix: without b0 and another benchmark, only 11 models that answered b0 have a "
        "label to train on (needed: 12)." in few.notes
    )
    enough = held_out_cells(without_answers(small(models=14), 2, ["b2"]), CONFIG, ["b0", "b1"], True)
    assert enough.removed
    assert (
        "The contribution matrix leaves out models that have no label to train on once the benchmark forecast and "
        "another are left out: 2 for b0, 2 for b1." in enough.notes
    )


def test_a_benchmark_that_can_be_neither_judged_nor_forecast_is_not_trained_without() -> None:
    data = without_answers(small(models=12), 1, ["b2"])
    bare = without_test_labels(data, "b2")
    cells = held_out_cells(bare, CONFIG, None, True)
    check_plan(cells.plan(), bare)
    assert cells.benchmarks == ("b0", "b1")
    assert "without b2" not in cells.splits
    assert any(note.startswith("b2 is not forecast") for note in cells.notes)


def test_a_benchmark_without_labelled_test_questions_is_forecast_but_not_judged() -> None:
    data = small()
    bare = without_test_labels(data, "b2")
    cells = held_out_cells(bare, CONFIG, None, False)
    check_plan(cells.plan(), bare)
    assert cells.judged == ("b0", "b1")
    assert list(cells.without["b2"]) == ["embedllm"]
    assert "b2 has no labelled test question: predictions on it are not judged." in cells.notes


def test_many_benchmarks_without_test_questions_share_a_note() -> None:
    data = small(benchmarks=8, questions=160)
    for name in ("b0", "b1", "b2", "b3", "b4"):
        data = without_test_labels(data, name)
    notes = held_out_cells(data, CONFIG, None, False).notes
    told = [note for note in notes if "no labelled test question" in note]
    assert told == [
        "5 of 8 benchmarks have no labelled test question, so predictions on them are not judged: b0, b1, b2, b3, b4."
    ]


def test_simulated_data_of_the_papers_shape_can_be_planned() -> None:
    data = simulate(models=14, questions=600)
    plan = HeldOutBenchmark().plan(data, CONFIG)
    assert len([cell for cell in plan.cells if cell.method == "embedllm"]) == 2 * (1 + 10 + 45 + 10)


def test_bad_options_are_all_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"repeats must be at least 2 but is 1; benchmarks is empty.*; test_share"):
        HeldOutBenchmark(benchmarks=[], repeats=1, test_share=0.9)
