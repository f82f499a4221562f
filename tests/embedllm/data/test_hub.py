"""Download: a stub stands in for the Hub; nothing here touches the network."""

from pathlib import Path

import pytest

from embedllm.data import CorrectnessMatrix
from embedllm.data.hub import FILES, download
from embedllm.errors import DataError, EmbedLLMError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROWS = "prompt_id,model_id,category_id,label,prompt,model_name,category\n"


def write_snapshot(folder: Path) -> Path:
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for number, side in enumerate(("train", "val", "test")):
        rows = "".join(f'{number},{m},0,{m},"What, {number}?",model-{m},gsm8k\n' for m in (0, 1))
        (snapshot / f"{side}.csv").write_text(ROWS + rows)
    (snapshot / "model_order.csv").write_text("model_id,model_name\n0,model-0\n1,model-1\n")
    (snapshot / "question_order.csv").write_text('prompt_id,prompt\n0,"What, 0?"\n1,"What, 1?"\n2,"What, 2?"\n')
    return snapshot


def test_download_imports_the_snapshot_and_records_the_commit(tmp_path):
    calls = []

    def snapshot(repo, **arguments):
        calls.append((repo, arguments))
        return str(write_snapshot(tmp_path))

    report = download(tmp_path / "data", revision="v1", snapshot=snapshot)
    assert calls == [("RZ412/EmbedLLM", {"repo_type": "dataset", "revision": "v1", "allow_patterns": list(FILES)})]
    assert (report.models, report.questions, report.rows) == (2, 3, 6)
    data = CorrectnessMatrix.load(tmp_path / "data")
    assert data.meta["source"] == "hf://datasets/RZ412/EmbedLLM"
    assert data.meta["hub"] == {"repo": "RZ412/EmbedLLM", "revision": "v1", "commit": COMMIT}
    assert data.correct.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_unreachable_hub_says_what_works_offline(tmp_path):
    def snapshot(repo, **arguments):
        raise ConnectionError("name resolution failed\nand a long trace")

    with pytest.raises(EmbedLLMError) as error:
        download(tmp_path / "data", revision="abc", snapshot=snapshot)
    message = str(error.value)
    assert message.splitlines()[0] == (
        "cannot fetch RZ412/EmbedLLM at revision abc from the Hugging Face Hub "
        "(ConnectionError: name resolution failed)."
    )
    assert "embedllm data simulate DATA" in message
    assert "embedllm data import FOLDER DATA" in message
    assert not (tmp_path / "data").exists()


def test_a_target_that_must_not_be_written_is_refused_before_the_fetch(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match=r"thesis\.txt"):
        download(tmp_path, snapshot=lambda *_, **__: pytest.fail("it was fetched"))
