"""Limits for panels on which nothing differs: matplotlib would magnify rounding to the panel's height."""

import numpy as np
import pandas as pd

ROUNDING = 1e-9
"""Differences below it are rounding."""
FLAT_REACH = 0.01
"""Such a panel shows so much on both sides of 0: a point of accuracy, or 0.01 nats."""


def is_flat(frame: pd.DataFrame) -> bool:
    """Whether all numbers, missing ones aside, are 0 but for rounding."""
    return not (np.abs(frame.to_numpy(dtype=np.float64)) >= ROUNDING).any()
