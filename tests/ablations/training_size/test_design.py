import numpy as np
import pytest

from ablations.designs.training_size import TrainingSize
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.errors import ConfigError, DataError


def test_every_method_and_seed_at_every_size(pool, config):
    plan = TrainingSize().plan(pool, config)
    sizes = {cell.config.training_questions for cell in plan.cells}
    assert len(plan.cells) == len(sizes) * 5 * 4
    assert {plan.training_questions(cell) for cell in plan.cells} == {54, 270, 540, 810, 1100, 1300, 1600}
    full = [cell for cell in plan.cells if cell.config.training_questions is None]
    assert all(cell.outputs == ("question_scores",) for cell in full)
    assert all(cell.sides == ("val", "test") for cell in plan.cells)


def test_tuning_tries_the_same_candidates_at_all_sizes(pool, config):
    plan = TrainingSize(sizes=[100, 400], tuned=True, candidates=3).plan(pool, config.replace(seeds=2))
    tried = {}
    for cell in plan.cells:
        if cell.method == "embedllm":
            recipe = cell.config.replace(seed=0, training_questions=None)
            tried.setdefault(cell.factors["candidate"], set()).add(recipe)
    assert [len(recipes) for recipes in tried.values()] == [1, 1, 1]
    numbers = [value for recipes in tried.values() for value in vars(*recipes).values() if isinstance(value, float)]
    assert {type(value) for value in numbers} == {float}
    assert sum(cell.method == "embedllm" for cell in plan.cells) == 3 * 3 * 2
    assert sum(cell.method == "knn" for cell in plan.cells) == 3 * 2


def of_questions(pool, chosen, **columns):
    table = pool.questions.take(chosen)
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, [values])
    return CorrectnessMatrix(pool.correct[:, chosen], pool.attempts[:, chosen], table, pool.models, pool.meta)


def test_one_benchmark_replaces_lookups_by_the_model_mean(pool, config):
    chosen = np.flatnonzero(pool.benchmarks == "mmlu")
    plan = TrainingSize().plan(of_questions(pool, chosen), config)
    assert {cell.method for cell in plan.cells} == {"embedllm", "knn", "model_mean"}
    assert any("lookup, lookup_predicted left out, model_mean compared instead" in note for note in plan.notes)
    assert any("test questions: differences of a few points are within noise" in note for note in plan.notes)


def test_little_data_is_refused(pool, config):
    with pytest.raises(DataError, match="a curve needs 3 sizes of at least 20 questions"):
        TrainingSize().plan(of_questions(pool, np.arange(0, 2000, 80)), config.replace(split="random"))
    only_train = of_questions(pool, np.arange(400), split=["train"] * 400)
    with pytest.raises(DataError, match="no validation or no test question; use --split random"):
        TrainingSize().plan(only_train, config.replace(split="given"))


def test_one_seed_is_noted(pool, config):
    assert "With one seed there are no bands" in TrainingSize().plan(pool, config.replace(seeds=1)).notes[-1]


def test_one_candidate_is_nothing_to_choose_from():
    with pytest.raises(ConfigError, match="candidates must be at least 2, or there is nothing to choose, but is 1"):
        TrainingSize(candidates=1)
