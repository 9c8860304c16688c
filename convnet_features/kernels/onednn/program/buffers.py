"""Scratch memory that is used again and again.

Fresh memory costs a page fault every four kilobytes at its first touch, more
than oneDNN needs to fill it; so buffers are lent and taken back. Nothing that
a caller gets to keep lives in them.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ....locks import new_lock
from ...memory import empty, spoilt

__all__ = ["ALIGNMENT", "Buffer", "BufferPool", "aligned_bytes"]

ALIGNMENT = 64
#: Idle memory beyond this is given back to the system.
IDLE_BYTES = 256 * 2**20
#: A buffer up to this many times too large is lent rather than a new one made.
SLACK = 4
SMALLEST = 65536


def aligned_bytes(size: int) -> np.ndarray:
    """Uninitialised memory that begins where a cache line does: uint8, of shape (size,)."""
    memory = empty(size + ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % ALIGNMENT
    return memory[start : start + size]


class Buffer:
    """Aligned memory."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._memory = aligned_bytes(size)
        self.address: int = self._memory.__array_interface__["data"][0]

    def spoilt(self) -> Buffer:
        """Itself, its contents no longer needed: see `kernels.memory`."""
        spoilt(self._memory)
        return self


class BufferPool:
    """Lends buffers; any number of threads at a time.

    Parameters
    ----------
    idle_bytes : int
        How much memory to keep that is lent to nobody.
    """

    def __init__(self, idle_bytes: int = IDLE_BYTES) -> None:
        self._lock = new_lock()
        self._idle: list[Buffer] = []
        # Workspaces give their buffers back when they are collected, which may happen
        # anywhere, also while this thread holds the lock: so that path takes no lock.
        self._returned: deque[Buffer] = deque()
        self._limit = idle_bytes

    @property
    def idle_bytes(self) -> int:
        """Memory that is kept and lent to nobody."""
        with self._lock:
            self._sort_in()
            return sum(buffer.size for buffer in self._idle)

    def lend(self, size: int) -> Buffer:
        """A buffer of at least `size` bytes, its contents arbitrary."""
        with self._lock:
            self._sort_in()
            best = -1
            for index, buffer in enumerate(self._idle):
                fits = size <= buffer.size <= max(SLACK * size, SMALLEST)
                if fits and (best < 0 or buffer.size <= self._idle[best].size):
                    best = index
            if best >= 0:
                return self._idle.pop(best).spoilt()
        return Buffer(_rounded(max(size, SMALLEST)))

    def take_back(self, buffer: Buffer) -> None:
        """Keep `buffer` for the next who asks."""
        self._returned.append(buffer)

    def clear(self) -> None:
        """Give all idle memory back to the system."""
        with self._lock:
            self._returned.clear()
            self._idle.clear()

    def _sort_in(self) -> None:
        """Take in what came back; the longest idle ones make way."""
        while self._returned:
            self._idle.append(self._returned.popleft())
        idle = sum(buffer.size for buffer in self._idle)
        while idle > self._limit:
            idle -= self._idle.pop(0).size


def _rounded(size: int) -> int:
    """A little more, at most an eighth: what grows by and by shall not need a new one each time."""
    step = 1 << max(0, size.bit_length() - 4)
    return -(-size // step) * step
