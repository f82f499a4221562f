"""80 harness task names fall into the 10 benchmarks of the paper."""

from collections import Counter

import pytest

from embedllm.data.benchmarks import BENCHMARK_SIZES, MMLU_SUBJECTS, benchmark_of, benchmarks_of


def test_the_80_task_names_make_10_benchmarks():
    styles = ("zeroshot", "n_shot", "cot_zeroshot", "cot_n_shot", "generative_n_shot")
    tasks = [f"mmlu_{subject}" for subject in MMLU_SUBJECTS]
    tasks += [f"gpqa_{subset}_{style}" for subset in ("main", "extended", "diamond") for style in styles]
    tasks += ["asdiv", "gsm8k", "logiqa", "mathqa", "medmcqa", "piqa", "social_iqa", "truthfulqa_mc1"]
    assert len(tasks) == 80
    counts = Counter(benchmarks_of(tasks))
    assert set(counts) == set(BENCHMARK_SIZES)
    assert counts["mmlu"] == 57
    assert counts["gpqa"] == 15
    assert sum(BENCHMARK_SIZES.values()) == 36054


@pytest.mark.parametrize(
    ("category", "benchmark"),
    [
        ("leaderboard_gpqa_diamond", "gpqa"),
        ("mmlu_pro_biology", "mmlu_pro_biology"),  # another benchmark that only begins alike
        ("my_task", "my_task"),
    ],
)
def test_other_names(category: str, benchmark: str):
    assert benchmark_of(category) == benchmark
    assert benchmarks_of([category, category]).tolist() == [benchmark, benchmark]
