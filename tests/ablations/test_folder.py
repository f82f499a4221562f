import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from safetensors import SafetensorError

from ablations.cell import METRIC_COLUMNS, Cell
from ablations.design import Plan
from ablations.folder import DesignFolder, design_folders
from ablations.outcome import CellOutcome
from embedllm.config import FitConfig
from embedllm.data import CorrectnessMatrix, Split
from embedllm.errors import ConfigError, EmbedLLMError

SPLIT = Split("a", np.arange(100), np.arange(100, 120), np.arange(120, 140))


def cell(**changes: object) -> Cell:
    return Cell(**{"method": "embedllm", "config": FitConfig(), "split": "a"} | changes)  # type: ignore[arg-type]


def complete(data: CorrectnessMatrix, own: Cell) -> CellOutcome:
    probability = {"val": np.full((8, 20), 0.5), "test": np.full((8, 20), 0.5)}
    return CellOutcome.complete(
        own,
        data,
        SPLIT,
        probability,  # type: ignore[arg-type]
        seconds=1.5,
        note="k = 3",
        embedding=np.ones((8, 4), np.float32),
    )


@pytest.fixture
def folder(tmp_path: Path) -> DesignFolder:
    made = DesignFolder(tmp_path / "toy")
    made.path.mkdir()
    return made


def identity(digest: str = "d1", split: str = "s1") -> dict[str, object]:
    return {"design": "toy", "data": {"name": "helm", "digest": digest}, "splits": {"a": split}, "notes": []}


def test_the_result_is_tidy_with_provenance(data: CorrectnessMatrix, folder: DesignFolder) -> None:
    first = cell(factors={"axis": "noise", "value": 0.1}, outputs=("embedding", "question_scores"))
    second = cell(factors={"axis": "encoder", "value": "lsa"}, config=FitConfig(seed=1))
    knn = cell(method="knn", config=FitConfig(training_questions=10))
    plan = Plan({"a": SPLIT}, [first, second, knn])
    folder.begin(identity(), {"command": "python -m ablations toy"})
    folder.append([complete(data, second), CellOutcome.failed(knn, SPLIT, "broke")])
    folder.append([complete(data, first)])
    results = folder.results(plan)
    folder.save_results(results)
    frame = results.frame
    pd.testing.assert_frame_equal(pd.read_parquet(folder.path / "results.parquet"), frame)
    assert frame.drop_duplicates("key")["key"].tolist() == [first.key, second.key, knn.key]  # the plan's order
    assert list(frame["value"].dropna().unique()) == ["0.1", "lsa"]  # text in some cells is text in all
    assert frame.loc[frame["key"] == first.key, "training_questions"].unique() == [100]
    assert frame["embedding_dim"].dtype == "Int64"
    assert results.failed[["method", "reason", "training_questions"]].to_numpy().tolist() == [["knn", "broke", 10]]
    assert results.complete["log_loss"].notna().all()
    assert results.embedding(first.key).tolist() == np.ones((8, 4)).tolist()
    scores = results.question_scores(first.key)
    assert scores.questions.tolist() == list(range(120, 140))
    assert scores.totals["log_loss"].sum() / scores.weights["log_loss"].sum() == pytest.approx(np.log(2))
    with pytest.raises(ConfigError, match=f"cell {second.key} has no embedding"):
        results.embedding(second.key)
    metadata = json.loads(pq.read_schema(folder.path / "results.parquet").metadata[b"provenance"])
    assert metadata["data"]["digest"] == "d1"
    assert [run["command"] for run in metadata["runs"]] == ["python -m ablations toy"]


def test_a_later_outcome_replaces_an_earlier_one(data: CorrectnessMatrix, folder: DesignFolder) -> None:
    own = cell()
    folder.append([CellOutcome.failed(own, SPLIT, "broke")])
    assert folder.finished()[own.key].failure == "broke"
    folder.append([complete(data, own)])
    assert folder.finished()[own.key].failure is None
    assert folder.results(Plan({"a": SPLIT}, [own])).failed.empty


