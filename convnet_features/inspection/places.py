"""Whether pixels stand in the network's images where they stand in X."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ..images import ImageLoader
from ..images.pictures import pictures
from .fitted_network import FittedNetwork, image_view, in_form, like
from .pictures import pixels_of

__all__ = ["stand_alike"]


def stand_alike(name: str, X: Any, fitted: FittedNetwork) -> bool:
    """Whether the steps in front of a network leave pixels where they are.

    An `ImageLoader`, as the first step, is left out: pictures are shown as it
    cuts them. The other steps are asked. They get images of two values, which
    number the pixels in binary digits: a pixel that moves changes a place that its
    number does not name.

    Parameters
    ----------
    name : str
        What errors call the display.
    X : array-like of shape (n_samples, ...), or whatever `ImageLoader` takes
    fitted : FittedNetwork

    Returns
    -------
    bool
        False, too, where steps take no images, give other sizes, or change whole
        images by one of their pixels.
    """
    steps = [] if fitted.before is None else fitted.before.steps
    if steps and isinstance(steps[0][1], ImageLoader):
        (_, loader), *steps = steps
        X = loader.transform(pictures(name, X)[:1]) if steps else X
    return not steps or _moves_none(Pipeline(steps), X, fitted)


def _moves_none(steps: Pipeline, X: Any, fitted: FittedNetwork) -> bool:
    given = pixels_of(X)
    if given is None:
        return False
    given = np.asarray(given)
    images = image_view(fitted, given)
    size = images.shape[2:]
    masks = _digits(*size)
    low, high = _two_values(images)
    probes = np.where(masks[:, np.newaxis], high, low).repeat(images.shape[1], axis=1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of images that nobody gave
            passed = steps.transform(like(X, in_form(probes.astype(images.dtype), given)))
            reached = image_view(fitted, np.asarray(passed))
    except Exception:  # steps may refuse images of two values in any way
        return False
    if reached.shape[0] != len(masks) or reached.shape[2:] != size:
        return False
    changed = (reached != reached[0]).any(axis=1)
    return bool(changed.any() and not (changed & ~masks).any())


def _digits(height: int, width: int) -> np.ndarray:
    """No pixel, then those whose number has a binary digit, and those that lack it.

    Returns
    -------
    ndarray of shape (1 + 2 n_digits, height, width)
        bool.
    """
    numbers = np.arange(height * width).reshape(height, width)
    n_digits = (height * width - 1).bit_length() or 1
    ones = (numbers >> np.arange(n_digits)[:, np.newaxis, np.newaxis]) & 1 == 1
    return np.concatenate([np.zeros_like(ones[:1]), ones, ~ones])


def _two_values(images: np.ndarray) -> tuple[Any, Any]:
    """The smallest and the largest, or two of which one is there."""
    finite = images[np.isfinite(images)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0, 1)
    return (low, high) if low != high else (0, high or 1)
