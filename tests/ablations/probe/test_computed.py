"""From training to findings, without Ray: what a worker leaves behind is what the tables read."""

import numpy as np
import pytest

from ablations.batches import Batch, Encodings
from ablations.config import AblationConfig
from ablations.designs.probe import Probe
from ablations.folder import DesignFolder
from ablations.runner import Ablation
from ablations.worker import CellWorker
from embedllm.data import CorrectnessMatrix
from embedllm.encoders import encode_data
from embedllm.probing import function_space
from embedllm.training import FitData, fit


def test_a_trained_pool_is_probed_from_start_to_end(data: CorrectnessMatrix, config: AblationConfig) -> None:
    design = Probe(permutations=99)
    ablation = Ablation.prepare(design, config.replace(embedding_dim=4), data)
    cells = list(ablation.plan.cells)
    worker = CellWorker(ablation.payload(cells), 1)
    folder = DesignFolder(ablation.folder.path)
    folder.path.mkdir(parents=True)
    folder.append(worker(Batch(tuple(cells), Encodings.of(ablation.plan).find(cells[0]))).cells)
    results = folder.results(ablation.plan)
    assert not len(results.failed)

    split = config.base_split(data)
    matrix = encode_data(data, config.encoder, fit_on=split.train).matrix
    model = fit(cells[0].config, FitData.build(data, split, matrix)).model
    assert model is not None
    logits = model.logits(matrix)
    naive = np.sqrt(np.square(logits[:, None] - logits[None]).mean(axis=2))
    found = function_space([results.function(cells[0].key)]).distances
    np.testing.assert_allclose(found, naive, rtol=1e-3, atol=1e-3 * naive.max())
    assert results.embedding(cells[0].key).shape == (8, 4)

    tables = design.tables(results, data, config)
    assert design.findings(tables)
    assert tables["spaces"]["seeds"].tolist() == [2, 2, 2]
    agreement = tables["pairs"]["disagreement"]
    assert agreement.between(0, 1).all()
    assert tables["models"]["accuracy"].to_numpy() == pytest.approx(data.correct.mean(axis=1))
