"""Pixels of any depth as bytes, and arrays as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["from_array", "levels", "of_16_bits"]

#: What an axis of channels has: grey, grey with alpha, RGB, RGBA.
CHANNELS = (1, 2, 3, 4)
#: The largest numbers of 8 and of 16 bits.
BYTE, WORD = 255, 65535


def of_16_bits(values: np.ndarray) -> np.ndarray:
    """0…65535 as 0…255, rounded to the nearest."""
    # In pieces: the wider numbers in between would take four times the memory of the picture.
    pieces = np.array_split(values, max(1, values.size >> 20))
    return np.concatenate(
        [((each.astype(np.uint32) * BYTE + WORD // 2) // WORD).astype(np.uint8) for each in pieces]
    )


def levels(values: np.ndarray, stretch: bool = False) -> np.ndarray:
    """Pixels as uint8, scaled and never clipped.

    Booleans are black and white; uint8 stays; uint16 is divided by 257; other whole
    numbers are taken for 8 bits up to 255 and for 16 bits up to 65535; floats for shares
    of white up to 1, and then for 8 or 16 bits in the same way.

    Parameters
    ----------
    values : ndarray of shape (...)
    stretch : bool, default=False
        Whether what goes beyond 16 bits, or below 0, is stretched from its smallest to
        its largest, as viewers do, or refused.

    Returns
    -------
    uint8 ndarray of shape (...)

    Raises
    ------
    ValueError
        If there are NaN, infinity, or numbers that are no pixels.
    """
    kind = values.dtype.kind
    if kind == "b":
        return values.astype(np.uint8) * np.uint8(BYTE)
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.uint16:
        return of_16_bits(values)
    if kind not in "iuf":
        raise ValueError(f"its dtype is {values.dtype}, and pixels are numbers")
    smallest, largest = values.min(), values.max()
    if not (np.isfinite(smallest) and np.isfinite(largest)):
        raise ValueError("it holds NaN or infinity")
    if smallest < 0 or largest > WORD:
        if not stretch:
            raise ValueError(
                f"its pixels go from {smallest:g} to {largest:g}; expected 0…1 (floats), 0…255 or "
                "0…65535"
            )
        return _rounded((values.astype(np.float64) - smallest) / (float(largest) - smallest))
    if kind == "f" and largest <= 1:
        return _rounded(values)
    return _rounded(values / (BYTE if largest <= BYTE else WORD))


def _rounded(shares: np.ndarray) -> np.ndarray:
    return np.rint(shares * BYTE).astype(np.uint8)


def from_array(array: Any, image: Any) -> Any:
    """An array of any layout as a picture.

    Parameters
    ----------
    array : array-like of shape (height, width), (height, width, channels) or \
            (channels, height, width)
    image : module
        ``PIL.Image``.

    Raises
    ------
    ValueError
        If it is no picture, or may be two.
    """
    values = np.asarray(array)
    if values.ndim not in (2, 3) or not values.size:
        raise ValueError(
            f"it has the shape {values.shape}; expected (height, width), (height, width, "
            "channels) or (channels, height, width)"
        )
    if values.ndim == 3:
        values = _channels_last(values)
    pixels = np.ascontiguousarray(levels(values))
    return image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)


def _channels_last(values: np.ndarray) -> np.ndarray:
    first, last = values.shape[0] in (1, 3, 4), values.shape[2] in CHANNELS
    if first and last and values.shape[0] != values.shape[2] and values.shape[2] == 2:
        last = False
    if first and last:
        raise ValueError(
            f"it has the shape {values.shape}, whose channels may be first or last; give "
            "PIL.Image.fromarray of it, with its channels last"
        )
    if not (first or last):
        raise ValueError(f"it has the shape {values.shape}, and no axis of 1, 3 or 4 channels")
    return values if last else values.transpose(1, 2, 0)
