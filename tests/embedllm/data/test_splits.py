"""Splits divide questions: disjoint, stratified, copies of a text together, training sizes nested."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedllm.data import CorrectnessMatrix, Split, default_split, given_split, leave_out, nested_subset, random_split
from embedllm.data.division import crossing_prompts
from embedllm.data.splits import VALIDATION_DRAWN, prompt_groups, split_again
from embedllm.errors import ConfigError, DataError


def make_data(prompts: list[str], benchmarks: list[str], sides: list[str | None] | None = None) -> CorrectnessMatrix:
    count = len(prompts)
    texts = {
        "prompt_id": [str(i) for i in range(count)],
        "prompt": prompts,
        "benchmark": benchmarks,
        "category": benchmarks,
        "split": sides or [None] * count,
    }
    questions = pa.table({name: pa.array(values, pa.string()) for name, values in texts.items()})
    models = pa.table({"model_id": ["0"], "model_name": ["m"]})
    ones = np.ones((1, count), dtype=np.uint8)
    return CorrectnessMatrix(ones, ones, questions, models)


@given(
    groups=st.lists(st.integers(0, 30), min_size=1, max_size=80),
    seed=st.integers(0, 5),
    fractions=st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.25, 0.25), (1.0, 0.0, 0.0)]),
)
@settings(max_examples=60, deadline=None)
def test_random_split_covers_everything_once_and_keeps_copies_together(groups, seed, fractions):
    data = make_data([f"text {g}" for g in groups], [f"b{g % 3}" for g in groups])
    split = random_split(data, seed=seed, fractions=fractions)
    everything = np.concatenate([split.train, split.val, split.test])
    assert sorted(everything) == list(range(len(groups)))
    sides = split.sides(len(groups))
    naive = {g: {int(sides[i]) for i, other in enumerate(groups) if other == g} for g in groups}
    assert all(len(found) == 1 for found in naive.values())
    assert split.check(data) is split


@given(sizes=st.lists(st.integers(1, 200), min_size=1, max_size=6), seed=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_random_split_is_stratified_to_one_question_per_benchmark(sizes, seed):
    benchmarks = [f"b{b}" for b, size in enumerate(sizes) for _ in range(size)]
    data = make_data([f"q{i}" for i in range(len(benchmarks))], benchmarks)
    split = random_split(data, seed=seed)
    for indices, fraction in ((split.train, 0.8), (split.val, 0.1), (split.test, 0.1)):
        # Of a few questions, one more may go to a side that would be empty.
        assert abs(len(indices) - fraction * len(benchmarks)) <= (1 if len(benchmarks) >= 20 else 2)
        for number, size in enumerate(sizes):
            assert abs(np.sum(data.benchmarks[indices] == f"b{number}") - fraction * size) <= 2


def test_same_seed_same_split_other_seed_another():
    data = make_data([f"q{i}" for i in range(100)], ["b"] * 100)
    assert np.array_equal(random_split(data, seed=1).test, random_split(data, seed=1).test)
    assert not np.array_equal(random_split(data, seed=1).test, random_split(data, seed=2).test)


def test_fractions_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match=r"fractions \(0.8, 0.1, 0.2\) must be non-negative and sum to 1"):
        random_split(make_data(["a"], ["b"]), seed=0, fractions=(0.8, 0.1, 0.2))


def test_a_negative_seed_is_refused():
    with pytest.raises(ConfigError, match=r"^split_seed must be at least 0 but is -1$"):
        random_split(make_data(["a"], ["b"]), seed=-1)


def test_a_split_names_every_fault():
    with pytest.raises(DataError) as error:
        Split("mine", np.array([0, 1, 1]), np.array([1, 2]), np.array([-1]))
    assert error.value.problems == (
        "train lists question 1 more than once",
        "test holds the negative question index -1",
        "1 question on two sides, train and val (the first is question 1); every question belongs to one side",
    )


def test_check_finds_indices_beyond_the_data_and_copies_on_two_sides():
    data = make_data(["a", "b", "a"], ["x"] * 3)
    with pytest.raises(DataError, match=r"test holds question index 7; the data has 3 questions \(0 to 2\)"):
        Split("far", np.array([0]), np.array([1]), np.array([7])).check(data)
    with pytest.raises(DataError, match="2 questions with a prompt text that also stands on another side"):
        Split("leak", np.array([0]), np.array([1]), np.array([2])).check(data)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 2)), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_crossing_prompts_against_a_loop(rows):
    groups, sides = np.array([g for g, _ in rows]), np.array([s for _, s in rows], dtype=np.int8)
    naive = [i for i, (g, s) in enumerate(rows) if s >= 0 and any(h == g and t >= 0 and t != s for h, t in rows)]
    assert crossing_prompts(groups, sides).tolist() == naive


def test_given_split_and_default_split():
    sides = ["train", "val", "test", "train"]
    with_sides = make_data(["a", "b", "c", "d"], ["x"] * 4, sides)
    assert given_split(with_sides).train.tolist() == [0, 3]
    assert default_split(with_sides).name == "given"
    partly = make_data(["a", "b", "c", "d"], ["x"] * 4, ["train", "val", None, "train"])
    assert given_split(partly).test.tolist() == []
    assert default_split(partly, seed=3).name == "random"
    with pytest.raises(DataError, match="the source files put no question into train, val or test"):
        given_split(make_data(["a"], ["x"]))


def without_validation(train: int = 90, test: int = 30) -> CorrectnessMatrix:
    """Two benchmarks, two to one, and every fifth training question a copy of the one before."""
    prompts = [f"train {i - (i % 5 == 4)}" for i in range(train)] + [f"test {i}" for i in range(test)]
    benchmarks = ["a" if i % 3 else "b" for i in range(train + test)]
    return make_data(prompts, benchmarks, ["train"] * train + ["test"] * test)


@pytest.mark.parametrize("make", [given_split, default_split])
def test_missing_validation_is_drawn_from_train_and_the_test_questions_stay(make):
    data = without_validation()
    split = make(data, seed=2)
    assert (split.name, split.seed) == (VALIDATION_DRAWN, 2) == ("given, validation drawn from train", 2)
    assert split.test.tolist() == list(range(90, 120))
    assert sorted([*split.train, *split.val]) == list(range(90))
    assert abs(len(split.val) - 9) <= 1
    assert abs(np.sum(data.benchmarks[split.val] == "b") - 3) <= 1
    split.check(data)  # copies of a text share a side
    assert make(data, seed=2).digest == split.digest != make(data, seed=3).digest
    with pytest.raises(ConfigError, match="split_seed must be at least 0 but is -1"):
        make(data, seed=-1)


def test_a_given_test_set_is_kept_where_some_questions_have_no_side():
    sides = ["train", "train", "val", "test", None]
    split = default_split(make_data(list("abcde"), ["x"] * 5, sides))
    assert (split.name, split.seed) == ("given", None)
    assert split.sides(5).tolist() == [0, 0, 1, 2, -1]


@pytest.mark.parametrize("make", [given_split, default_split])
@pytest.mark.parametrize("sides", [["val", "test", None], ["test", "test", "test"], ["val", None, None]])
def test_sides_without_training_questions_are_refused(make, sides):
    with pytest.raises(DataError, match=r"none into train: mark some as train, or use a random split \(`--split rand"):
        make(make_data(["a", "b", "c"], ["x"] * 3, sides))


def test_validation_cannot_be_drawn_from_copies_of_one_text():
    with pytest.raises(DataError, match="none can be drawn from train, whose questions all have one text; at least 2"):
        given_split(make_data(["a", "a", "b"], ["x"] * 3, ["train", "train", "test"]))


def test_name_and_seed_make_a_split_again():
    data = without_validation()
    for split in (given_split(data, seed=4), random_split(data, seed=4)):
        again = split_again(data, split.name, split.seed)
        assert again is not None
        assert (again.name, again.seed, again.digest) == (split.name, split.seed, split.digest)
    complete = make_data(["a", "b", "c"], ["x"] * 3, ["train", "val", "test"])
    assert split_again(complete, "given", None).sides(3).tolist() == [0, 1, 2]
    for name, seed in (("random", None), (VALIDATION_DRAWN, None), ("without a", 0)):
        assert split_again(data, name, seed) is None


@given(
    groups=st.lists(st.integers(0, 12), min_size=1, max_size=60),
    copies=st.integers(0, 100),
    seed=st.integers(0, 5),
    fractions=st.sampled_from([(0.8, 0.1, 0.1), (0.98, 0.01, 0.01), (0.9, 0.1, 0.0)]),
)
@settings(max_examples=100, deadline=None)
def test_no_side_is_empty_where_there_are_texts_enough(groups, copies, seed, fractions):
    data = make_data([f"text {g}" for g in groups] + ["copied"] * copies, ["b"] * (len(groups) + copies))
    split = random_split(data, seed=seed, fractions=fractions)
    texts = len(set(data.prompts))
    wanted = sum(fraction > 0 for fraction in fractions)
    filled = [len(side) > 0 for side in (split.train, split.val, split.test)]
    # Train comes first, and validation before test: without it nothing can be trained.
    assert filled == [texts > number and fraction > 0 for number, fraction in enumerate(fractions)]
    assert sum(filled) == min(texts, wanted)
    split.check(data)


@pytest.mark.parametrize("seed", range(5))
def test_a_text_of_most_questions_leaves_the_others_for_val_and_test(seed):
    data = make_data(["copied"] * 90 + [f"q{i}" for i in range(10)], ["b"] * 100)
    split = random_split(data, seed=seed)
    assert len(split.train) == 90
    assert min(len(split.val), len(split.test)) >= 1


@pytest.mark.parametrize(
    ("indices", "problem"),
    [
        ([0.5, 1], "train holds 0.5, of dtype float64; question indices are whole numbers"),
        (["a"], "train holds 'a', of dtype <U1; question indices are whole numbers"),
        ([True, False], "train is a mask of true and false; a side is a list of question indices: use np.flatnonzero"),
        ([[1, 2]], "train has shape (1, 2); a side is one list of question indices"),
    ],
)
def test_sides_that_are_no_indices(indices, problem):
    with pytest.raises(DataError) as error:
        Split("x", indices, [], [])
    (said,) = error.value.problems
    assert said.startswith(problem)


def test_benchmarks_to_leave_out_are_a_list():
    with pytest.raises(DataError, match=r"they must be a list of names, as \['gsm8k'\]"):
        leave_out(make_data(["a"], ["gsm8k"]), "gsm8k")


def test_leave_out_trains_without_the_benchmark_and_without_copies_of_its_texts():
    prompts = [f"q{i}" for i in range(40)]
    prompts[3] = prompts[25]  # a copy of a held-out text, listed under another benchmark
    data = make_data(prompts, ["a"] * 20 + ["b"] * 20)
    split = leave_out(data, ["b"], seed=1)
    assert split.test.tolist() == list(range(20, 40))
    assert set(split.train) | set(split.val) <= set(range(20)) - {3}
    assert split.name == "without b"
    split.check(data)
    with pytest.raises(DataError, match="there is no benchmark 'c'; the data has a, b"):
        leave_out(data, ["c"])
    with pytest.raises(DataError, match="no training question is left"):
        leave_out(data, ["a", "b"])


@given(count=st.integers(2, 120), seed=st.integers(0, 4), data=st.data())
@settings(max_examples=60, deadline=None)
def test_smaller_training_sets_lie_inside_larger_ones(count, seed, data):
    indices = np.arange(0, 3 * count, 3)
    small = data.draw(st.integers(1, count))
    large = data.draw(st.integers(small, count))
    subsets = [nested_subset(indices, size, seed=seed) for size in (small, large)]
    assert set(subsets[0]) <= set(subsets[1]) <= set(indices)
    assert [len(s) for s in subsets] == [small, large]
    # The order in which the questions are named does not matter.
    assert np.array_equal(nested_subset(indices[::-1], large, seed=seed), subsets[1])


def test_asking_for_too_many_training_questions_is_an_error():
    with pytest.raises(DataError, match="11 questions are asked for; allowed: 1 to 10, the questions there are"):
        nested_subset(np.arange(10), 11, seed=0)
    with pytest.raises(DataError, match="0 questions are asked for"):
        nested_subset(np.arange(10), 0, seed=0)


def test_prompt_groups_are_equal_exactly_for_equal_texts():
    assert prompt_groups(make_data(["a", "b", "a"], ["x"] * 3)).tolist() == [0, 1, 0]


def test_the_digest_sees_the_sides_and_nothing_else():
    split = Split("one", [3, 0, 1], [2], [4])
    assert Split("other", [0, 1, 3], [2], [4], seed=7).digest == split.digest
    for sides in (([0, 1], [2, 3], [4]), ([0, 1, 3], [4], [2]), ([0, 1, 3], [2], []), ([0, 1, 2, 3], [], [4])):
        assert Split("one", *sides).digest != split.digest
