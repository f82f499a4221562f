"""Hand-made results of the axis design: the effect of every value is chosen, nothing is trained."""

import numpy as np
import pandas as pd
import pytest

from ablations.cell import METRIC_COLUMNS
from ablations.config import AblationConfig
from ablations.designs.axis import Axis
from ablations.results import QuestionScores, Results
from embedllm.data.simulate import simulate

QUESTIONS = 80


class HandMade(Results):
    """Question scores: the row's metric plus noise of the question that all cells share, and some that they do not."""

    def __init__(self, frame: pd.DataFrame, own_noise: float) -> None:
        super().__init__(frame, {})
        self._rows = frame.drop_duplicates("key").set_index("key").to_dict("index")
        self._own_noise = own_noise

    def question_scores(self, key: str) -> QuestionScores:
        row, totals = self._rows[key], {}
        for metric in ("log_loss", "accuracy", "routing_micro"):
            shared = np.random.default_rng(0).normal(size=QUESTIONS)
            label = f"{row['axis']}{row['embedding_dim']}{row['noise']}{row['encoder']}{row['learning_rate']}"
            own = np.random.default_rng(list(label.encode())).normal(size=QUESTIONS)
            noise = 0.1 * shared + self._own_noise * (own - own.mean())
            totals[metric] = row[metric] + noise - noise.mean()
        return QuestionScores(np.arange(QUESTIONS), totals, dict.fromkeys(totals, np.ones(QUESTIONS)))


def hand_made(plan, effect, *, seed_noise=0.001, own_noise=0.001, draw=0):
    """`effect(axis, config)` -> how much lower the log-loss, and higher accuracy and routing, are than the centre's."""
    rng, rows = np.random.default_rng(draw), []
    luck = dict(enumerate(0.05 * rng.normal(size=20)))  # what a seed does to all values alike
    for cell in plan.cells:
        gain = effect(cell.factors["axis"], cell.config) + luck[cell.config.seed] + seed_noise * rng.normal()
        metrics = dict.fromkeys(METRIC_COLUMNS, 0.1) | {
            "log_loss": 0.6 - gain,
            "accuracy": 0.7 + gain,
            "routing_micro": 0.8 + gain,
        }
        row = {**cell.columns, "side": "test", "scope": "overall", **metrics, "state": "COMPLETE", "reason": ""}
        rows.append(row)
    return HandMade(pd.DataFrame(rows), own_noise)


@pytest.fixture
def make_results():
    return hand_made


@pytest.fixture(scope="session")
def pool():
    return simulate(models=6, questions=1500, seed=1)


@pytest.fixture
def config():
    return AblationConfig()


@pytest.fixture
def design():
    return Axis(axes=["embedding_dim", "encoder"], dimensions=[8, 64], encoders=["lsa:16", "lsa"])


@pytest.fixture
def tables(design, pool, config, make_results):
    """Dimension 8 is worse and lsa:16 better, 64 changes nothing."""

    def effect(axis, recipe):
        return {8: -0.03, 64: 0.0}.get(recipe.embedding_dim, 0.0) + (0.02 if recipe.encoder == "lsa:16" else 0)

    return design.tables(make_results(design.plan(pool, config), effect), pool, config)
