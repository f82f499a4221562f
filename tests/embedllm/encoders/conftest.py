from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest

from embedllm.data.matrix import CorrectnessMatrix

TOPICS = {
    "algebra": ["equation", "variable", "solve", "polynomial", "root", "factor", "matrix", "linear"],
    "medicine": ["patient", "symptom", "diagnosis", "treatment", "blood", "fever", "dose", "clinical"],
    "law": ["court", "contract", "statute", "plaintiff", "liability", "tort", "appeal", "judge"],
}


def topic_texts(number: int, seed: int = 0) -> list[str]:
    """Texts of six words, each from one of three topics in turn."""
    rng = np.random.default_rng(seed)
    pools = list(TOPICS.values())
    return [f"Q{row}: " + " ".join(rng.choice(pools[row % 3], size=6)) + "?" for row in range(number)]


@pytest.fixture
def texts() -> list[str]:
    return topic_texts(60)


@pytest.fixture
def matrix_of() -> Callable[[Sequence[str]], CorrectnessMatrix]:
    """A correctness matrix of one model with given prompts."""

    def build(prompts: Sequence[str]) -> CorrectnessMatrix:
        column = pa.array([f"q{row}" for row in range(len(prompts))])
        questions = pa.table(
            {
                "prompt_id": column,
                "prompt": pa.array(list(prompts), pa.string()),
                "benchmark": column,
                "category": column,
                "split": pa.nulls(len(prompts), pa.string()),
            }
        )
        models = pa.table({"model_id": ["m"], "model_name": ["m"]})
        labels = np.ones((1, len(prompts)), dtype=np.uint8)
        return CorrectnessMatrix(labels, labels, questions, models)

    return build
