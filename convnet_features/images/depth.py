"""Pixels of any depth as bytes, and arrays as pictures."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning

__all__ = ["Scales", "from_array", "levels", "of_16_bits", "whites"]

#: What an axis of channels has: grey, grey with alpha, RGB, RGBA.
CHANNELS = (1, 2, 3, 4)
#: The largest numbers of 8 and of 16 bits.
BYTE, WORD = 255, 65535


class Scales:
    """Which numbers were black and white in pictures that do not say, each by itself."""

    def __init__(self) -> None:
        self._found: set[tuple[float, float]] = set()
        self._warned = False

    def note(self, black: float, white: float) -> None:
        """What one picture was read by."""
        self._found.add((float(black), float(white)))

    def warn(self, name: str) -> None:
        """Say once that pictures were read by different ones.

        Parameters
        ----------
        name : str
            Who read them.

        Warns
        -----
        ConvNetFeaturesWarning
            If they were.
        """
        if self._warned or len(self._found) < 2:
            return
        self._warned = True
        shown = ", ".join(f"{black:g} and {white:g}" for black, white in sorted(self._found)[:3])
        warnings.warn(
            f"{name}: pictures of whole numbers of 32 bits, or of floats, do not say which numbers "
            f"are black and white, and were read by different ones, each by its own pixels "
            f"({shown}, say): how bright they are cannot be compared. Give arrays of them all, or "
            "files of 8 or 16 bits.",
            ConvNetFeaturesWarning,
            stacklevel=users_level(),
        )


def of_16_bits(values: np.ndarray) -> np.ndarray:
    """0…65535 as 0…255, rounded to the nearest."""
    # In pieces: the wider numbers in between would take four times the memory of the picture.
    pieces = np.array_split(values, max(1, values.size >> 20))
    return np.concatenate(
        [((each.astype(np.uint32) * BYTE + WORD // 2) // WORD).astype(np.uint8) for each in pieces]
    )


def whites(arrays: Iterable[Any]) -> dict[str, int]:
    """Which number is white in all pictures of one kind that do not say.

    What one picture has for white, the pictures beside it have, however dark they are.

    Parameters
    ----------
    arrays : iterable of array-like

    Returns
    -------
    dict
        By "f", floats, and "i", whole numbers of other than 8 and 16 bits: 1, 255 or
        65535. What is no picture is left out.
    """
    largest: dict[str, float] = {}
    for each in arrays:
        try:
            values = np.asarray(each)
        except Exception:  # whatever the object raises: it is an error when it is read
            continue
        if values.size and not _says(values) and values.dtype.kind in "iuf":
            kind, own = _kind(values), float(values.max())
            if own <= WORD and values.min() >= 0:
                largest[kind] = max(own, largest.get(kind, 0))
    return {kind: _white(kind, largest[kind]) for kind in sorted(largest)}


def _says(values: np.ndarray) -> bool:
    """Whether the dtype alone tells which number is white."""
    return values.dtype.kind == "b" or (values.dtype.kind == "u" and values.dtype.itemsize < 4)


def _kind(values: np.ndarray) -> str:
    return "f" if values.dtype.kind == "f" else "i"


def _white(kind: str, largest: float) -> int:
    if kind == "f" and largest <= 1:
        return 1
    return BYTE if largest <= BYTE else WORD


def levels(
    values: np.ndarray, white: int | None = None, scales: Scales | None = None
) -> np.ndarray:
    """Pixels as uint8, scaled and never clipped.

    Booleans are black and white; uint8 stays; uint16 is divided by 257; other whole
    numbers are taken for 8 bits up to 255 and for 16 bits up to 65535; floats for shares
    of white up to 1, and then for 8 or 16 bits in the same way.

    Parameters
    ----------
    values : ndarray of shape (...)
    white : int, default=None
        Which number is white, where the dtype does not say; None takes it from these
        pixels.
    scales : Scales, default=None
        Is told what was taken. What goes beyond 16 bits, or below 0, is then stretched
        from its smallest to its largest, as viewers do; without, it is refused.

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
    if kind == "u" and values.dtype.itemsize == 2:  # in whichever order its bytes are
        return of_16_bits(values)
    if kind not in "iuf":
        raise ValueError(f"its dtype is {values.dtype}, and pixels are numbers")
    smallest, largest = float(values.min()), float(values.max())
    if not (np.isfinite(smallest) and np.isfinite(largest)):
        raise ValueError("it holds NaN or infinity")
    if smallest < 0 or largest > WORD:
        if scales is None:
            raise ValueError(
                f"its pixels go from {smallest:g} to {largest:g}; expected 0…1 (floats), 0…255 or "
                "0…65535"
            )
        black, bright = smallest, largest
    else:
        black, bright = 0.0, float(white or _white(_kind(values), largest))
    if scales is not None and white is None:
        scales.note(black, bright)
    return _scaled(values, black, bright)


def _scaled(values: np.ndarray, black: float, white: float) -> np.ndarray:
    """From black to white as 0…255; of one colour, all of it is black."""
    span = (white - black) or 1.0
    pieces = np.array_split(values, max(1, values.size >> 20))
    return np.concatenate(
        [
            np.rint((each.astype(np.float64) - black) / span * BYTE).astype(np.uint8)
            for each in pieces
        ]
    )


def from_array(array: Any, image: Any, whites: Mapping[str, int]) -> Any:
    """An array of any layout as a picture.

    Parameters
    ----------
    array : array-like of shape (height, width), (height, width, channels) or \
            (channels, height, width)
    image : module
        ``PIL.Image``.
    whites : mapping
        As the function of this name has it.

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
    pixels = np.ascontiguousarray(levels(values, whites.get(_kind(values))))
    return image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)


def _channels_last(values: np.ndarray) -> np.ndarray:
    first, last = values.shape[0] in (1, 3, 4), values.shape[2] in CHANNELS
    if first and values.shape[2] == 2:
        last = False
    if first and last:
        raise ValueError(
            f"it has the shape {values.shape}, whose channels may be first or last; give "
            "PIL.Image.fromarray of it, with its channels last"
        )
    if not (first or last):
        raise ValueError(f"it has the shape {values.shape}, and no axis of 1, 3 or 4 channels")
    return values if last else values.transpose(1, 2, 0)
