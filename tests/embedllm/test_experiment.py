"""A configuration beside the baselines: what they learn from, and which splits are refused before any training."""

import numpy as np
import pytest

from embedllm import CorrectnessMatrix, fit_and_compare, preset
from embedllm.data import Split, nested_subset, random_split, simulate
from embedllm.errors import DataError
from embedllm.evaluation import METRICS, evaluate_baselines
from embedllm.experiment import Side

CONFIG = preset("fast").replace(encoder="lsa:8", embedding_dim=4, epochs=2, seed=3)


@pytest.fixture(scope="module")
def data() -> CorrectnessMatrix:
    return simulate(models=5, questions=150, seed=1)


def test_baselines_learn_from_the_questions_of_the_first_seed(data: CorrectnessMatrix) -> None:
    split = random_split(data, seed=0)
    comparison = fit_and_compare(data, CONFIG.replace(training_questions=20), seeds=2, split=split)
    train = nested_subset(split.train, 20, seed=3)
    expected = evaluate_baselines(
        data, Split("same", train, split.val, split.test), comparison.encodings.matrix, sides=("test",)
    ).set_index("method")
    whole = evaluate_baselines(data, split, comparison.encodings.matrix, sides=("test",)).set_index("method")
    rows = {row["method"]: row for row in comparison.rows if row["method"] in expected.index}
    assert set(rows) == set(expected.index)
    for method, row in rows.items():
        assert [row[name] for name in METRICS] == pytest.approx(expected.loc[method, list(METRICS)].tolist())
    assert rows["model_mean"]["log_loss"] != pytest.approx(whole.loc["model_mean", "log_loss"])


def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("encode_data", "fit_many"):
        monkeypatch.setattr(f"embedllm.experiment.{name}", lambda *_, **__: pytest.fail("it was trained"))


def test_a_split_of_other_data_is_refused_before_training(
    data: CorrectnessMatrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_training(monkeypatch)
    beyond = Split("mine", np.arange(100), np.arange(100, 120), np.arange(140, 160))
    with pytest.raises(DataError, match=r"'mine':\n.* test holds question index 159; the data has 150 questions"):
        fit_and_compare(data, CONFIG, split=beyond)


def test_a_split_with_one_text_on_two_sides_is_refused(
    data: CorrectnessMatrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_training(monkeypatch)
    texts = data.prompts
    texts = [texts[1], *texts[1:]]
    table = data.questions.set_column(data.questions.column_names.index("prompt"), "prompt", [texts])
    copied = CorrectnessMatrix(data.correct, data.attempts, table, data.models)
    with pytest.raises(DataError, match="questions with identical texts must share a side"):
        fit_and_compare(copied, CONFIG, split=Split("mine", [0, *range(2, 100)], range(100, 120), [1]))


@pytest.mark.parametrize(
    ("side", "advice"), [("test", "use `--side val` or `--split random`"), ("val", "use `--split random`")]
)
def test_a_side_that_cannot_be_compared_on_is_told_before_training(
    data: CorrectnessMatrix, monkeypatch: pytest.MonkeyPatch, side: Side, advice: str
) -> None:
    no_training(monkeypatch)
    sides = {"train": np.arange(100), "val": np.arange(100, 120), "test": np.arange(120, 150)}
    with pytest.raises(DataError) as error:
        fit_and_compare(data, CONFIG, split=Split("mine", **(sides | {side: np.arange(0)})), side=side)
    assert error.value.problems == (f"it has no {side} questions to compare on; {advice}",)
    correct, attempts = data.correct.copy(), data.attempts.copy()
    correct[:, sides[side]] = attempts[:, sides[side]] = 0
    unlabelled = CorrectnessMatrix(correct, attempts, data.questions, data.models)
    with pytest.raises(DataError) as error:
        fit_and_compare(unlabelled, CONFIG, split=Split("mine", **sides), side=side)
    assert error.value.problems == (f"none of its {side} questions has a label; {advice}",)


def test_with_too_few_questions_it_says_how_many_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    no_training(monkeypatch)
    data = simulate(models=2, questions=10)
    questions, labels = data.questions.slice(0, 2), data.correct[:, :2]
    few = CorrectnessMatrix(labels, np.ones_like(labels), questions, data.models)
    with pytest.raises(DataError) as error:
        fit_and_compare(few, CONFIG, split=random_split(few, seed=0))
    assert error.value.problems == (
        "it has no test questions to compare on; a random split needs at least 3 questions with different texts, and "
        "the data has 2",
    )


def test_a_random_split_without_labels_is_not_advised_again(
    data: CorrectnessMatrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_training(monkeypatch)
    split = random_split(data, seed=0)
    correct, attempts = data.correct.copy(), data.attempts.copy()
    correct[:, split.test] = attempts[:, split.test] = 0
    unlabelled = CorrectnessMatrix(correct, attempts, data.questions, data.models)
    with pytest.raises(DataError, match="has a label; use another `--split-seed`, or import more labels"):
        fit_and_compare(unlabelled, CONFIG, split=split)
