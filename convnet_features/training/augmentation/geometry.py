"""Augmentations that move, cut, mirror, turn and enlarge."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from ...intervals import NOT_NEGATIVE, SHARE, Number, Pair
from ...kernels.memory import empty_like
from .base import PerImage, in_dtype
from .rectangles import draw_rectangles

__all__ = ["RandomCrop", "RandomFlip", "RandomResizedCrop", "RandomRotation", "RandomShift"]

#: Pixels that are turned at a time: with more, most of the time would go into fresh memory.
BLOCK = 1 << 15

_WHOLE = Number(Integral, 0, None, closed="left")


class RandomShift(PerImage):
    """Move each image by a whole number of pixels along both axes; zeros come in.

    Parameters
    ----------
    pixels : int, default=2
        The farthest along either axis.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> RandomShift(1)(image, np.random.default_rng(0))[0, 0]
    array([[3., 4., 5.],
           [6., 7., 8.],
           [0., 0., 0.]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"pixels": [_WHOLE]}

    def __init__(self, pixels: int = 2) -> None:
        self.pixels = pixels

    def _draw(
        self, n_samples: int, shape: tuple[int, ...], random: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Where each window begins in the framed image: row and column."""
        return _corners(n_samples, self.pixels, random)

    def _apply(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), moved."""
        return _windows(images, self.pixels, drawn)


class RandomCrop(PerImage):
    """Pad each image on all sides, and cut a window of the original size out of it.

    Parameters
    ----------
    padding : int, default=4
        Pixels on each side.
    mode : str, default='reflect'
        What the padding shows: a mode of ``numpy.pad``.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"padding": [_WHOLE]}

    def __init__(self, padding: int = 4, mode: str = "reflect") -> None:
        self.padding = padding
        self.mode = mode

    def _draw(
        self, n_samples: int, shape: tuple[int, ...], random: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Where each window begins in the framed image: row and column."""
        return _corners(n_samples, self.padding, random)

    def _apply(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), cut from framed ones."""
        return _windows(images, self.padding, drawn, self.mode)


def _corners(
    n_samples: int, padding: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = random.integers(0, 2 * padding + 1, size=(2, n_samples))
    return rows, columns


def _windows(
    images: np.ndarray, padding: int, corners: tuple[np.ndarray, ...], mode: str = "constant"
) -> np.ndarray:
    """A window of the original size out of each padded image, gathered in one pass."""
    height, width = images.shape[2:]
    sides = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
    padded = np.pad(images, sides, mode=mode)  # type: ignore[call-overload]
    every = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    return every[np.arange(len(images)), :, corners[0], corners[1]]


class RandomFlip(PerImage):
    """Mirror some of the images.

    Parameters
    ----------
    axis : {'horizontal', 'vertical'}, default='horizontal'
        'horizontal' swaps left and right.
    p : float, default=0.5
        The probability for each image.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"p": [SHARE]}

    def __init__(self, axis: str = "horizontal", p: float = 0.5) -> None:
        self.axis = axis
        self.p = p

    def _draw(
        self, n_samples: int, shape: tuple[int, ...], random: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Which images are mirrored."""
        return (random.random(n_samples) < self.p,)

    def _apply(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), some of them mirrored."""
        axes = {"horizontal": 3, "vertical": 2}
        if self.axis not in axes:
            raise ValueError(f"RandomFlip: axis must be one of {list(axes)}; got {self.axis!r}.")
        chosen = np.flatnonzero(drawn[0])
        changed = images.copy()
        changed[chosen] = np.flip(images, axes[self.axis])[chosen]
        return changed


class RandomRotation(PerImage):
    """Turn each image about its centre by a small angle; zeros come in at the corners.

    Parameters
    ----------
    degrees : float, default=10
        The largest angle either way.

    Notes
    -----
    Pixels are interpolated linearly.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"degrees": [NOT_NEGATIVE]}

    def __init__(self, degrees: float = 10.0) -> None:
        self.degrees = degrees

    def _draw(
        self, n_samples: int, shape: tuple[int, ...], random: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """The angles, in radians."""
        return (np.deg2rad(random.uniform(-self.degrees, self.degrees, size=n_samples)),)

    def _apply(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), turned."""
        (angles,) = drawn
        turned = empty_like(images)
        step = max(1, BLOCK // max(1, math.prod(images.shape[1:])))
        for start in range(0, len(images), step):
            some = slice(start, start + step)
            turned[some] = in_dtype(_rotated(images[some], angles[some]), images.dtype)
        return turned


def _rotated(images: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """`images` turned by `angles` radians: each pixel is a mean of the four it came from."""
    n_samples, n_channels, height, width = images.shape
    real = np.result_type(images, np.float32)
    rows = np.arange(height, dtype=real)[:, None] - (height - 1) / 2
    columns = np.arange(width, dtype=real) - (width - 1) / 2
    cosine, sine = (turn(angles)[:, None, None].astype(real) for turn in (np.cos, np.sin))
    row, down = _whole_and_rest((cosine * rows + (height + 1) / 2) - sine * columns, height)
    column, right = _whole_and_rest((sine * rows + (width + 1) / 2) + cosine * columns, width)

    framed = np.pad(images, [(0, 0), (0, 0), (1, 1), (1, 1)]).astype(real, copy=False).ravel()
    first = np.arange(n_samples * n_channels).reshape(n_samples, n_channels, 1, 1)
    corner = first * ((height + 2) * (width + 2))
    corner = corner + (row * (width + 2) + column).astype(np.intp)[:, None]
    above, below = (
        _between(framed[line:].take(corner), framed[line + 1 :].take(corner), right[:, None])
        for line in (0, width + 2)
    )
    return _between(above, below, down[:, None])


def _whole_and_rest(at: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Places along an axis of framed images: the pixel before each, and how far beyond it is."""
    at = np.clip(at, 0, length + 1)
    whole = np.minimum(np.floor(at), length)
    return whole, at - whole


def _between(start: np.ndarray, stop: np.ndarray, share: np.ndarray) -> np.ndarray:
    """start + share · (stop - start), written over `stop`."""
    stop -= start
    stop *= share
    stop += start
    return stop


class RandomResizedCrop(PerImage):
    """Cut a rectangle out of each image, and enlarge it to the image's size.

    Parameters
    ----------
    scale : (float, float), default=(0.08, 1.0)
        The least and the largest area of the rectangle, as a share of the image's.
    ratio : (float, float), default=(3/4, 4/3)
        The least and the largest width, as a multiple of the height.

    Notes
    -----
    As `torchvision.transforms.v2.RandomResizedCrop`: the area is uniform, the
    ratio log-uniform, the place uniform; where none of ten rectangles drawn fits,
    the largest one of an allowed ratio is cut from the middle. Pixels are
    interpolated linearly between the centres of the rectangle's own.

    References
    ----------
    Szegedy et al. (2015), "Going deeper with convolutions", CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    >>> RandomResizedCrop(scale=(0.25, 0.25), ratio=(1, 1))(image, np.random.default_rng(1))[0, 0]
    array([[ 8,  8,  9,  9],
           [ 9,  9, 10, 10],
           [11, 11, 12, 12],
           [12, 12, 13, 13]], dtype=uint8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "scale": [Pair(Real, 0, 1, closed="right")],
        "ratio": [Pair(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
    ) -> None:
        self.scale = scale
        self.ratio = ratio

    def _draw(
        self, n_samples: int, shape: tuple[int, ...], random: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """The rectangles: top, left, height and width."""
        _, height, width = shape
        found, *drawn = draw_rectangles(
            n_samples,
            height,
            width,
            self.scale,
            self.ratio,
            lambda tall, wide: (tall > 0) & (tall <= height) & (wide > 0) & (wide <= width),
            random,
        )
        middle = _largest_in_the_middle(height, width, self.ratio)
        return tuple(
            np.where(found, each, other) for each, other in zip(drawn, middle, strict=True)
        )

    def _apply(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), each a part of itself."""
        top, left, tall, wide = drawn
        height, width = images.shape[2:]
        real = np.result_type(images, np.float32)
        above, below, down = _sampled(tall, height, real)
        before, after, right = _sampled(wide, width, real)
        before, after = before + left[:, None], after + left[:, None]
        enlarged = empty_like(images)
        for k, image in enumerate(images):
            rows = image[:, top[k] : top[k] + tall[k]].astype(real)
            wider = _between(
                rows.take(before[k], axis=2, mode="clip"),
                rows.take(after[k], axis=2, mode="clip"),
                right[k],
            )
            pixels = _between(
                wider.take(above[k], axis=1, mode="clip"),
                wider.take(below[k], axis=1, mode="clip"),
                down[k][:, None],
            )
            enlarged[k] = in_dtype(pixels, images.dtype)
        return enlarged


def _largest_in_the_middle(
    height: int, width: int, ratio: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Top, left, height and width of the largest rectangle of an allowed ratio."""
    tall = min(height, max(1, round(width / ratio[0])))
    wide = min(width, max(1, round(height * ratio[1])))
    return (height - tall) // 2, (width - wide) // 2, tall, wide


def _sampled(
    lengths: np.ndarray, length: int, real: np.dtype
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the pixels of an axis of `length` lie on shorter ones.

    Returns
    -------
    before, after : ndarray of int, of shape (n_samples, length)
        The pixels on either side.
    share : ndarray of shape (n_samples, length)
        How far each is on its way from one to the other.
    """
    lengths = lengths[:, None]
    at = (np.arange(length) + 0.5) * (lengths / length) - 0.5
    at = np.clip(at, 0, lengths - 1)
    before = at.astype(np.intp)
    return before, np.minimum(before + 1, lengths - 1), (at - before).astype(real)
