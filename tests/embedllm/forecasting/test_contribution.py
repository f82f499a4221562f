import numpy as np
import pytest

from embedllm.errors import DataError
from embedllm.evaluation import corrected_interval
from embedllm.forecasting import contribution_matrices, forecast_each, total_interval

NAMES = ("algebra", "geometry", "poems")
MODELS, SEEDS = 40, 3


def contribution_matrix(names, features, accuracy, ridge=0.0, **options):
    [found] = contribution_matrices(names, features, accuracy, [ridge], **options)
    return found


def features_for(names, skills, rng, seeds=SEEDS):
    """What an ideal embedding trained without some benchmarks holds: the other benchmarks' skills."""
    sets = [frozenset({name}) for name in names]
    sets += [frozenset({a, b}) for k, a in enumerate(names) for b in names[k + 1 :]]
    features = {}
    for left_out in sets:
        kept = np.stack([skills[:, j] for j, name in enumerate(names) if name not in left_out], axis=1)
        features[left_out] = np.stack([kept + 0.05 * rng.normal(size=kept.shape) for _ in range(seeds)])
    return features


@pytest.fixture
def pool():
    """Algebra and geometry are one skill, poems are another."""
    rng = np.random.default_rng(0)
    maths, poems = rng.normal(size=(2, MODELS))
    skills = np.stack([maths, maths + 0.1 * rng.normal(size=MODELS), poems], axis=1)
    return features_for(NAMES, skills, rng), 1 / (1 + np.exp(-skills))


def test_each_cell_is_the_difference_of_two_forecasts(pool):
    features, accuracy = pool
    result = contribution_matrix(NAMES, features, accuracy, repeats=30, seed=2, ridge="loo")
    for i, contributor in enumerate(NAMES):
        assert np.isnan(result.contribution[i, i])
        for j, target in enumerate(NAMES):
            if i == j:
                continue
            totals = [
                [
                    forecast_each(one, accuracy[:, j], ["loo"], repeats=30, seed=2)[0].mse.sum()
                    for one in features[left_out]
                ]
                for left_out in (frozenset({contributor, target}), frozenset({target}))
            ]
            removed, full = np.mean(totals, axis=1)
            assert result.contribution[i, j] == pytest.approx(removed - full)
            assert result.full_mse[j] == pytest.approx(full)


def test_shared_skill_helps_and_a_foreign_one_does_not(pool):
    features, accuracy = pool
    result = contribution_matrix(NAMES, features, accuracy, ridge="loo")
    table = result.table().set_index(["contributor", "target"])
    assert len(table) == 6
    for pair in (("algebra", "geometry"), ("geometry", "algebra")):
        assert table.loc[pair, "contribution"] > 0
        assert table.loc[pair, "low"] > 0
        assert table.loc[pair, "p_adjusted"] < 0.05
    for pair in (("poems", "algebra"), ("poems", "geometry"), ("algebra", "poems"), ("geometry", "poems")):
        assert table.loc[pair, "low"] < 0 < table.loc[pair, "high"]
        assert table.loc[pair, "p_adjusted"] > 0.05
    assert (table["low"] <= table["contribution"]).all()
    assert (table["contribution"] <= table["high"]).all()


def test_the_interval_covers_zero_where_nothing_is_there():
    covered = []
    for trial in range(40):
        rng = np.random.default_rng(trial)
        sets = ({"algebra"}, {"geometry"}, {"algebra", "geometry"})
        empty = {frozenset(one): rng.normal(size=(SEEDS, MODELS, 2)) for one in sets}
        result = contribution_matrix(NAMES[:2], empty, rng.uniform(size=(MODELS, 2)), repeats=20, seed=trial)
        covered.append(result.low[0, 1] < 0 < result.high[0, 1])
    assert np.mean(covered) > 0.9


def test_a_model_not_graded_on_one_benchmark_counts_on_the_others(pool):
    features, accuracy = pool
    gaps = accuracy.copy()
    gaps[5, 2] = np.nan
    before, after = (contribution_matrix(NAMES, features, one, repeats=10) for one in (accuracy, gaps))
    np.testing.assert_allclose(before.contribution[:, :2], after.contribution[:, :2])
    assert before.contribution[0, 2] != after.contribution[0, 2]
    assert np.isfinite(after.full_mse).all()


def test_one_seed_may_come_without_its_axis(pool):
    features, accuracy = pool
    first = {left_out: array[0] for left_out, array in features.items()}
    kept = {left_out: array[:1] for left_out, array in features.items()}
    results = [contribution_matrix(NAMES, one, accuracy, repeats=10) for one in (first, kept)]
    np.testing.assert_array_equal(results[0].low, results[1].low)
    assert results[0].seeds == 1


