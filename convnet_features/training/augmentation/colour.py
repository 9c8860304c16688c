"""Augmentations of colours and light."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from ...intervals import NOT_NEGATIVE, SHARE, Number, Pair
from ...kernels.memory import empty_like
from .base import PerImage, WithWhite, in_dtype

__all__ = ["ColorJitter", "RandomGrayscale"]

#: How much of red, green and blue is light: ITU-R BT.601, as in Pillow and torchvision.
LUMA = (0.299, 0.587, 0.114)
#: Numbers that are worked on at a time: more would leave the cache.
BLOCK = 1 << 16

_FACTOR = [NOT_NEGATIVE, Pair(Real, 0, None, closed="left")]

#: From pixels of shape (n_samples, n_channels, height, width), what was drawn for each image (its
#: shape as many times 1) and white, to other pixels, where they are.
Change = Callable[[np.ndarray, np.ndarray, float], None]


class ColorJitter(WithWhite):
    """Change the brightness, contrast, saturation and hue of each image.

    Parameters
    ----------
    brightness, contrast, saturation : float or (float, float), default=0.0
        What is multiplied by a number from [max(0, 1 - x), 1 + x], or from the
        interval given: all pixels; their distance from the image's mean grey;
        their distance from the pixel's grey.
    hue : float or (float, float), default=0.0
        Hues are turned by a number from [-x, x], or from the interval given, of
        whole turns of the circle of colours; x is at most 0.5.
    white : float, default=None
        The value of a white pixel, on the scale of X; black is 0, and pixels
        stay between the two. None is 255 for uint8, and 1 where all of X is from
        0 to 1; other pixels are an error that asks for it, before training begins.

    Notes
    -----
    As `torchvision.transforms.v2.ColorJitter`, with numbers and an order of its
    own for each image. Grey images (one channel) have no saturation and no hue;
    a fourth channel (alpha) stays as it is.

    Examples
    --------
    >>> import numpy as np
    >>> red = np.array([200, 40, 40], dtype=np.uint8).reshape(1, 3, 1, 1)
    >>> ColorJitter(hue=(0.5, 0.5))(red, np.random.default_rng(0)).ravel()
    array([ 40, 200, 200], dtype=uint8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **dict.fromkeys(("brightness", "contrast", "saturation"), _FACTOR),
        "hue": [Number(Real, 0, 0.5, closed="both"), Pair(Real, -0.5, 0.5, closed="both")],
        "white": [Number(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        brightness: float | tuple[float, float] = 0.0,
        contrast: float | tuple[float, float] = 0.0,
        saturation: float | tuple[float, float] = 0.0,
        hue: float | tuple[float, float] = 0.0,
        white: float | None = None,
    ) -> None:
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.white = white

    @property
    def on_bytes(self) -> bool:  # type: ignore[override]
        """Whether bytes go as far as `white`."""
        return self.white is None or self.white <= 255

    def _draw(
        self, n_samples: int, shape: tuple[int, ...], random: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """The number of each image's order of changes, and the strength of each change."""
        changes = self._changes(shape[0])
        order = random.integers(0, math.factorial(len(changes)), size=n_samples)
        return order, *(random.uniform(*within, size=n_samples) for _, within in changes)

    def _apply(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), with other colours."""
        changes = [change for change, _ in self._changes(images.shape[1])]
        if not changes or not images.size:
            return images
        white = self._white_of(images)
        if images.dtype.kind in "iu":
            white = min(white, np.iinfo(images.dtype).max)
        orders = list(itertools.permutations(range(len(changes))))
        changed = empty_like(images)
        for rows in _alike(drawn[0], max(1, BLOCK // math.prod(images.shape[1:]))):
            pixels = images[rows].astype(np.result_type(images, np.float32))
            for number in orders[drawn[0][rows[0]]]:
                strength = drawn[1 + number][rows, None, None, None].astype(pixels.dtype)
                changes[number](pixels[:, :3], strength, white)
            changed[rows] = in_dtype(pixels, images.dtype)
        return changed

    def _needs_white(self, n_channels: int) -> bool:
        return bool(self._changes(n_channels))

    def _changes(self, n_channels: int) -> list[tuple[Change, tuple[float, float]]]:
        """What is changed, and the interval that its strength is drawn from."""
        changes: list[tuple[Change, Any, float]] = [
            (_brighten, self.brightness, 1.0),
            (_contrast, self.contrast, 1.0),
        ]
        if _is_coloured("ColorJitter", n_channels):
            changes += [(_saturate, self.saturation, 1.0), (_turn_hue, self.hue, 0.0)]
        intervals = [(change, _interval(value, none), none) for change, value, none in changes]
        return [(change, within) for change, within, none in intervals if within != (none, none)]


class RandomGrayscale(PerImage):
    """Make some of the images grey; they keep their number of channels.

    Parameters
    ----------
    p : float, default=0.1
        The probability for each image.

    Notes
    -----
    Grey is 0.299 red + 0.587 green + 0.114 blue. A fourth channel (alpha) stays
    as it is, as do images of one channel.

    Examples
    --------
    >>> import numpy as np
    >>> red = np.array([200, 40, 40], dtype=np.uint8).reshape(1, 3, 1, 1)
    >>> RandomGrayscale(p=1)(red, np.random.default_rng(0)).ravel()
    array([88, 88, 88], dtype=uint8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"p": [SHARE]}

    def __init__(self, p: float = 0.1) -> None:
        self.p = p

    def _draw(
        self, n_samples: int, shape: tuple[int, ...], random: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Which images become grey."""
        return (random.random(n_samples) < self.p,)

    def _apply(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), some of them grey."""
        if not _is_coloured("RandomGrayscale", images.shape[1]):
            return images
        rows = np.flatnonzero(drawn[0])
        changed = images.copy()
        pixels = images[rows, :3].astype(np.result_type(images, np.float32))
        changed[rows, :3] = in_dtype(_grey(pixels), images.dtype)
        return changed


def _alike(numbers: np.ndarray, most: int) -> list[np.ndarray]:
    """Positions of equal numbers together, at most `most` at a time."""
    groups = (np.flatnonzero(numbers == number) for number in np.unique(numbers))
    return [rows[k : k + most] for rows in groups for k in range(0, len(rows), most)]


def _is_coloured(name: str, n_channels: int) -> bool:
    """Whether there is more than grey."""
    if n_channels not in (1, 3, 4):
        raise ValueError(
            f"{name}: the images have {n_channels} channels, and 1 (grey), 3 (red, green, blue) or "
            "4 (and alpha) are needed to know their colours."
        )
    return n_channels > 1


def _interval(value: float | tuple[float, float], none: float) -> tuple[float, float]:
    """A pair as it is; a number to either side of what changes nothing, factors not below 0."""
    if isinstance(value, tuple | list):
        low, high = value
        return float(low), float(high)
    low = none - float(value)
    return max(low, 0.0) if none else low, none + float(value)


def _grey(pixels: np.ndarray) -> np.ndarray:
    """The light of each pixel, of shape (n_samples, 1, height, width)."""
    if pixels.shape[1] == 1:
        return pixels.copy()
    grey = pixels[:, :1] * pixels.dtype.type(LUMA[0])
    for channel in (1, 2):
        grey += pixels[:, channel : channel + 1] * pixels.dtype.type(LUMA[channel])
    return grey


def _brighten(pixels: np.ndarray, factor: np.ndarray, white: float) -> None:
    """factor · pixel."""
    pixels *= factor
    np.clip(pixels, 0, white, out=pixels)


def _contrast(pixels: np.ndarray, factor: np.ndarray, white: float) -> None:
    """mean grey + factor · (pixel - mean grey)."""
    mean = _grey(pixels).mean(axis=(2, 3), keepdims=True)
    pixels *= factor
    pixels += (1 - factor) * mean
    np.clip(pixels, 0, white, out=pixels)


def _saturate(pixels: np.ndarray, factor: np.ndarray, white: float) -> None:
    """grey + factor · (pixel - grey)."""
    grey = _grey(pixels)
    grey *= 1 - factor
    pixels *= factor
    pixels += grey
    np.clip(pixels, 0, white, out=pixels)


def _turn_hue(pixels: np.ndarray, turn: np.ndarray, white: float) -> None:
    """The same lightness and saturation (of HSV), with the hue turned by a share of the circle.

    On a circle of six sixths a channel is the smallest of the three, and as much more, of their
    spread, as its own colour is near: all within the sixths beside it, nothing farther than two
    (Smith, 1978, "Color gamut transform pairs").
    """
    red, green, blue = (pixels[:, channel] for channel in range(3))
    largest = np.maximum(red, green)
    np.maximum(largest, blue, out=largest)
    smallest = np.minimum(red, green)
    np.minimum(smallest, blue, out=smallest)
    spread = largest - smallest
    # Masks are multiplied by: NumPy's `where` takes many times longer.
    of_red = (red == largest).astype(pixels.dtype)
    of_green = (green == largest).astype(pixels.dtype)
    hue = _either(of_green, blue - red, red - green)
    hue = _either(of_red, green - blue, hue)
    hue /= np.maximum(spread, np.finfo(pixels.dtype).tiny)
    of_green -= 2
    of_green *= -2
    hue += _either(of_red, 0, of_green)  # green: 2, blue: 4
    hue += 6 * turn[:, 0]
    hue -= 6 * np.floor(hue / 6)
    for channel, (opposite, sign, most) in enumerate(((3, 1, -1), (2, -1, 2), (4, -1, 2))):
        near = np.subtract(hue, opposite, out=largest)
        np.abs(near, out=near)
        near *= sign
        near += most
        np.clip(near, 0, 1, out=near)
        near *= spread
        np.add(smallest, near, out=pixels[:, channel])


def _either(mask: np.ndarray, first: Any, second: Any) -> np.ndarray:
    """`first` where the mask is 1, `second` where it is 0."""
    return second + mask * (first - second)
