"""How large the numbers of an array are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["are_finite", "magnitude", "upper_bounds"]

#: Bytes that are looked at in one go.
CHUNK = 1 << 18

# The methods ``min`` and ``max`` take twice as long for small arrays.
_smallest: Any = np.minimum.reduce
_largest: Any = np.maximum.reduce


def magnitude(array: np.ndarray) -> float:
    """The largest absolute value; NaN where there is a NaN, and 0 where there is nothing.

    No copy is made, which ``np.abs`` would, nor is a sum, which may overflow.
    """
    if not array.size:
        return 0.0
    if array.nbytes > 2 * CHUNK and array.flags.c_contiguous:
        flat, step = array.reshape(-1), CHUNK // array.itemsize
        # What is read for the minimum is in the cache for the maximum. NaN stays NaN.
        parts = [magnitude(flat[start : start + step]) for start in range(0, flat.size, step)]
        return float(np.max(parts))
    # As Python's numbers: the most negative integer has no positive one of its dtype.
    smallest, largest = _smallest(array, None), _largest(array, None)
    return float(max(abs(smallest.item()), abs(largest.item())))


def upper_bounds(arrays: Sequence[np.ndarray]) -> list[float]:
    """The magnitude of each array, or something larger; NaN where there is a NaN.

    Of views that are most of one array, as a network's parameters are, all that
    is looked at is that array, in one pass.
    """
    base = arrays[0].base if arrays else None
    if (
        isinstance(base, np.ndarray)
        and all(array.base is base for array in arrays)
        and base.dtype == arrays[0].dtype
        and base.size <= 2 * sum(array.size for array in arrays)
    ):
        return [magnitude(base)] * len(arrays)
    return [magnitude(array) for array in arrays]


def are_finite(array: np.ndarray) -> bool:
    """Whether an array of floats holds neither NaN nor infinity."""
    return bool(np.isfinite(magnitude(array)))
