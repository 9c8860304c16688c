"""Pixels on their way into a network: float32, and scaled."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["fits_float32", "to_network"]

#: Where float32's numbers of full precision begin and end.
_SMALLEST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def fits_float32(scale: float) -> bool:
    """Whether float32 holds this factor with all of its digits."""
    return _SMALLEST <= abs(scale) <= _LARGEST


def to_network(images: Any, scale: float) -> np.ndarray:
    """`images` as float32 times `scale`: themselves where that changes nothing.

    Parameters
    ----------
    images : array-like of shape (n_samples, ...)
        Of any numeric dtype; it stays as it is.
    scale : float
        One that float32 does not hold (of pixels near 1e-42, say) is applied
        in float64, before pixels are rounded to float32.

    Returns
    -------
    ndarray of shape (n_samples, ...)
        float32.
    """
    if not fits_float32(scale):
        return np.multiply(images, scale, dtype=np.float64).astype(np.float32)
    batch = np.asarray(images, dtype=np.float32)
    if scale == 1.0:
        return batch
    is_copy = isinstance(images, np.ndarray) and images.dtype != np.float32
    return np.multiply(batch, np.float32(scale), out=batch if is_copy else None)
