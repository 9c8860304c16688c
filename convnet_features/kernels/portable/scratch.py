"""Working memory that is kept from call to call.

Memory fresh from the system costs a page fault for every 4 KiB, which took a
fifth of a training step. Buffers wait in a list that any thread may take from
and give back to; nobody else sees a buffer in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..memory import spoilt
from .layout import BLOCK_BYTES

__all__ = ["borrowed", "forget_buffers"]

#: Larger buffers are made for one use: they are rare, and worth their faults.
KEPT_BYTES = 2 * BLOCK_BYTES
#: How many may wait.
N_KEPT = 32

_waiting: deque[np.ndarray] = deque(maxlen=N_KEPT)


@contextmanager
def borrowed(shape: tuple[int, ...], dtype: np.dtype) -> Iterator[np.ndarray]:
    """A contiguous array with anything in it, not to be used after the ``with`` block."""
    n_bytes = int(np.prod(shape)) * dtype.itemsize
    buffer = _take() if n_bytes <= KEPT_BYTES else np.empty(n_bytes, np.uint8)
    try:
        yield spoilt(buffer[:n_bytes]).view(dtype).reshape(shape)
    finally:
        if buffer.size == KEPT_BYTES:
            _waiting.append(buffer)


def forget_buffers() -> None:
    """Give the waiting buffers back to the system."""
    _waiting.clear()


def _take() -> np.ndarray:
    try:
        return _waiting.pop()
    except IndexError:
        # The system provides only the pages that are touched.
        return np.empty(KEPT_BYTES, np.uint8)
