"""The lock of a folder: one process at a time, and who only looks does not stand in the way."""

import fcntl
import threading
import time
from pathlib import Path

import pytest

from embedllm.errors import ConfigError
from tune.search.lock import LOCK_FILE, is_locked, ran_here, refuse_locked, take_lock


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with take_lock(tmp_path):
        assert is_locked(tmp_path)
        assert ran_here(tmp_path)
        with pytest.raises(ConfigError, match="is being run by another process; wait for it or stop it, then use"):
            take_lock(tmp_path)
        with pytest.raises(ConfigError, match="is being run by another process"):
            refuse_locked(tmp_path)
        with pytest.raises(ConfigError, match="own words"):
            take_lock(tmp_path, ConfigError("own words"))
    assert not is_locked(tmp_path)


def test_a_glance_at_the_lock_keeps_nobody_from_taking_it(tmp_path: Path) -> None:
    take_lock(tmp_path).close()
    looking = threading.Event()

    def look() -> None:
        with (tmp_path / LOCK_FILE).open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH)
            looking.set()
            time.sleep(0.15)

    glance = threading.Thread(target=look)
    glance.start()
    looking.wait()
    with take_lock(tmp_path):
        assert is_locked(tmp_path)
    glance.join()
