"""How large the numbers of an array are."""

from __future__ import annotations

import numpy as np

__all__ = ["are_finite", "magnitude"]


def magnitude(array: np.ndarray) -> float:
    """The largest absolute value; NaN where there is a NaN, and 0 where there is nothing.

    No copy is made, which ``np.abs`` would, nor is a sum, which may overflow.
    """
    if not array.size:
        return 0.0
    # As Python's numbers: the most negative integer has no positive one of its dtype.
    smallest, largest = array.min().item(), array.max().item()
    return float(max(abs(smallest), abs(largest)))


def are_finite(array: np.ndarray) -> bool:
    """Whether an array of floats holds neither NaN nor infinity."""
    return bool(np.isfinite(magnitude(array)))
