"""For every test: no network, nothing written outside pytest's temporary folders, one thread per process."""

import os
from collections.abc import Iterator

import pytest

# Before any library that reads them is imported. Workers of pytest-xdist share the cores.
os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The encodings' cache in a temporary folder, and no tracking server of the developer's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDLLM_CACHE", str(tmp_path_factory.mktemp("embedllm-cache")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(scope="module")
def ray_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Ray on two CPUs, started once for a module's tests, and an encodings' cache of their own."""
    from tune.engine.cluster import ray_cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDLLM_CACHE", str(tmp_path_factory.mktemp("cache")))
        with ray_cluster(None, num_cpus=2):
            yield
