"""Task names of lm-evaluation-harness to benchmarks: 80 names in the public EmbedLLM data, 10 benchmarks.

Held-out-benchmark work needs `benchmark`: holding out one MMLU subject while 56 others stay in training
holds out nothing.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

_SUBJECTS = (
    "abstract_algebra anatomy astronomy business_ethics clinical_knowledge college_biology college_chemistry "
    "college_computer_science college_mathematics college_medicine college_physics computer_security "
    "conceptual_physics econometrics electrical_engineering elementary_mathematics formal_logic global_facts "
    "high_school_biology high_school_chemistry high_school_computer_science high_school_european_history "
    "high_school_geography high_school_government_and_politics high_school_macroeconomics high_school_mathematics "
    "high_school_microeconomics high_school_physics high_school_psychology high_school_statistics "
    "high_school_us_history high_school_world_history human_aging human_sexuality international_law jurisprudence "
    "logical_fallacies machine_learning management marketing medical_genetics miscellaneous moral_disputes "
    "moral_scenarios nutrition philosophy prehistory professional_accounting professional_law professional_medicine "
    "professional_psychology public_relations security_studies sociology us_foreign_policy virology "
    "world_religions"
)
MMLU_SUBJECTS = tuple(_SUBJECTS.split())
"""The 57 subjects of MMLU."""

GPQA_SUBSETS = ("main", "extended", "diamond")
GPQA_STYLES = ("zeroshot", "n_shot", "cot_zeroshot", "cot_n_shot", "generative_n_shot")
"""Prompt styles under which the harness asks each GPQA question; the last three are graded twice."""

BENCHMARK_SIZES = {
    "asdiv": 2305,
    "gpqa": 5960,
    "gsm8k": 1319,
    "logiqa": 651,
    "mathqa": 2985,
    "medmcqa": 4183,
    "mmlu": 14042,
    "piqa": 1838,
    "social_iqa": 1954,
    "truthfulqa_mc1": 817,
}
"""Questions per benchmark in the EmbedLLM data (arXiv 2410.02223): 36,054 in all."""


def _known_tasks() -> dict[str, str]:
    tasks = {name: name for name in BENCHMARK_SIZES}
    tasks |= {f"mmlu_{subject}": "mmlu" for subject in MMLU_SUBJECTS}
    tasks |= {f"gpqa_{subset}_{style}": "gpqa" for subset in GPQA_SUBSETS for style in GPQA_STYLES}
    tasks |= {f"gpqa_{subset}": "gpqa" for subset in GPQA_SUBSETS}
    return tasks | {f"leaderboard_{task}": benchmark for task, benchmark in tasks.items()}


_BENCHMARK_OF_TASK = _known_tasks()


def benchmark_of(category: str) -> str:
    """The benchmark a task belongs to; a task this module does not know is its own benchmark."""
    return _BENCHMARK_OF_TASK.get(category, category)


def benchmarks_of(categories: Iterable[str]) -> np.ndarray:
    """`benchmark_of` for many tasks: object array of the same length, in time set by the number of distinct names."""
    codes, names = pd.factorize(np.asarray(list(categories), dtype=object))
    return np.array([benchmark_of(name) for name in names], dtype=object)[codes]
