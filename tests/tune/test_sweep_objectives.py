"""Sweeps of several objectives under a real Ray Tune."""

from pathlib import Path

import pytest

from embedllm.data.simulate import simulate
from tune.config import Range, SearchSpace, SweepConfig
from tune.results.pareto import pareto_front
from tune.results.standings import Standings
from tune.results.standings_table import standings_text
from tune.runner import resume_sweep, run_sweep

pytestmark = pytest.mark.usefixtures("ray_here")

SPACE = SearchSpace(
    encoder=["lsa:8"], embedding_dim=Range(4, 16), training_questions=Range(0.1, 1.0), epochs=[3], batch_questions=[32]
)


@pytest.mark.slow
def test_the_same_front_at_any_pack_size_and_a_longer_one_after_a_resume(tmp_path: Path) -> None:
    data = str(simulate(models=10, questions=300, seed=3).save(tmp_path / "data"))
    config = SweepConfig(
        data=data, out=str(tmp_path / "one"), trials=10, seeds=2, space=SPACE, slots=1, pack=5, deterministic=True,
        objectives=["val_log_loss", "training_questions", "parameters"],
    )  # fmt: skip
    one = run_sweep(config)
    two = run_sweep(config.replace(out=str(tmp_path / "two"), pack=2, slots=2))
    for mine, other in zip(one.records, two.records, strict=True):
        assert mine.config == other.config
        assert mine.metrics["val_log_loss"] == pytest.approx(other.metrics["val_log_loss"], abs=1e-4)
    front = [record.trial for record in pareto_front(one.records, config.goals)]
    assert [record.trial for record in pareto_front(two.records, config.goals)] == front
    width = 8
    for record in one.records[1:]:
        dim = record.config.embedding_dim
        assert record.parameters == 10 * dim + width * dim + dim + 2 * dim + 2  # models, projection, bias, head

    assert two.winner is not None
    assert two.winner.trial == two.best.trial == front[0]
    assert {judged.trial for judged in two.winner.finalists} <= set(front)
    assert two.winner.finalists[-1].trial == front[-1]

    longer = resume_sweep(tmp_path / "two", trials=12)
    assert list(longer.records[:11]) == list(two.records)
    assert longer.count("COMPLETE") == 12
    front = [record.trial for record in pareto_front(longer.records, config.goals)]
    text = standings_text(Standings.read(tmp_path / "two"), top=1)
    shown = [line.split()[1] for line in text.splitlines() if line.startswith("yes")]
    assert shown == list(map(str, front)), "the front is shown whole"
    assert f"on validation questions: {len(front)} of 12 complete trials" in " ".join(text.split())
    assert "Ranked by" not in text