def test_constant_accuracy_gives_zero_not_nan(pool):
    features, accuracy = pool
    flat = accuracy.copy()
    flat[:, 2] = 0.25
    result = contribution_matrix(NAMES, features, flat, repeats=10)
    assert result.contribution[0, 2] == pytest.approx(0, abs=1e-20)
    assert not np.isnan(result.table()["low"]).any()


def test_everything_missing_is_told_at_once(pool):
    features, accuracy = pool
    del features[frozenset({"algebra", "poems"})]
    with pytest.raises(DataError, match=r"missing for 1 sets(.|\n)*algebra and poems(.|\n)*must be \(models, 3"):
        contribution_matrix(NAMES, features, accuracy[:, :2])
    with pytest.raises(DataError, match="1 benchmark is given; one can contribute to another only where there are two"):
        contribution_matrix(NAMES[:1], {frozenset(NAMES[:1]): np.ones((MODELS, 2))}, accuracy[:, :1])


def test_the_interval_of_one_seed_is_the_corrected_one():
    gain = np.random.default_rng(0).normal(0.1, 1, 30)
    total, low, high, p_value = total_interval(gain[None], 0.25)
    one = corrected_interval(gain, 0.25)
    assert np.array([total, low, high]) / 30 == pytest.approx([one.mean, one.low, one.high])
    assert p_value == pytest.approx(one.p_value)


def test_seeds_that_disagree_widen_the_interval():
    folds = np.random.default_rng(0).normal(1, 0.1, (3, 30))
    agree, disagree = total_interval(folds, 0.25), total_interval(folds + np.array([[-2], [0], [2]]), 0.25)
    assert agree[0] == pytest.approx(disagree[0])
    assert agree[3] < 0.001
    assert disagree[3] > 0.3


def test_no_spread_is_no_certainty_and_rounding_no_difference():
    total, *rest = total_interval(np.full((1, 20), 0.5), 0.25)
    assert total == pytest.approx(10)
    assert np.isnan(rest).all()
    assert total_interval(np.random.default_rng(0).normal(1e-20, 1e-21, (3, 20)), 0.25) == (0, 0, 0, 1)


def of_seeds(draws, seeds, effect=0.0, repeats=20, ratio=0.25):
    """Cells whose luck of training has three times the variance of their luck of models: (draws, seeds, repeats)."""
    rng = np.random.default_rng(seeds)
    part = 1 / repeats + ratio
    models = rng.normal(scale=np.sqrt(ratio), size=(draws, 1, 1)) + rng.normal(size=(draws, 1, repeats))
    training = rng.normal(scale=np.sqrt(3 * part * seeds), size=(draws, seeds, 1))
    return models + training + effect * np.sqrt(4 * part)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_few_seeds_claim_nothing_where_there_is_nothing(seeds):
    found = np.array([total_interval(gain, 0.25) for gain in of_seeds(2000, seeds)])
    low, high, p_value = found[:, 1:].T
    # Bounds are three standard errors above the level; without the test over seeds, two would have 0.10 and 0.02.
    assert (p_value < 0.05).mean() < 0.065
    assert (p_value < 0.001).mean() < 0.0032
    np.testing.assert_array_equal(p_value < 0.05, (low > 0) | (high < 0))


def test_five_seeds_find_a_clear_effect():
    p_values = np.array([total_interval(gain, 0.25)[3] for gain in of_seeds(300, 5, effect=10)])
    assert (p_values < 0.05).mean() > 0.99
    assert (p_values < 0.001).mean() > 0.7


def test_seeds_without_a_spread_are_no_certainty():
    folds = np.random.default_rng(0).normal(1, 0.1, 30)
    total, *rest = total_interval(np.stack([folds] * 3), 0.25)
    assert total == pytest.approx(folds.sum())
    assert np.isnan(rest).all()


def test_models_that_some_features_were_not_learned_for_are_left_out_of_their_targets(pool):
    features, accuracy = pool
    trained = {left_out: np.ones(MODELS, dtype=bool) for left_out in features}
    trained[frozenset({"algebra", "poems"})][4] = False
    gaps = accuracy.copy()
    gaps[4, [0, 2]] = np.nan
    found = contribution_matrix(NAMES, features, accuracy, repeats=10, trained=trained)
    wanted = contribution_matrix(NAMES, features, gaps, repeats=10)
    np.testing.assert_array_equal(found.contribution, wanted.contribution)
    del trained[frozenset({"algebra"})]
    with pytest.raises(DataError, match=r"`trained` must have \(40 models,\) for every set"):
        contribution_matrix(NAMES, features, accuracy, trained=trained)
