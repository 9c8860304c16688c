"""Photographs in a grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from .drawing import grid
from .pictures import names_of, number_of, pictures_of, some_rows

__all__ = ["show_images"]


def show_images(
    X: Any,
    labels: Any = None,
    *,
    display_labels: Any = None,
    max_images: int = 25,
    n_columns: int | None = None,
    data_format: str = "auto",
    ax: Any = None,
    figsize: tuple[float, float] | None = None,
    **imshow_params: Any,
) -> np.ndarray:
    """Draw images in a grid, with their labels.

    Pixels are drawn as they are: bytes as shares of 255, floats up to 1 as shares of white.
    Other numbers are stretched, all images alike.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), (n_samples, height, width), \
            (n_samples, channels, height, width) or (n_samples, height, width, channels)
        Images; or whatever `ImageLoader` reads, of any sizes: paths, bytes, open files and
        images of PIL's, which are shown whole.
    labels : array-like of shape (n_samples,), optional
        What is written above them: classes, or any text.
    display_labels : sequence of str of shape (n_classes,), optional
        What the classes are called, in their sorted order: ``target_names`` of
        `load_image_folder`, say.
    max_images : int, default=25
        Of more images, so many are drawn, evenly spaced. Only they are decoded.
    n_columns : int, optional
        Images in a row; five at most by default.
    data_format : {'auto', 'channels_first', 'channels_last'}, default='auto'
        Which axis of an array holds the channels; 'auto' finds out, or asks.
    ax : matplotlib.axes.Axes, or one for each place, optional
        Where to draw; one axes is divided; a new figure by default.
    figsize : (float, float), optional
        Of a new figure, in inches.
    **imshow_params
        For :meth:`matplotlib.axes.Axes.imshow`: ``cmap``, say.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        The axes.

    Raises
    ------
    ValueError
        If X holds no images, or there is another number of labels.

    See Also
    --------
    MisclassifiedDisplay : The images that a classifier gets wrong.

    Examples
    --------
    >>> from convnet_features.datasets import load_digits_images
    >>> from convnet_features.inspection import show_images
    >>> X, y = load_digits_images()
    >>> axes = show_images(X[:10], y[:10])  # doctest: +SKIP
    """
    n_images = number_of("show_images", X)
    rows = some_rows(n_images, max_images)
    titles = [""] * len(rows)
    if labels is not None:
        known = np.asarray(labels)
        if known.shape != (n_images,):
            raise ValueError(
                f"labels has the shape {known.shape}; expected one for each of {n_images} images."
            )
        classes = np.arange(0) if display_labels is None else np.unique(known)
        titles = names_of(known[rows], classes, display_labels)
    pictures = pictures_of("show_images", X, rows, data_format=data_format)
    _, axes = grid(ax, pictures, titles, n_columns, figsize, **imshow_params)
    return axes
