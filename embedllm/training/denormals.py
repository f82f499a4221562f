"""Numbers too small for full precision, taken as zero while a CPU trains.

Under strong weight decay the parameters of a poor configuration decay until they are denormal. Processors multiply such
numbers up to a hundred times as slowly: the fit took ten times as long as any other, for the same losses.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take denormal numbers as zero in this thread, and in the threads that PyTorch starts for it meanwhile."""
    before = (torch.full((), 1e-39) * 1).item() == 0
    torch.set_flush_denormal(True)  # does nothing where the processor cannot
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
