"""A bounded place for decoded images, in memory or in a file that is gone with the process."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..locks import new_lock

__all__ = ["Cache"]

#: Errors of file systems that cannot reserve room.
_NOT_THERE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class Cache:
    """The first images that are decoded, as many as there is room for; they stay.

    Every epoch goes through all images, in a new order. An image that made room for a
    newer one would be needed just as soon, so none is thrown out.

    Parameters
    ----------
    n_bytes : int
        How much is kept.
    shape : (int, int, int)
        (channels, height, width) of an image.
    n_images : int
        How many there are.
    folder : path, default=None
        Where to keep them in a file; None keeps them in memory.
    """

    def __init__(
        self, n_bytes: int, shape: tuple[int, int, int], n_images: int, folder: Any = None
    ) -> None:
        self.n_bytes, self.shape, self.n_images, self.folder = n_bytes, shape, n_images, folder
        self._begin()

    def _begin(self) -> None:
        self._lock = new_lock()
        self._begin_empty()

    def _begin_empty(self) -> None:
        self._slots: dict[int, int] = {}
        self._pixels: np.ndarray | None = None
        self._process = os.getpid()

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """For this thread alone; a forked child leaves a file to its parent, and begins its own.

        Both would write their images into the same places of it.
        """
        with self._lock:
            if self.folder is not None and self._process != os.getpid():
                self._begin_empty()
            yield

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def room(self) -> int:
        """How many images it can keep."""
        return min(self.n_images, self.n_bytes // math.prod(self.shape))

    def take(self, rows: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Copy cached rows into `pixels`; tells which rows were cached.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,)
        pixels : ndarray of shape (n_rows, channels, height, width)

        Returns
        -------
        bool ndarray of shape (n_rows,)
        """
        with self._held():
            slots = np.array([self._slots.get(int(row), -1) for row in rows], dtype=np.intp)
            found = slots >= 0
            if self._pixels is not None:
                pixels[found] = self._pixels[slots[found]]
        return found

    def keep(self, rows: np.ndarray, pixels: np.ndarray) -> None:
        """Keep rows while there is room.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,)
        pixels : ndarray of shape (n_rows, channels, height, width)

        Raises
        ------
        OSError
            If the folder cannot be written to, or has no room for what is to be kept.
        """
        with self._held():
            for row, image in zip(rows, pixels, strict=True):
                if len(self._slots) >= self.room:
                    return
                if int(row) not in self._slots:
                    self._memory()[len(self._slots)] = image
                    self._slots[int(row)] = len(self._slots)

    def _memory(self) -> np.ndarray:
        if self._pixels is None:
            shape = (self.room, *self.shape)
            if self.folder is None:
                self._pixels = np.zeros(shape, np.uint8)  # the system gives pages as they fill
            else:
                Path(self.folder).mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=self.folder, prefix="convnet_features-") as file:
                    self._reserve(file, math.prod(shape))
                    self._pixels = np.memmap(file, np.uint8, "r+", shape=shape)
        return self._pixels

    def _reserve(self, file: Any, n_bytes: int) -> None:
        """Make a file so long, of blocks that are its own.

        A page that finds no room on the disk when it is written would end the process.
        """
        file.truncate(n_bytes)
        if not hasattr(os, "posix_fallocate"):
            return
        try:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return
            raise OSError(
                error.errno,
                f"cache_folder={os.fspath(self.folder)!r} has no room for the {n_bytes} bytes of "
                f"images that cache_bytes={self.n_bytes} keeps ({error.strerror}); set a smaller "
                "cache_bytes, or a folder on another disk",
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        """The cache without its images: another process fills its own."""
        state = vars(self).copy()
        for name in ("_lock", "_slots", "_pixels", "_process"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()
