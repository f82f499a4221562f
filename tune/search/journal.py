"""The study's file: an Optuna journal that takes many operations in one write."""

import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from embedllm.errors import ConfigError
from tune.interrupt import uninterrupted


class BatchedJournal(JournalFileBackend):
    """A journal file whose operations inside :meth:`batch` reach the disk together, in one append and one fsync.

    A trial takes about a dozen journal operations; an fsync each costs tens of milliseconds a trial. Batching also
    makes a trial's result and its state one write: after a crash there are both or neither.

    One process writes (`SweepStudy` holds a lock); others may read meanwhile, `optuna-dashboard` included.

    Reading goes on where it ended. Optuna's own reading does so only behind operations it has read itself: behind those
    it has written it would begin at the file's start, at every trial, and a long sweep would spend its time there.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._pending: list[dict[str, Any]] | None = None
        self._seen = 0
        self._offset = 0
        self._base = 0

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Operations from a number on: those in the file or, inside a batch, those held back.

        Raises:
            ConfigError: where a line is no JSON.
        """
        if self._pending is not None:
            yield from self._pending[log_number_from - self._base :]
            return
        if log_number_from < self._seen:
            self._seen = self._offset = 0
        with open(self._file_path, "rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # another process is about to write the rest
                self._seen += 1
                self._offset += len(line)
                if self._seen > log_number_from:
                    yield self._parsed(line)

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            return json.loads(line)
        except ValueError as error:
            raise ConfigError(
                f"{self._file_path} is damaged in line {self._seen} ({error}); restore it from a copy"
            ) from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write operations, or hold them back until the end of the open batch. Raises OSError where the disk does."""
        if self._pending is None:
            self._write(logs)
        else:
            self._pending.extend(logs)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Hold operations back until the end of the block. The storage must have read the whole file before.

        Ctrl-C waits as long: cut short, memory would know operations that the file does not.
        """
        with uninterrupted():
            self._pending, self._base = [], self._seen
            try:
                yield
            finally:
                # Written even if the block fails: the storage in memory has applied these operations already.
                pending, self._pending = self._pending, None
                self._seen += len(pending)
                if pending:
                    self._write(pending)
                    self._offset = os.path.getsize(self._file_path)

    def _write(self, logs: list[dict[str, Any]]) -> None:
        size = os.path.getsize(self._file_path)
        try:
            # Cut short by Ctrl-C, Optuna's lock would stay, or fail to be released as if the disk had failed.
            with uninterrupted():
                super().append_logs(logs)
        except OSError as error:
            # A full disk may have taken half of it; nothing that follows could be read.
            os.truncate(self._file_path, size)
            raise OSError(error.errno, error.strerror, self._file_path) from error


def repair_journal(path: Path) -> None:
    """Drop a last line cut short by a crash, and the lock a killed writer left behind.

    To be called only by the one process that may write.
    """
    Path(f"{path}.lock").unlink(missing_ok=True)
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