def test_what_a_kill_left_half_written_is_not_there(data: CorrectnessMatrix, folder: DesignFolder) -> None:
    own = cell(outputs=("embedding",))
    folder.append([complete(data, own)])
    parts = folder.path / "parts"
    (parts / "000002.safetensors").write_bytes(b"arrays came first")
    (parts / ".000002.jsonl.k3j_9x2a").write_text('{"key": "half')
    assert list(folder.finished()) == [own.key]
    other = cell(config=FitConfig(seed=1), outputs=("embedding",))
    folder.append([complete(data, other)])
    results = folder.results(Plan({"a": SPLIT}, [own, other]))
    assert results.embedding(other.key).shape == (8, 4)


def test_other_data_or_other_questions_are_refused(data: CorrectnessMatrix, folder: DesignFolder) -> None:
    folder.begin(identity(), {})
    folder.begin(identity("d2"), {})  # nothing is finished yet: nothing to protect
    folder.append([complete(data, cell())])
    with pytest.raises(ConfigError, match="holds results for other data: helm with digest d2, now helm with digest d1"):
        folder.begin(identity("d1"), {})
    with pytest.raises(ConfigError, match="other questions under the split 'a'"):
        folder.begin(identity("d2", "s2"), {})
    folder.begin(identity("d2") | {"splits": {"b": "s9"}}, {})
    assert folder.provenance["splits"] == {"a": "s1", "b": "s9"}


def test_two_runs_do_not_share_a_folder(folder: DesignFolder) -> None:
    with (
        folder.locked(),
        pytest.raises(ConfigError, match="another process is running this design"),
        DesignFolder(folder.path).locked(),
    ):
        pass


@pytest.mark.parametrize("arrays", [False, True])
def test_a_full_disk_is_put_into_words(
    data: CorrectnessMatrix, folder: DesignFolder, arrays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.append([complete(data, cell())])

    def full(*_: object, **__: object) -> None:
        raise SafetensorError("No space left on device") if arrays else OSError(28, "No space left on device")

    monkeypatch.setattr(*(("safetensors.numpy.save_file", full) if arrays else (Path, "write_text", full)))
    with pytest.raises(EmbedLLMError) as error:
        folder.append([complete(data, cell(config=FitConfig(seed=1), outputs=("embedding",) if arrays else ()))])
    assert str(error.value).startswith(f"{folder.path}/parts/000002.{'safetensors' if arrays else 'jsonl'} cannot be")
    assert "No space left on device); free disk space" in str(error.value)
    assert str(error.value).endswith("run the same command again to continue: finished cells are kept")
    assert list(folder.finished()) == [cell().key]


def test_tables_are_replaced_and_read_back(folder: DesignFolder) -> None:
    with pytest.raises(ConfigError, match="holds no tables; run the design to completion first"):
        folder.tables()
    folder.save_tables({"old": pd.DataFrame({"x": [1]})})
    table = pd.DataFrame({"x": [1, 2], "y": ["a", None]})
    folder.save_tables({"new": table})
    assert sorted(path.name for path in (folder.path / "tables").iterdir()) == ["new.csv", "new.parquet"]
    pd.testing.assert_frame_equal(folder.tables()["new"], table)


def test_the_folders_of_designs_are_found(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no results of an ablation"):
        design_folders(tmp_path)
    made = DesignFolder(tmp_path / "toy")
    made.path.mkdir()
    made.begin(identity(), {})
    assert design_folders(tmp_path) == [made]


def test_undefined_metrics_are_missing_and_unlabelled_scopes_say_so(data: CorrectnessMatrix) -> None:
    attempts = data.attempts.copy()
    benchmark = str(data.benchmarks[-1])
    attempts[:, data.benchmarks == benchmark] = 0
    right = dataclasses.replace(data, correct=attempts.copy(), attempts=attempts)
    split = Split("a", np.arange(20), np.arange(20, 40), np.arange(40, data.num_questions))
    probability = {"val": np.full((8, 20), 0.5), "test": np.full((8, len(split.test)), 0.5)}
    outcome = CellOutcome.complete(cell(), right, split, probability, seconds=1.0)  # type: ignore[arg-type]
    by_scope = {row["scope"]: row for row in outcome.rows if row["side"] == "test"}
    assert by_scope["overall"]["roc_auc"] is None  # all answers are right
    assert by_scope["overall"]["log_loss"] == pytest.approx(np.log(2))
    assert by_scope[benchmark]["questions"] == 0
    assert [by_scope[benchmark][name] for name in METRIC_COLUMNS] == [None] * len(METRIC_COLUMNS)
