"""The cache under what really happens to caches: many processes, kills, damage, full and read-only disks."""

import logging
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedllm.encoders.cache import EncodingCache, Entry, default_cache_folder, text_digest
from embedllm.errors import EmbedLLMError

KEY = ["encodings", "toy", "1"]
ENTRY = Entry({"rows": np.arange(2000, dtype=np.float32).reshape(100, 20)}, {"note": "ünï"})


def never() -> Entry:
    raise AssertionError("computed although it is in the cache")


def filled(folder: Path) -> tuple[EncodingCache, Path]:
    cache = EncodingCache(folder)
    cache.fetch("toy", KEY, lambda: ENTRY)
    return cache, cache.path("toy", KEY)


def test_second_fetch_reads_what_the_first_computed(tmp_path):
    cache = EncodingCache(tmp_path / "new" / "folder")
    first, was_there = cache.fetch("toy", KEY, lambda: ENTRY)
    assert not was_there
    second, was_there = cache.fetch("toy", KEY, never)
    assert was_there
    np.testing.assert_array_equal(second.arrays["rows"], first.arrays["rows"])
    assert second.arrays["rows"].dtype == np.float32
    assert second.values == {"note": "ünï"}


def test_every_part_of_the_key_counts(tmp_path):
    cache, _ = filled(tmp_path)
    paths = {cache.path("toy", key) for key in (KEY, KEY[:2], ["encodings", "toy", "2"], ["encodingstoy", "1"])}
    assert len(paths) == 4
    # A name with slashes stays one file inside the folder.
    assert cache.path("/models/../a b", KEY).parent == tmp_path


def test_entry_is_readable_by_others(tmp_path):
    _, path = filled(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o644


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 200)


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, empty, garble_header])
def test_damaged_file_is_told_and_computed_again(tmp_path, caplog, damage):
    cache, path = filled(tmp_path)
    damage(path)
    with caplog.at_level(logging.WARNING):
        entry, was_there = cache.fetch("toy", KEY, lambda: ENTRY)
    assert not was_there
    np.testing.assert_array_equal(entry.arrays["rows"], ENTRY.arrays["rows"])
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"the cached file {path} is damaged (")
    assert caplog.messages[0].endswith("; it is computed again")
    assert cache.fetch("toy", KEY, never)[1]


def test_failed_computation_leaves_nothing_and_frees_the_lock(tmp_path):
    cache = EncodingCache(tmp_path)
    with pytest.raises(ZeroDivisionError):
        cache.fetch("toy", KEY, lambda: Entry({"rows": np.array([1 // 0])}))
    assert not list(tmp_path.glob("*.safetensors"))
    assert not cache.fetch("toy", KEY, lambda: ENTRY)[1]


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EmbedLLMError, match=r"cannot be written to .*free space or make it writable.*EMBEDLLM_CACHE"):
        EncodingCache(tmp_path / "file" / "cache").fetch("toy", KEY, never)


def test_full_disk_is_a_clear_error_without_leftovers(tmp_path, monkeypatch):
    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("embedllm.encoders.cache.os.replace", full)
    with pytest.raises(EmbedLLMError, match=r"No space left on device.*free space"):
        EncodingCache(tmp_path).fetch("toy", KEY, lambda: ENTRY)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("EMBEDLLM_CACHE", str(tmp_path / "mine"))
    assert default_cache_folder() == tmp_path / "mine"
    assert EncodingCache().folder == tmp_path / "mine"
    monkeypatch.delenv("EMBEDLLM_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / ".cache" / "embedllm"


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_texts_and_digests_are_equal_together(first, second):
    assert (text_digest(first) == text_digest(second)) == (first == second)


def _fetch_and_count(folder: Path, start, results) -> None:
    def compute() -> Entry:
        (folder / f"computed-{os.getpid()}").touch()
        time.sleep(0.3)  # long enough for every other process to arrive meanwhile
        return ENTRY

    start.wait()
    entry, was_there = EncodingCache(folder).fetch("toy", KEY, compute)
    results.put((was_there, float(entry.arrays["rows"].sum())))


def test_of_many_processes_one_computes(tmp_path):
    context = multiprocessing.get_context("spawn")
    start, results = context.Event(), context.Queue()
    workers = [context.Process(target=_fetch_and_count, args=(tmp_path, start, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    answers = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sorted(was_there for was_there, _ in answers) == [False, True, True, True]
    assert {total for _, total in answers} == {float(ENTRY.arrays["rows"].sum())}
    assert len(list(tmp_path.glob("computed-*"))) == 1


def _write_slowly(folder: Path, writing) -> None:
    def stall(source: str, target: str) -> None:
        writing.set()  # the temporary file is complete, the rename has not happened
        time.sleep(60)

    os.replace = stall
    EncodingCache(folder).fetch("toy", KEY, lambda: ENTRY)


def test_killed_writer_leaves_no_half_file_and_no_lock(tmp_path):
    context = multiprocessing.get_context("spawn")
    writing = context.Event()
    writer = context.Process(target=_write_slowly, args=(tmp_path, writing))
    writer.start()
    assert writing.wait(60)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert not list(tmp_path.glob("*.safetensors"))
    assert len(list(tmp_path.glob(".*"))) == 1
    # The next one neither waits for the dead one's lock nor keeps its temporary file.
    _, was_there = EncodingCache(tmp_path).fetch("toy", KEY, lambda: ENTRY)
    assert not was_there
    assert not list(tmp_path.glob(".*"))
