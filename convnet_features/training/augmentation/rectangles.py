"""Rectangles drawn at random, one for each image."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

__all__ = ["draw_rectangles"]

#: How often a rectangle is drawn that does not fit, as in torchvision.
ATTEMPTS = 10


def draw_rectangles(
    n_samples: int,
    height: int,
    width: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    fits: Callable[[np.ndarray, np.ndarray], np.ndarray],
    random: np.random.Generator,
) -> tuple[np.ndarray, ...]:
    """Rectangles of random area and form, anywhere in images of height × width pixels.

    Parameters
    ----------
    n_samples, height, width : int
    scale : (float, float)
        The least and the largest area, as a share of the image's.
    ratio : (float, float)
        The least and the largest width, as a multiple of the height.
    fits : callable
        From heights and widths to which of them will do.
    random : Generator

    Returns
    -------
    found, top, left, height, width : ndarray of shape (n_samples,)
        Whether one of ten drawn would do, and the first that did.
    """
    size = (ATTEMPTS, n_samples)
    areas = height * width * random.uniform(*scale, size=size)
    least, most = map(math.log, ratio)
    forms = np.exp(random.uniform(least, most, size=size))
    heights = np.rint(np.sqrt(areas / forms)).astype(np.intp)
    widths = np.rint(np.sqrt(areas * forms)).astype(np.intp)
    suitable: np.ndarray = fits(heights, widths)
    first = suitable.argmax(axis=0), np.arange(n_samples)
    tall, wide = heights[first], widths[first]
    places = random.random((2, n_samples))
    top, left = (
        (place * np.maximum(side - used + 1, 1)).astype(np.intp)
        for place, side, used in zip(places, (height, width), (tall, wide), strict=True)
    )
    return np.any(suitable, axis=0), top, left, tall, wide
