"""Fused groups side by side on a CPU, in Python threads that share PyTorch's threads between them.

PyTorch lets go of Python's lock inside an operation, so that one thread computes while another calls. The result of a
group does not depend on what trains beside it.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import numpy as np
import torch

from embedllm.training.fused import EpochEnd

Trained = TypeVar("Trained")


def side_by_side(
    lanes: Sequence[Sequence[list[int]]], train: Callable[[list[int], EpochEnd], Trained]
) -> list[Trained]:
    """Train the groups of each lane one after the other, and the lanes at the same time.

    Args:
        lanes: groups of members, a list to a lane.
        train: trains a group, and calls back after every epoch.

    Returns:
        What `train` gives, for the groups of the first lane, then for those of the next.

    Raises:
        BaseException: what a lane raised, or Ctrl-C here, once the other lanes have stopped at the end of an epoch.
    """
    stopping = threading.Event()
    threads = torch.get_num_threads()

    def after_epoch(epoch: int, losses: np.ndarray, accuracies: np.ndarray) -> Iterable[int]:
        return range(len(losses)) if stopping.is_set() else []

    def run(lane: Sequence[list[int]]) -> list[Trained]:
        torch.set_num_threads(max(1, threads // len(lanes)))  # of this thread
        try:
            return [train(group, after_epoch) for group in lane if not stopping.is_set()]
        except BaseException:
            stopping.set()
            raise

    with ThreadPoolExecutor(len(lanes), thread_name_prefix="lane") as pool:
        try:
            futures = [pool.submit(run, lane) for lane in lanes]
            wait(futures)
        except BaseException:
            stopping.set()
            raise
        finally:
            torch.set_num_threads(threads)  # new threads would begin with what was set last
    return [trained for future in futures for trained in future.result()]
