"""New memory, and a mode that shows where it is used, or returned, before it was written.

New memory has anything in it: zeros, as a rule, or what somebody else's arrays
held. If the environment variable ``CONVNET_FEATURES_DEBUG`` is ``nan``, all
memory that is worked in, or returned, is filled when it is made or lent: with NaN,
and integers with bytes of 0xFF, which are NaN too where floating numbers are put
there. What was not computed then shows.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

__all__ = ["DEBUG_VARIABLE", "empty", "empty_like", "require", "spoilt"]

#: An environment variable; ``nan`` fills new memory with NaN.
DEBUG_VARIABLE = "CONVNET_FEATURES_DEBUG"
NAN = "nan"


def empty(shape: int | Sequence[int], dtype: Any = np.float32) -> np.ndarray:
    """`numpy.empty`, but float32 unless told otherwise, and NaN in debug mode."""
    return spoilt(np.empty(shape, dtype))


def empty_like(array: np.ndarray, dtype: Any = None) -> np.ndarray:
    """`numpy.empty_like`, but NaN in debug mode."""
    return spoilt(np.empty_like(array, dtype))


def require(n_bytes: int, purpose: str) -> None:
    """Check that the system would give this process `n_bytes` of memory now.

    For libraries that end the process where there is none. Nothing is kept, or
    even touched, so that another thread may still take the memory first.

    Raises
    ------
    MemoryError
        It would not.
    """
    try:
        # Pages that are private and may be written to are what limits of memory count.
        private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if os.name == "posix" else {}
        mmap.mmap(-1, n_bytes, **private).close()
    except OSError:
        raise MemoryError(
            f"{purpose} needs up to {n_bytes >> 20} MiB of memory, and the system gives no more"
        ) from None


def spoilt(array: np.ndarray) -> np.ndarray:
    """`array` itself, whose numbers nobody needs any more; in debug mode they are gone."""
    if _is_debugging():
        if array.dtype.kind in "fc":
            array.fill(np.nan)
        elif array.dtype.kind in "iu":
            array.fill(np.array(-1).astype(array.dtype))
    return array


@cache
def _is_debugging() -> bool:
    mode = os.environ.get(DEBUG_VARIABLE, "")
    if mode not in ("", NAN):
        raise ValueError(f"{DEBUG_VARIABLE} must be {NAN!r}, or not set; got {mode!r}")
    return mode == NAN
