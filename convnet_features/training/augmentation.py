"""Changed copies of images, so that training sees more than there is.

Each takes a batch of images (n_samples, n_channels, height, width) and a NumPy
generator, and gives a batch of the same shape and dtype. They belong in the
estimators' `augment`, one by one or as a list, and see training images only.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ..kernels.memory import empty_like

__all__ = [
    "Augment",
    "Augmentation",
    "Chain",
    "Cutout",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomShift",
    "as_augment",
    "seeded",
]

#: Pixels that are turned at a time: with more, most of the time would go into fresh memory.
BLOCK = 1 << 15

#: From a batch of images and a generator to a batch of the same shape.
Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Augmentation(BaseEstimator):
    """Base class: parameters as scikit-learn knows them, and a call that draws from a generator."""

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), each changed in its own way."""
        raise NotImplementedError


class RandomShift(Augmentation):
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

    def __init__(self, pixels: int = 2) -> None:
        self.pixels = pixels

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return _windows(images, self.pixels, random)


class RandomCrop(Augmentation):
    """Pad each image on all sides, and cut a window of the original size out of it.

    Parameters
    ----------
    padding : int, default=4
        Pixels on each side.
    mode : str, default='reflect'
        What the padding shows: a mode of ``numpy.pad``.
    """

    def __init__(self, padding: int = 4, mode: str = "reflect") -> None:
        self.padding = padding
        self.mode = mode

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return _windows(images, self.padding, random, self.mode)


def _windows(
    images: np.ndarray, padding: int, random: np.random.Generator, mode: str = "constant"
) -> np.ndarray:
    """A window of the original size out of each padded image, gathered in one pass."""
    height, width = images.shape[2:]
    sides = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
    padded = np.pad(images, sides, mode=mode)  # type: ignore[call-overload]
    every = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    corners = random.integers(0, 2 * padding + 1, size=(2, len(images)))
    return every[np.arange(len(images)), :, corners[0], corners[1]]


class RandomFlip(Augmentation):
    """Mirror some of the images.

    Parameters
    ----------
    axis : {'horizontal', 'vertical'}, default='horizontal'
        'horizontal' swaps left and right.
    p : float, default=0.5
        The probability for each image.
    """

    def __init__(self, axis: str = "horizontal", p: float = 0.5) -> None:
        self.axis = axis
        self.p = p

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        axes = {"horizontal": 3, "vertical": 2}
        if self.axis not in axes:
            raise ValueError(f"RandomFlip: axis must be one of {list(axes)}; got {self.axis!r}.")
        chosen = random.random(len(images)) < self.p
        return np.where(chosen[:, None, None, None], np.flip(images, axes[self.axis]), images)


class RandomRotation(Augmentation):
    """Turn each image about its centre by a small angle; zeros come in at the corners.

    Parameters
    ----------
    degrees : float, default=10
        The largest angle either way.

    Notes
    -----
    Pixels are interpolated linearly.
    """

    def __init__(self, degrees: float = 10.0) -> None:
        self.degrees = degrees

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        angles = np.deg2rad(random.uniform(-self.degrees, self.degrees, size=len(images)))
        turned = empty_like(images)
        step = max(1, BLOCK // max(1, math.prod(images.shape[1:])))
        for start in range(0, len(images), step):
            some = slice(start, start + step)
            turned[some] = _rotated(images[some], angles[some])
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


class Cutout(Augmentation):
    """Blot out one square of each image (DeVries and Taylor, 2017).

    Parameters
    ----------
    size : int, default=8
        The square's side; its centre falls anywhere, so part of it may lie outside.
    value : float, default=0.0
        What is put there, on the scale of X.
    """

    def __init__(self, size: int = 8, value: float = 0.0) -> None:
        self.size = size
        self.value = value

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        n_samples, _, height, width = images.shape
        rows = self._covered(random, n_samples, height)
        columns = self._covered(random, n_samples, width)
        hole = rows[:, None, :, None] & columns[:, None, None, :]
        return np.where(hole, images.dtype.type(self.value), images)

    def _covered(self, random: np.random.Generator, n_samples: int, length: int) -> np.ndarray:
        """Which positions along an axis the square covers, for each image."""
        start = random.integers(0, length, size=(n_samples, 1)) - self.size // 2
        positions = np.arange(length)
        return (positions >= start) & (positions < start + self.size)


class Chain(Augmentation):
    """Several augmentations, one after the other.

    Parameters
    ----------
    steps : sequence of callables
        Augmentations, or functions of a batch (and a generator, if they take
        a second argument).
    """

    def __init__(self, steps: Sequence[Callable[..., np.ndarray]]) -> None:
        self.steps = steps

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        for step in self.steps:
            images = as_augment(step)(images, random)
        return images


def as_augment(augment: Any) -> Augment:
    """What users give as `augment`, as a function of a batch and a generator.

    Parameters
    ----------
    augment : callable or sequence of callables
        A callable may take the batch alone.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(augment, list | tuple):
        return Chain([as_augment(step) for step in augment])
    if not callable(augment):
        raise ValueError(
            f"augment must be a function of a batch of images, or a list of such; got {augment!r}."
        )
    return augment if _takes_generator(augment) else _WithoutGenerator(augment)


def seeded(
    augment: Augment | None, seed: int, epoch: int
) -> Callable[[np.ndarray, int], np.ndarray] | None:
    """`augment` as a function of a batch and its number; None for None.

    Each batch of each epoch has a generator of its own, so that nothing but
    these three numbers decides the draws.
    """
    if augment is None:
        return None

    def augmented(images: np.ndarray, number: int) -> np.ndarray:
        changed = np.asarray(augment(images, np.random.default_rng([seed, epoch, number])))
        if changed.shape != images.shape:
            raise ValueError(
                f"augment: it made a batch of shape {changed.shape} from one of {images.shape}; it "
                "must keep the shape."
            )
        return changed

    return augmented


def _takes_generator(augment: Callable[..., Any]) -> bool:
    try:
        inspect.signature(augment).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a built-in function without a signature, such as some of NumPy's
        return False
    return not _has_default(augment)


def _has_default(augment: Callable[..., Any]) -> bool:
    """Whether the second argument is optional: an option of the function's own, no generator."""
    parameters = [
        each
        for each in inspect.signature(augment).parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    return len(parameters) > 1 and parameters[1].default is not inspect.Parameter.empty


class _WithoutGenerator:
    """A function of a batch alone."""

    def __init__(self, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self.function = function

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return self.function(images)
