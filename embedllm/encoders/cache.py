"""Disk cache of encodings and fitted encoders, safe for many processes at once.

One entry is one safetensors file. It appears under its name only when complete (temporary file, then a rename), carries
a checksum, and is computed by one process while the others wait on a lock that the operating system frees if that
process dies.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from embedllm.errors import EmbedLLMError
from embedllm.storage import replaced_file

CACHE_VARIABLE = "EMBEDLLM_CACHE"
"""Environment variable that moves the cache."""

logger = logging.getLogger(__name__)


def default_cache_folder() -> Path:
    """The folder named by `EMBEDLLM_CACHE`, else `~/.cache/embedllm`."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "embedllm").expanduser()


def text_digest(texts: Sequence[str]) -> str:
    """Hex SHA-256 (first 32 digits) of texts in order; length-prefixed, so that ["ab", "c"] and ["a", "bc"] differ."""
    sha = hashlib.sha256()
    for text in texts:
        # "surrogatepass": a command line may hand over bytes that are not UTF-8.
        encoded = text.encode("utf-8", "surrogatepass")
        sha.update(len(encoded).to_bytes(8, "little") + encoded)
    return sha.hexdigest()[:32]


@dataclass(frozen=True)
class Entry:
    """What one cache file holds: arrays by name, and JSON values that belong to them."""

    arrays: Mapping[str, np.ndarray]
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def checksum(self) -> str:
        sha = hashlib.sha256(json.dumps(self.values, sort_keys=True).encode())
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            sha.update(f"{name} {array.dtype} {array.shape}".encode())
            sha.update(array.reshape(-1).view(np.uint8).data)
        return sha.hexdigest()


class EncodingCache:
    """A folder of entries, each found by what it is an entry of.

    Args:
        folder: where; None means :func:`default_cache_folder`. It is made when first written to.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = Path(folder).expanduser() if folder is not None else default_cache_folder()

    def fetch(self, name: str, key: Sequence[str], compute: Callable[[], Entry]) -> tuple[Entry, bool]:
        """The entry of `key`, computed and stored if it is not there; and whether it was there.

        Args:
            name: readable start of the file name; does not decide anything.
            key: strings that together decide the content.
            compute: makes the entry. Of several processes that miss the same key, one calls it.

        Raises:
            EmbedLLMError: if the folder cannot be written to, or the disk is full.
        """
        path = self.path(name, key)
        try:
            return _read(path), True
        except _UnreadableError:
            pass
        with self._alone(path):
            try:
                return _read(path), True  # another process has just made it
            except _UnreadableError as problem:
                if problem.damaged:
                    logger.warning("the cached file %s is damaged (%s); it is computed again", path, problem)
            for leftover in path.parent.glob(f".{path.name}.*"):
                leftover.unlink(missing_ok=True)  # of a process that was killed while writing
            entry = compute()
            self._write(path, entry)
        return entry, False

    def path(self, name: str, key: Sequence[str]) -> Path:
        """Where the entry of `key` is, or would be."""
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", name)[-60:].strip("-.")
        digest = hashlib.sha256(json.dumps(list(key)).encode()).hexdigest()[:24]
        return self.folder / f"{readable}-{digest}.safetensors"

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        from filelock import FileLock, Timeout

        lock = FileLock(path.with_suffix(".lock"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                logger.info("another process is computing %s; waiting for it", path.name)
                lock.acquire()
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _write(self, path: Path, entry: Entry) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        metadata = {"values": json.dumps(entry.values), "checksum": entry.checksum}
        try:
            with replaced_file(path) as staged:
                arrays = {name: np.ascontiguousarray(array) for name, array in entry.arrays.items()}
                save_file(arrays, staged, metadata)
        except (OSError, SafetensorError) as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> EmbedLLMError:
        return EmbedLLMError(
            f"the encoding cache {self.folder} cannot be written to ({error}); free space or make it writable, or "
            f"choose another folder with the environment variable {CACHE_VARIABLE}"
        )


class _UnreadableError(Exception):
    """No usable file: absent, or damaged."""

    def __init__(self, reason: str, *, damaged: bool) -> None:
        super().__init__(reason)
        self.damaged = damaged


def _read(path: Path) -> Entry:
    if not path.exists():
        raise _UnreadableError("absent", damaged=False)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            entry = Entry({name: file.get_tensor(name) for name in file.keys()}, json.loads(metadata["values"]))  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise _UnreadableError(f"{type(error).__name__}: {error}", damaged=True) from error
    if entry.checksum != metadata.get("checksum"):
        raise _UnreadableError("its checksum does not fit its content", damaged=True)
    return entry
