"""What the displays share when they draw. Matplotlib is imported here, by functions only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "Display",
    "as_picture",
    "grid",
    "mosaic",
    "one_axes",
    "panels",
    "show_picture",
    "viewable",
    "write_title",
]


#: Inches that a picture of a grid is wide.
TILE = 1.7
#: How much of a picture's place Matplotlib's first layout leaves to it.
TITLE_SHARE = 0.8


class Display:
    """Computed once, drawn as often as wanted; `figure_` and `axes_` are the last drawing's."""

    figure_: Any
    axes_: Any

    def savefig(self, filename: Any, **params: Any) -> None:
        """Save the last drawing.

        Parameters
        ----------
        filename : path
            Its ending says the format: .png, .svg, .pdf.
        **params
            For :meth:`matplotlib.figure.Figure.savefig`.

        Raises
        ------
        ValueError
            If nothing was drawn yet.
        """
        if not hasattr(self, "figure_"):
            raise ValueError(f"{type(self).__name__}: nothing was drawn yet; call plot() first.")
        self.figure_.savefig(filename, **params)

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

    Colours are brought into [0, 1] as `viewable` says; anything else is shown as
    the mean over channels, in its own numbers.

    Returns
    -------
    ndarray of shape (height, width), (height, width, 3) or (height, width, 4)
    """
    picture = viewable(np.asarray(image)[np.newaxis])[0]
    return picture if picture.ndim == 3 else np.asarray(image, dtype=np.float64).mean(axis=0)


def viewable(images: np.ndarray) -> np.ndarray:
    """Images (n, channels, height, width) as pictures whose pixels are shares of white.

    Bytes are shares of 255, and floats between 0 and 1 shares as they are.
    Other numbers are stretched, all images alike, from the smallest, or 0, to
    the largest; what is no number is black. Three channels are colours, and four,
    where nothing has to be stretched, colours and opacity; any other number is
    shown as its mean.

    Returns
    -------
    ndarray of shape (n, height, width), (n, height, width, 3) or (n, height, width, 4)
        Floats from 0 to 1.
    """
    low, high = _black_and_white(images)
    n_colours = images.shape[1]
    shares = (images.astype(np.float64) - low) / ((high - low) or 1.0)
    shares = np.nan_to_num(shares, nan=0.0, posinf=1.0, neginf=0.0)
    if n_colours == 3 or (n_colours == 4 and (low, high) in ((0.0, 1.0), (0.0, 255.0))):
        return np.moveaxis(shares, 1, -1)
    return shares.mean(axis=1)


def _black_and_white(images: np.ndarray) -> tuple[float, float]:
    if images.dtype == np.uint8:
        return 0.0, 255.0
    finite = images[np.isfinite(images)]
    if not finite.size:
        return 0.0, 1.0
    low, high = min(0.0, float(finite.min())), float(finite.max())
    return (0.0, 1.0) if low == 0.0 and high <= 1.0 else (low, high)


def show_picture(ax: Any, picture: np.ndarray, **options: Any) -> Any:
    """Draw pixels as sharp squares, without ticks."""
    options = {"cmap": "gray", "interpolation": "nearest", **options}
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax.imshow(picture, **options)


def grid(
    ax: Any,
    pictures: np.ndarray,
    titles: Sequence[str],
    n_columns: int | None,
    figsize: tuple[float, float] | None,
    **imshow_params: Any,
) -> tuple[Any, np.ndarray]:
    """(figure, axes of shape (n_rows, n_columns)): a picture in each, with its title.

    Parameters
    ----------
    ax : None, one axes, or as many as the grid has
    pictures : ndarray of shape (n, height, width[, colours])
        At least one; floats from 0 to 1.
    titles : sequence of str
        One for each picture.
    n_columns : int or None
        Five at most by default.
    """
    if n_columns is not None and n_columns < 1:
        raise ValueError(f"n_columns must be at least 1; got {n_columns!r}.")
    n_pictures, height, width = pictures.shape[:3]
    n_columns = n_columns or min(n_pictures, 5)
    n_rows = math.ceil(n_pictures / n_columns)
    n_lines = max(title.count("\n") + 1 if title else 0 for title in titles)
    row_height = min(TILE * height / width, 2 * TILE) + 0.05 + 0.2 * n_lines
    figsize = figsize or (TILE * n_columns, n_rows * row_height)
    figure, axes = panels(ax, n_rows, n_columns, figsize)
    for each in axes.ravel()[n_pictures:]:
        each.set_axis_off()
    options = {"vmin": 0.0, "vmax": 1.0, **imshow_params}
    for each, picture, title in zip(axes.ravel(), pictures, titles, strict=False):
        show_picture(each, picture, **options)
        write_title(each, title)
    return figure, axes


def write_title(ax: Any, text: str) -> None:
    """A small title above a picture; lines that are wider than it are cut short."""
    size = 9.0
    width = ax.figure.get_figwidth() * ax.get_position().width / TITLE_SHARE
    room = max(6, int(72.0 * width / (0.55 * size)))
    lines = [line if len(line) <= room else f"{line[: room - 1]}…" for line in text.split("\n")]
    ax.set_title("\n".join(lines), fontsize=size, pad=3.0, parse_math=False)
