"""A small pool with everything that makes evaluation hard: missing cells, several attempts, uneven benchmarks."""

import numpy as np
import pyarrow as pa
import pytest

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.splits import Split

MODELS, QUESTIONS, WIDTH = 7, 240, 12


@pytest.fixture(scope="session")
def encodings() -> np.ndarray:
    topics = np.random.default_rng(1).normal(size=(4, WIDTH))
    noise = np.random.default_rng(2).normal(size=(QUESTIONS, WIDTH))
    rows = topics[np.arange(QUESTIONS) % 4] + 0.7 * noise
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session")
def data(encodings: np.ndarray) -> CorrectnessMatrix:
    rng = np.random.default_rng(3)
    skills = rng.normal(size=(MODELS, WIDTH))
    chance = 1 / (1 + np.exp(-3 * skills @ encodings.T - rng.normal(size=(MODELS, 1))))
    attempts = rng.choice([0, 1, 1, 1, 3], size=(MODELS, QUESTIONS)).astype(np.uint8)
    correct = rng.binomial(attempts, chance).astype(np.uint8)
    questions = pa.table(
        {
            "prompt_id": [str(number) for number in range(QUESTIONS)],
            "prompt": [f"question {number}" for number in range(QUESTIONS)],
            "benchmark": [("maths", "law", "law", "code")[number % 4] for number in range(QUESTIONS)],
            "category": ["any"] * QUESTIONS,
            "split": pa.nulls(QUESTIONS, pa.string()),
        }
    )
    numbers = [str(number) for number in range(MODELS)]
    models = pa.table({"model_id": numbers, "model_name": [f"model-{number}" for number in numbers]})
    return CorrectnessMatrix(correct, attempts, questions, models)


@pytest.fixture(scope="session")
def split() -> Split:
    order = np.random.default_rng(4).permutation(QUESTIONS)
    return Split("random", train=order[:160], val=order[160:200], test=order[200:], seed=4)
