"""What the displays share when they draw. Matplotlib is imported here, by functions only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["Display", "as_picture", "mosaic", "one_axes", "panels", "show_picture"]


class Display:
    """Computed once, drawn as often as wanted; `figure_` and `axes_` are the last drawing's."""

    figure_: Any
    axes_: Any

    def _summary(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._summary()}; .plot() draws it>"


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Drawing needs Matplotlib: pip install 'convnet-features[plot]'."
        ) from error
    return plt


def one_axes(ax: Any, figsize: tuple[float, float] | None = None) -> tuple[Any, Any]:
    """(figure, axes): those of `ax`, or new ones."""
    if ax is not None:
        return ax.figure, ax
    return _pyplot().subplots(figsize=figsize, layout="constrained")


def panels(
    ax: Any, n_rows: int, n_columns: int, figsize: tuple[float, float]
) -> tuple[Any, np.ndarray]:
    """(figure, axes of shape (n_rows, n_columns)).

    `ax` is None for a new figure, an array of as many axes, or one axes whose
    place is divided.
    """
    shape = (n_rows, n_columns)
    if ax is None:
        return _pyplot().subplots(*shape, figsize=figsize, squeeze=False, layout="constrained")
    given = np.asarray(ax, dtype=object)
    if given.size == n_rows * n_columns:
        axes = given.reshape(shape)
        return axes[0, 0].figure, axes
    place = ax.get_subplotspec() if given.ndim == 0 else None
    if place is None:
        raise ValueError(
            f"ax holds {given.size} axes; expected {n_rows * n_columns} ({n_rows} rows of "
            f"{n_columns}), one axes of a grid to be divided, or None."
        )
    ax.set_axis_off()
    grid = place.subgridspec(*shape)
    divided = np.empty(shape, dtype=object)
    for row, column in np.ndindex(*shape):
        divided[row, column] = ax.figure.add_subplot(grid[row, column])
    return ax.figure, divided


def mosaic(tiles: np.ndarray, n_columns: int | None = None) -> np.ndarray:
    """Tiles in a grid, a pixel apart, as one image; NaN (transparent) between them.

    Parameters
    ----------
    tiles : ndarray of shape (n, height, width) or (n, height, width, 3)
    n_columns : int, optional
        By default the grid is nearly square.

    Returns
    -------
    ndarray of shape (rows, columns) or (rows, columns, 4)

    Examples
    --------
    >>> import numpy as np
    >>> mosaic(np.ones((3, 2, 2)), n_columns=2).shape
    (5, 5)
    """
    if tiles.ndim == 4:
        tiles = np.concatenate([tiles, np.ones_like(tiles[..., :1])], axis=-1)
    n, height, width = tiles.shape[:3]
    n_columns = n_columns or math.ceil(math.sqrt(n))
    n_rows = math.ceil(n / n_columns)
    gap = np.nan if tiles.ndim == 3 else 0.0
    size = (n_rows * (height + 1) - 1, n_columns * (width + 1) - 1, *tiles.shape[3:])
    sheet = np.full(size, gap)
    for index, tile in enumerate(tiles):
        top, left = (index // n_columns) * (height + 1), (index % n_columns) * (width + 1)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def as_picture(image: np.ndarray) -> np.ndarray:
    """An image (channels, height, width) as Matplotlib wants it.

    Three channels are colours, brought into [0, 1]; any other number is shown
    as the mean over channels.

    Returns
    -------
    ndarray of shape (height, width) or (height, width, 3)
    """
    image = np.asarray(image, dtype=np.float64)
    if image.shape[0] != 3:
        return image.mean(axis=0)
    low, high = image.min(), image.max()
    return np.moveaxis((image - low) / ((high - low) or 1.0), 0, -1)


def show_picture(ax: Any, picture: np.ndarray, **options: Any) -> Any:
    """Draw pixels as sharp squares, without ticks."""
    options = {"cmap": "gray", "interpolation": "nearest", **options}
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax.imshow(picture, **options)
