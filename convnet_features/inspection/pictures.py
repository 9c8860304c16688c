"""X as pictures for people to look at, whatever holds it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ..images import ImageLoader
from ..images.decoding import is_seekable, read_whole
from ..images.pictures import CHANNELS, pictures
from ..validation import infer_input_shape
from ..validation.layout import channels_first, holds_pictures, is_file
from .drawing import viewable
from .fitted_network import find_fitted_network, flat_steps

__all__ = [
    "names_of",
    "number_of",
    "pictures_of",
    "pixels_of",
    "read_again",
    "some_rows",
    "split_loader",
]

#: Pixels that the longer side of a photograph is shown with.
SIDE = 192
#: Kinds of dtypes whose numbers are pixels.
NUMBERS = ("b", "i", "u", "f")


def split_loader(estimator: Any) -> tuple[ImageLoader | None, Any]:
    """The `ImageLoader` that an estimator begins with, and the estimator behind it.

    Parameters
    ----------
    estimator : estimator, Pipeline, FrozenEstimator or search
        Fitted.

    Returns
    -------
    loader : ImageLoader or None
    rest : estimator
        That of `estimator` which takes images; `estimator` itself without a loader.
    """
    (_, first), *others = flat_steps(estimator)
    if not isinstance(first, ImageLoader) or not others:
        return None, estimator
    return first, Pipeline(others)


def read_again(X: Any) -> Any:
    """X, where open files that can be read once only are replaced by what is in them."""
    if not isinstance(X, list | tuple):
        return X
    return [
        read_whole(each)
        if hasattr(each, "read") and is_file(each) and not is_seekable(each)
        else each
        for each in X
    ]


def number_of(name: str, X: Any) -> int:
    """How many pictures X holds; nothing is opened."""
    pixels = pixels_of(X)
    return len(pictures(name, X) if pixels is None else pixels)


def some_rows(n_samples: int, at_most: int) -> np.ndarray:
    """Row numbers: all, or as many as may be, evenly spaced."""
    if at_most < 1:
        raise ValueError(f"max_images must be at least 1; got {at_most!r}.")
    if n_samples <= at_most:
        return np.arange(n_samples)
    return np.linspace(0, n_samples - 1, at_most).round().astype(np.intp)


def pictures_of(
    name: str, X: Any, rows: np.ndarray, estimator: Any = None, data_format: str = "auto"
) -> np.ndarray:
    """Some of X as pictures.

    Photographs are decoded anew, larger than a network takes them: cut as the
    estimator's `ImageLoader` cuts them, or whole where there is none.

    Parameters
    ----------
    name : str
        What errors call the display.
    X : array-like of shape (n_samples, ...), or whatever `ImageLoader` takes
    rows : ndarray of shape (n_pictures,)
    estimator : estimator or Pipeline, optional
        Which takes X: it knows how large the images of flat rows are.
    data_format : {'auto', 'channels_first', 'channels_last'}

    Returns
    -------
    ndarray of shape (n_pictures, height, width), (n_pictures, height, width, 3) or \
            (n_pictures, height, width, 4)
        Floats from 0 to 1.
    """
    loader = split_loader(estimator)[0]
    if loader is None:
        pixels = pixels_of(X)
        if pixels is not None:
            chosen = np.stack([np.asarray(pixels[row]) for row in rows.tolist()])
            return viewable(_images(name, chosen, estimator, data_format))
        loader = ImageLoader(SIDE, mode="rgba", fit="pad")
    else:
        loader = _enlarged(loader)
    sources = pictures(name, X)
    some = sources[rows] if isinstance(sources, np.ndarray) else [sources[row] for row in rows]
    return viewable(np.asarray(loader.transform(some)))


def _enlarged(loader: ImageLoader) -> ImageLoader:
    """The same, for images that are larger by a whole number."""
    sides: Any = loader.size
    height, width = (sides, sides) if np.ndim(sides) == 0 else sides
    factor = max(1, math.ceil(SIDE / max(height, width)))
    size = (height * factor, width * factor)
    plain = {"lazy": False, "cache_bytes": 0, "cache_folder": None, "verbose": 0}
    return clone(loader).set_params(size=size, **plain)


def pixels_of(X: Any) -> Any:
    """X as something of numbers with rows; None where somebody has to open pictures.

    What lies in a file, or is not computed yet, stays there.
    """
    if holds_pictures(X) or isinstance(X, str | bytes):
        return None
    array = X
    if getattr(getattr(X, "dtype", None), "kind", "") not in NUMBERS:
        try:
            array = np.asarray(X)
        except (TypeError, ValueError):  # of several sizes
            return None
    shape = tuple(array.shape)
    if 0 in shape[:1]:
        return None
    one_image = len(shape) == 3 and shape[-1] in CHANNELS
    return array if array.dtype.kind in NUMBERS and len(shape) > 1 and not one_image else None


def _images(name: str, pixels: np.ndarray, estimator: Any, data_format: str) -> np.ndarray:
    """Pixels of any form as images (n_samples, channels, height, width)."""
    net = _network(estimator)
    expected = None if net is None else net.input_shape_
    if expected is not None and math.prod(pixels.shape[1:]) != math.prod(expected):
        expected = None  # steps in front resize
    if pixels.ndim == 2:
        shape = expected or infer_input_shape(pixels.shape)
        if expected is None and shape[1] == 1 < shape[2]:
            pictures(name, pixels)  # which says what is wrong
        return pixels.reshape(len(pixels), *shape)
    layout = getattr(net, "data_format", data_format)
    images = channels_first(name, pixels, layout, expected)
    return images.reshape(len(images), *infer_input_shape(images.shape))


def _network(estimator: Any) -> Any:
    """The only network in an estimator, or None."""
    if estimator is None:
        return None
    try:
        return find_fitted_network(estimator).net
    except (TypeError, ValueError):
        return None


def names_of(labels: Sequence[Any], classes: np.ndarray, display_labels: Any) -> list[str]:
    """What labels are called.

    Parameters
    ----------
    labels : sequence of classes
    classes : ndarray of shape (n_classes,)
    display_labels : sequence of str of length n_classes, mapping from classes to str, or None
        None calls them what they are.

    Raises
    ------
    TypeError
        If names come in no order, or as one text.
    ValueError
        If there are more or fewer names than classes, or a mapping lacks a class.
    """
    if display_labels is None:
        return [str(label) for label in labels]
    if isinstance(display_labels, Mapping):
        return _names_in(display_labels, labels, classes)
    if isinstance(display_labels, str | bytes | Set):
        raise TypeError(
            f"display_labels is a {type(display_labels).__name__} ({display_labels!r:.60}); give a "
            "list of names, one for each class in their order, or a mapping from classes to names."
        )
    if len(display_labels) != len(classes):
        raise ValueError(
            f"display_labels has {len(display_labels)} names, and there are {len(classes)} classes "
            f"({', '.join(map(str, classes[:10]))}{', …' if len(classes) > 10 else ''}); give one "
            "name for each, in this order."
        )
    return _names_in(dict(zip(_plain(classes), display_labels, strict=True)), labels, classes)


def _names_in(names: Mapping[Any, Any], labels: Sequence[Any], classes: np.ndarray) -> list[str]:
    without = [label for label in _plain(classes) if label not in names]
    if without:
        raise ValueError(
            f"display_labels has no name for {', '.join(map(repr, without[:10]))}"
            f"{', …' if len(without) > 10 else ''}; its keys are "
            f"{', '.join(map(repr, list(names)[:10]))}{', …' if len(names) > 10 else ''}."
        )
    return [str(names.get(label, label)) for label in _plain(labels)]


def _plain(labels: Any) -> list[Any]:
    return np.asarray(labels).tolist()
