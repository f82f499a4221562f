import numpy as np
import pytest

from ablations.batches import Encodings, check_plan, expected_seconds, families
from ablations.cell import Cell
from ablations.config import AblationConfig
from ablations.design import Plan
from embedllm.config import FitConfig
from embedllm.data import CorrectnessMatrix, Split
from embedllm.errors import ConfigError, DataError

FIT = FitConfig(encoder="lsa:8", embedding_dim=8)


def split(name: str, start: int = 0) -> Split:
    return Split(name, np.arange(start, 100), np.arange(100, 120), np.arange(120, 140))


def plan(*cells: Cell, **options: object) -> Plan:
    return Plan({"a": split("a"), "b": split("b", 10)}, cells, **options)  # type: ignore[arg-type]


def test_a_fitted_encoder_sees_its_splits_training_questions_only() -> None:
    encodings = Encodings.of(plan(Cell("knn", FIT, "a"), Cell("knn", FIT, "b")))
    first, second = (encodings.find(Cell("knn", FIT, name)) for name in "ab")
    assert first is not None
    assert second is not None
    assert first != second
    np.testing.assert_array_equal(encodings.questions[second.fitted_on], np.arange(10, 100))


def test_equal_sets_of_questions_share_an_encoder_and_pretrained_ones_are_always_shared() -> None:
    cells = [Cell("knn", FIT, "a"), Cell("knn", FIT, "b")]
    encodings = Encodings.of(plan(*cells, fit_questions={"b": np.arange(99, -1, -1)}))
    assert encodings.find(cells[0]) == encodings.find(cells[1])
    pretrained = FitConfig(encoder="all-MiniLM-L6-v2")
    encodings = Encodings.of(plan(*cells))
    assert encodings.find(Cell("knn", pretrained, "a")) == encodings.find(Cell("knn", pretrained, "b"))
    assert encodings.find(Cell("lookup", FIT, "a")) is None


def test_cells_of_several_splits_sizes_and_seeds_are_one_family(data: CorrectnessMatrix) -> None:
    shared = {"b": np.arange(100)}
    cells = [
        Cell("embedllm", FIT.replace(seed=seed, training_questions=size, batch_questions=4), name)
        for name in "ab"
        for size in (50, None)
        for seed in (0, 1)
    ]
    found = families(plan(*cells, fit_questions=shared), cells, data)
    assert [len(members) for members in found.values()] == [8]
    other = FIT.replace(batch_questions=8)
    cells += [Cell("embedllm", other, "a"), Cell("lookup", FIT, "a"), Cell("model_mean", FIT, "b")]
    kinds = [
        (family[0], len(members))
        for family, members in families(plan(*cells, fit_questions=shared), cells, data).items()
    ]
    assert kinds == [("embedllm", 8), ("embedllm", 1), ("counts", 2)]


def test_members_of_a_family_are_ordered_by_dimension(data: CorrectnessMatrix) -> None:
    cells = [Cell("embedllm", FIT.replace(embedding_dim=dim), "a") for dim in (32, 8, 16)]
    [members] = families(plan(*cells), cells, data).values()
    assert [cell.config.embedding_dim for cell in members] == [8, 16, 32]


def test_more_work_is_expected_to_take_longer(data: CorrectnessMatrix) -> None:
    def seconds(method: str, **changes: object) -> float:
        cell = Cell(method, FIT.replace(**changes), "a")  # type: ignore[arg-type]
        return expected_seconds(plan(cell), cell, data)

    assert seconds("embedllm", epochs=100) > 1.5 * seconds("embedllm", epochs=50)
    for method in ("knn", "logistic", "lookup_predicted", "lookup"):
        assert seconds(method) > seconds(method, training_questions=20) > 0


def test_a_plan_says_what_is_wrong_with_it(data: CorrectnessMatrix) -> None:
    with pytest.raises(ConfigError, match="cells name the splits c; the plan has a, b"):
        plan(Cell("knn", FIT, "c"))
    with pytest.raises(ConfigError, match="two cells are the same: knn, split 'a', seed 0"):
        plan(Cell("knn", FIT, "a"), Cell("knn", FIT.replace(noise=1.0), "a"))
    with pytest.raises(ConfigError, match="fit_questions names the splits c"):
        plan(Cell("knn", FIT, "a"), fit_questions={"c": np.arange(3)})
    with pytest.raises(DataError, match="101 training questions are requested but the split 'a' has 100"):
        check_plan(plan(Cell("embedllm", FIT.replace(training_questions=101), "a")), data)


def test_a_leaking_encoder_is_refused(data: CorrectnessMatrix) -> None:
    leaking = plan(Cell("knn", FIT, "a"), fit_questions={"a": np.arange(130)})
    with pytest.raises(DataError) as caught:
        check_plan(leaking, data)
    assert "the encoder of the split 'a' is fitted on the texts of 20 val questions" in str(caught.value)
    assert "10 test questions" in str(caught.value)


def test_an_empty_side_is_refused(data: CorrectnessMatrix) -> None:
    empty = Plan({"a": Split("a", np.arange(10), np.arange(0), np.arange(10, 20))}, [Cell("knn", FIT, "a")])
    with pytest.raises(DataError, match="the split 'a' has no val questions"):
        check_plan(empty, data)


def test_the_digest_of_a_split_knows_its_questions_and_its_encoders(config: AblationConfig) -> None:
    cell = Cell("knn", FIT, "a")
    assert plan(cell).digest("a") == plan(cell).digest("a") != plan(cell).digest("b")
    assert plan(cell).digest("a") != plan(cell, fit_questions={"a": np.arange(5)}).digest("a")
