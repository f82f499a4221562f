"""A small finished sweep, trained in this process: for everything that reads a sweep's folder."""

import shutil
from pathlib import Path

import pytest

from embedllm.data.simulate import simulate
from tune.config import SearchSpace, SweepConfig

TRIALS = 4


@pytest.fixture(scope="session")
def trained_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four trials of two budgets, the baseline and the winner. Not to be changed; see `finished_sweep`."""
    from tune.data import SweepData
    from tune.engine.fitting import PackFitter
    from tune.engine.packing import Pack
    from tune.results.winner import crown
    from tune.runner import Sweep
    from tune.search.study import SweepStudy, read_records

    home = tmp_path_factory.mktemp("trained")
    data = str(simulate(models=6, questions=240, seed=2).save(home / "pool"))
    space = SearchSpace(
        encoder=["lsa:8"], embedding_dim=[4], noise=[0.05], training_questions=[0.5, 1.0], learning_rate=[0.01],
        weight_decay=[0.0], batch_questions=[32], epochs=[2, 4],
    )  # fmt: skip
    config = SweepConfig(data=data, out=str(home / "sweep"), trials=TRIALS, seeds=2, space=space, sampler="grid")
    sweep = Sweep.create(config)
    encodings = {name: found.matrix for name, found in sweep.encodings.items()}
    fitter = PackFitter(SweepData(sweep.data, sweep.split, encodings), seeds=2, objective=config.objective)
    with SweepStudy(sweep.folder.path, sweep.folder.config, len(sweep.split.train)) as study:
        baseline = study.ask_baseline()
        assert baseline is not None
        packs = [Pack((baseline,), role="baseline"), *(Pack((trial,)) for trial in study.ask(TRIALS))]
        for pack in packs:
            for record in fitter.fit(pack):
                study.tell(record)
    crown(sweep, read_records(sweep.folder.path))
    return sweep.folder.path


@pytest.fixture
def finished_sweep(trained_sweep: Path, tmp_path: Path) -> Path:
    """A copy of the finished sweep's folder, to be changed at will."""
    return Path(shutil.copytree(trained_sweep, tmp_path / "sweep"))
