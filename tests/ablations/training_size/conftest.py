"""Hand-made results of the training-size design: no training, curves that are known exactly."""

import numpy as np
import pandas as pd
import pytest

from ablations.cell import METRIC_COLUMNS
from ablations.config import AblationConfig
from ablations.results import QuestionScores, Results
from embedllm.data.simulate import simulate

SIZES = (100, 200, 400, 800, 1600)
QUESTIONS = 60


class HandMade(Results):
    """Results whose question scores follow from the accuracy of the row."""

    def __init__(self, frame: pd.DataFrame) -> None:
        super().__init__(frame, {})
        test = frame[(frame["side"] == "test") & (frame["state"] == "COMPLETE")]
        self._accuracy = test.set_index("key")[["accuracy", "log_loss"]].to_dict("index")

    def question_scores(self, key: str) -> QuestionScores:
        row, weights = self._accuracy[key], np.full(QUESTIONS, 10.0)
        totals = {name: 10 * np.full(QUESTIONS, row[name]) for name in ("accuracy", "log_loss")}
        return QuestionScores(np.arange(QUESTIONS), totals, {name: weights for name in totals})


def hand_made(error_of, *, seeds=5, methods=("embedllm", "knn"), sizes=SIZES, candidates=1, noise=0.0):
    """`error_of(method, size, seed, candidate)` -> error rate; the log-loss is half a nat more."""
    rng, rows = np.random.default_rng(0), []
    for method in methods:
        for size in sizes:
            for seed in range(seeds):
                for candidate in range(candidates if method == "embedllm" else 1):
                    error = error_of(method, size, seed, candidate) + noise * rng.normal()
                    for side in ("val", "test"):
                        metrics = dict.fromkeys(METRIC_COLUMNS, 0.1) | {
                            "accuracy": 1 - error,
                            "log_loss": error + 0.5,
                            "roc_auc": np.nan,
                        }
                        rows.append(
                            {
                                "key": f"{method}-{size}-{seed}-{candidate}",
                                "method": method,
                                "encoder": "lsa",
                                "embedding_dim": 8 * (candidate + 1),
                                "noise": 0.05,
                                "learning_rate": 0.02,
                                "weight_decay": 1e-6 * (candidate + 1) if method == "embedllm" else np.nan,
                                "training_questions": size,
                                "split": "base",
                                "seed": seed,
                                "candidate": candidate,
                                "side": side,
                                "scope": "overall",
                                "questions": QUESTIONS,
                                **metrics,
                                "state": "COMPLETE",
                                "reason": "",
                            }
                        )
    return HandMade(pd.DataFrame(rows))


def known_law(method, size, seed, candidate):
    return 0.2 + 3 * size**-0.8 + (0.01 if method == "knn" else 0) + 0.001 * seed


@pytest.fixture
def make_results():
    return hand_made


@pytest.fixture
def power_law():
    return known_law


@pytest.fixture(scope="session")
def pool():
    return simulate(models=6, questions=2000, seed=1)


@pytest.fixture
def config():
    return AblationConfig()
