"""Read ``mnist.pkl.gz``, the file of the 2015 tutorials, without trusting it.

It is a gzipped Python 2 pickle of three ``(images, labels)`` tuples, which
`convnet_features.files.pickled_arrays` reads. Reads and bytes are bounded by the
arrays that are expected and by the size of the file.
"""

from __future__ import annotations

import gzip
import os
import pickle
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..exceptions import FileFormatError
from ..files.compression import largest_contents
from ..files.pickled_arrays import (
    FAULTS,
    RecordedArray,
    read_recorded,
    recorded_array,
    recorded_kind,
)

__all__ = ["read_tutorial_pickle"]

Part = tuple[np.ndarray, np.ndarray]

# Room beside the arrays for names, shapes, and int64 labels where uint8 would do.
_SLACK_BYTES = 2**20
_N_CLASSES = 10


def read_tutorial_pickle(
    path: str | os.PathLike[str], sizes: Sequence[int], n_pixels: int
) -> list[Part]:
    """Read the (images, labels) pairs of a tutorial's pickle.

    Parameters
    ----------
    path : path
        The file, gzipped or not; written by Python 2 in a binary protocol, which
        the tutorials' file is, or by Python 3, with any version of NumPy.
    sizes : sequence of int
        How many images each pair must have.
    n_pixels : int
        How many pixels each image must have.

    Returns
    -------
    list of (images, labels)
        images : ndarray of shape (size, n_pixels), floating point, in [0, 1);
        labels : ndarray of shape (size,), uint8, from 0 to 9.

    Raises
    ------
    FileFormatError
        If the file holds anything else, is damaged or too long.
    OSError
        If the file cannot be opened or read.
    """
    name = os.fspath(path)
    # The largest dtypes that the file may have: float64 and int64.
    max_bytes = sum(sizes) * (n_pixels + 1) * 8 + _SLACK_BYTES
    try:
        parts = _load(name, max_bytes)
        if not (_is_sequence(parts, len(sizes)) and all(_is_pair(part) for part in parts)):
            raise pickle.UnpicklingError(f"it is not {len(sizes)} pairs of arrays")
        return [
            (_images(name, images, (size, n_pixels)), _labels(name, labels, (size,)))
            for (images, labels), size in zip(parts, sizes, strict=True)
        ]
    except FileFormatError:
        raise
    except (*FAULTS, gzip.BadGzipFile, zlib.error) as fault:
        raise FileFormatError(
            f"{name}: not a pickle of NumPy arrays as the 2015 tutorials used it, or damaged "
            f"({type(fault).__name__}: {fault}). Expected {len(sizes)} pairs (images, labels); "
            "only arrays of numbers are read from a pickle, and nothing in it is run."
        ) from fault


def _load(name: str, max_bytes: int) -> Any:
    with open(name, "rb") as raw:
        start = raw.read(2)
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if start == b"\x1f\x8b" else raw
        limit = min(max_bytes, largest_contents(os.fstat(raw.fileno()).st_size))
        return read_recorded(stream, limit)


def _is_sequence(value: object, length: int) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == length


def _is_pair(part: Any) -> bool:
    return _is_sequence(part, 2) and all(isinstance(item, RecordedArray) for item in part)


def _images(name: str, recorded: RecordedArray, shape: tuple[int, ...]) -> np.ndarray:
    images = _array(recorded, "images", name, shape, kinds="f")
    # The comparison is written so that NaN fails it.
    if images.size and not (images.min() >= 0 and images.max() < 1):
        raise FileFormatError(
            f"{name}: pixels from {images.min()} to {images.max()}; expected 0 <= pixel < 1."
        )
    return images


def _labels(name: str, recorded: RecordedArray, shape: tuple[int, ...]) -> np.ndarray:
    labels = _array(recorded, "labels", name, shape, kinds="iu")
    if labels.size and not (labels.min() >= 0 and labels.max() < _N_CLASSES):
        raise FileFormatError(
            f"{name}: labels from {labels.min()} to {labels.max()}; expected 0 to {_N_CLASSES - 1}."
        )
    return labels.astype(np.uint8)


def _array(
    recorded: RecordedArray, what: str, name: str, expected: tuple[int, ...], kinds: str
) -> np.ndarray:
    """Make a recorded array, and check that it is the expected one."""
    shape, dtype = recorded_kind(recorded)
    if shape != expected or dtype.kind not in kinds:
        raise FileFormatError(
            f"{name}: {what} of shape {shape} and dtype {dtype.name}; expected "
            f"{'floating point' if kinds == 'f' else 'whole numbers'} of shape {expected}."
        )
    return recorded_array(recorded)
