"""Correctness data: the matrix, its sources, splits and description."""

from embedllm.data.benchmarks import benchmark_of, benchmarks_of
from embedllm.data.describe import Description, describe
from embedllm.data.importing import ImportReport, import_data
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.simulate import simulate, simulate_with_truth
from embedllm.data.splits import Split, default_split, given_split, leave_out, nested_subset, random_split

__all__ = [
    "CorrectnessMatrix",
    "Description",
    "ImportReport",
    "Split",
    "benchmark_of",
    "benchmarks_of",
    "default_split",
    "describe",
    "given_split",
    "import_data",
    "leave_out",
    "nested_subset",
    "random_split",
    "simulate",
    "simulate_with_truth",
]
