"""How lists are typed."""

import pytest

from ablations.cli.options import add_design, design_of
from ablations.designs.held_out import HeldOutBenchmark
from ablations.designs.training_size import TrainingSize
from embedllm.cli.parser import Parser


def parsed(design: type, *words: str) -> object:
    parser = Parser("ablations x", "A summary.", "ablations x")
    add_design(parser, design)
    parser.complete()
    return design_of(design, parser.parse(list(words)))


@pytest.mark.parametrize("typed", ["1,2", '["1", "2"]'])
def test_names_may_look_like_numbers(typed: str) -> None:
    assert parsed(HeldOutBenchmark, "--benchmarks", typed).benchmarks == ["1", "2"]  # type: ignore[attr-defined]


def test_numbers_stay_numbers() -> None:
    assert parsed(TrainingSize, "--sizes", "100,300").sizes == [100, 300]  # type: ignore[attr-defined]
