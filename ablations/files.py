"""Files written all or nothing, and a full disk put into words."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedllm.errors import EmbedLLMError
from embedllm.storage import replaced_file

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a disk raises in the block into an error that says what to do.

    Args:
        path: what is written in the block.

    Raises:
        EmbedLLMError: if it cannot be written.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise EmbedLLMError(
            f"{path} cannot be written ({error}); free disk space or make its folder writable, then run the same "
            "command again to continue: finished cells are kept"
        ) from error


def make_folder(path: Path) -> Path:
    """Make a folder unless it is there; raises as :func:`writing` does."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_text(path: Path, text: str) -> None:
    """Write or replace a UTF-8 file; raises as :func:`writing` does."""
    with writing(path), replaced_file(path) as staged:
        staged.write_text(text, encoding="utf-8")


def write_arrays(path: Path, arrays: "Mapping[str, np.ndarray]") -> None:
    """Write or replace a safetensors file; raises as :func:`writing` does."""
    from safetensors.numpy import save_file

    with writing(path), replaced_file(path) as staged:
        save_file(dict(arrays), staged)


def write_parquet(path: Path, frame: "pd.DataFrame", provenance: Mapping[str, Any]) -> None:
    """Write or replace a Parquet file with provenance in its metadata; raises as :func:`writing` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), b"provenance": json.dumps(provenance).encode()}
    with writing(path), replaced_file(path) as staged:
        pq.write_table(table.replace_schema_metadata(metadata), staged)
