"""`--split` and `--split-seed`: what they choose, and when a seed would do nothing."""

import pyarrow as pa
import pytest
from jsonargparse import Namespace

from embedllm.cli.options import chosen_split
from embedllm.cli.parser import UsageError
from embedllm.data import CorrectnessMatrix, simulate
from embedllm.errors import DataError


def data_with(sides: list[str | None]) -> CorrectnessMatrix:
    data = simulate(models=2, questions=len(sides))
    questions = data.questions.set_column(4, "split", pa.array(sides, pa.string()))
    return CorrectnessMatrix(data.correct, data.attempts, questions, data.models)


COMPLETE = data_with(["train"] * 80 + ["val"] * 10 + ["test"] * 10)
NO_VALIDATION = data_with(["train"] * 80 + ["test"] * 20)
NO_TEST = data_with(["train"] * 90 + ["val"] * 10)


@pytest.mark.parametrize(
    ("data", "split", "name", "tests"),
    [
        (COMPLETE, "auto", "given", 10),
        (COMPLETE, "random", "random", 10),
        (NO_VALIDATION, "auto", "given, validation drawn from train", 20),
        (NO_VALIDATION, "given", "given, validation drawn from train", 20),
        (NO_VALIDATION, "random", "random", 10),
        (NO_TEST, "auto", "random", 10),
        (NO_TEST, "given", "given", 0),
    ],
)
@pytest.mark.parametrize("seed", [0, 3])
def test_splits_by_name(data: CorrectnessMatrix, split: str, name: str, tests: int, seed: int) -> None:
    args = Namespace(split=split, split_seed=seed)
    if name == "given" and seed:
        why = "--split is given" if split == "given" else "the data gives all three sides"
        with pytest.raises(UsageError, match=f"--split-seed 3 has no effect: {why}; add --split random"):
            chosen_split(data, args)
        return
    chosen = chosen_split(data, args)
    assert (chosen.name, chosen.seed) == (name, None if name == "given" else seed)
    assert len(chosen.test) == tests


@pytest.mark.parametrize("split", ["auto", "given"])
def test_data_without_training_questions_is_refused(split: str) -> None:
    with pytest.raises(DataError, match="none into train"):
        chosen_split(data_with(["test"] * 50), Namespace(split=split, split_seed=0))
