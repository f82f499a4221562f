"""Download of the public EmbedLLM data from the Hugging Face Hub, and its import."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embedllm.data.importing import ImportReport, import_data
from embedllm.data.importing.run import Duplicates
from embedllm.data.matrix import check_target
from embedllm.errors import EmbedLLMError

PUBLIC_REPO = "RZ412/EmbedLLM"
FILES = ("train.csv", "val.csv", "test.csv", "model_order.csv", "question_order.csv")
"""The files fetched; the repository holds more (embeddings, tensors) that this project makes itself."""


def download(
    target: str | os.PathLike[str],
    *,
    repo: str = PUBLIC_REPO,
    revision: str | None = None,
    duplicates: Duplicates = "binomial",
    progress: bool = False,
    snapshot: Callable[..., str] | None = None,
) -> ImportReport:
    """Fetch a data set in the public CSV layout from the Hub and import it.

    Files are kept in the Hub's own cache, so a second download is quick. The commit that was resolved is recorded in
    the data's `meta["hub"]`.

    Args:
        target: the folder to write the imported data to.
        repo: data set repository.
        revision: branch, tag or commit to pin; None: the newest.
        duplicates: see `import_data`.
        progress: show progress while fetching and reading.
        snapshot: stands in for `huggingface_hub.snapshot_download`.

    Raises:
        EmbedLLMError: if the Hub cannot be reached or has no such data, naming the ways that need no network.
        DataError: if the target must not be written, before anything is fetched, or the files hold problems.
    """
    check_target(target)  # before hundreds of megabytes, not after
    folder = Path(_fetch(repo, revision, progress, snapshot))
    # The Hub's cache names a snapshot's folder after its commit.
    provenance = {
        "source": f"hf://datasets/{repo}",
        "hub": {"repo": repo, "revision": revision, "commit": folder.name},
    }
    return import_data(
        folder, target, format="official", duplicates=duplicates, progress=progress, provenance=provenance
    )


def _fetch(repo: str, revision: str | None, progress: bool, snapshot: Callable[..., str] | None) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    (enable_progress_bars if progress else disable_progress_bars)()
    arguments: dict[str, Any] = {"repo_type": "dataset", "revision": revision, "allow_patterns": list(FILES)}
    try:
        return (snapshot or snapshot_download)(repo, **arguments)
    # Whatever goes wrong between here and the Hub (no network, proxy, no such revision) has one remedy.
    except Exception as error:
        at = f" at revision {revision}" if revision else ""
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EmbedLLMError(
            f"cannot fetch {repo}{at} from the Hugging Face Hub ({type(error).__name__}: {first_line}).\n"
            "Check the name, the revision and the network (HF_ENDPOINT and HTTPS_PROXY are honoured).\n"
            "Without a network:\n"
            "  embedllm data simulate DATA        simulated data of the same shape\n"
            "  embedllm data import FOLDER DATA   the repository's train.csv, val.csv and test.csv copied into FOLDER"
        ) from error
