"""How large the numbers of an array are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["are_finite", "magnitude", "root_mean_square", "upper_bounds"]

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


def root_mean_square(array: np.ndarray, axis: int) -> float:
    """Of an array's slices along an axis the largest root of the mean square, or something larger.

    It may stand for the magnitude of each slice's numbers where these are multiplied by others
    and added up: as many as they are, times it, is at least the sum of their absolute values.
    NaN where there is a NaN; where squares overflow, the magnitude.
    """
    if not array.size:
        return 0.0
    letters = "abcdefgh"[: array.ndim]
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum(f"{letters},{letters}->{letters[axis]}", array, array)
    largest = float(_largest(squares, None)) * len(squares) / array.size
    if not np.isfinite(largest):
        return magnitude(array)
    # For what sums of float32 round away, and squares of numbers near zero that are none.
    return 1.01 * math.sqrt(largest) + 2.0**-60


def are_finite(array: np.ndarray) -> bool:
    """Whether an array of floats holds neither NaN nor infinity."""
    return bool(np.isfinite(magnitude(array)))
