"""The filters of a convolution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .drawing import Display, mosaic, one_axes, show_picture
from .fitted_network import find_layer

__all__ = ["FiltersDisplay"]

#: What lies between the filters: neither black nor white, which are weights.
GROUND = "#9fb3c8"
#: Numbers along an axis at most.
MOST_NUMBERS = 16


class FiltersDisplay(Display):
    """The filters of a convolutional layer, as small images.

    Filters are shown as they are stored. Lasagne convolves, so a filter meets
    the image turned by 180 degrees unless its layer has ``flip_filters=False``.

    Parameters
    ----------
    filters : ndarray of shape (n_filters, n_channels, height, width)
        The weights.
    layer_name : str, default=""
        The title.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Where it was last drawn.
    axes_ : matplotlib.axes.Axes
        The axes of the last drawing.

    See Also
    --------
    ActivationMapsDisplay : What the filters make of an image.

    Examples
    --------
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> from convnet_features.datasets import load_digits_images
    >>> from convnet_features.inspection import FiltersDisplay
    >>> X, y = load_digits_images()
    >>> extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X[:300], y[:300])
    >>> display = FiltersDisplay.from_estimator(extractor)
    >>> display.filters.shape
    (32, 1, 3, 3)
    >>> display.plot()  # doctest: +SKIP
    """

    def __init__(self, filters: np.ndarray, layer_name: str = "") -> None:
        self.filters = filters
        self.layer_name = layer_name

    def _summary(self) -> str:
        n, channels, height, width = self.filters.shape
        return f"{n} filters of {channels}x{height}x{width} of {self.layer_name!r}"

    @classmethod
    def from_estimator(cls, estimator: Any, layer: str | None = None) -> FiltersDisplay:
        """Take the filters from a fitted network.

        Parameters
        ----------
        estimator : estimator, Pipeline or Lasagne layer
            A fitted network, a Pipeline or search with one in it, or the layer
            itself.
        layer : str, optional
            A layer's name; the first convolution by default.

        Returns
        -------
        FiltersDisplay
            Computed, not yet drawn.

        Raises
        ------
        ValueError
            If the layer has no filters; the text names those that have.
        """
        found = find_layer(estimator, layer, _has_filters, "filters")
        weights = np.array(found.W.eval())
        # Filters along one axis are drawn as one row of pixels.
        if weights.ndim == 3:
            weights = weights[:, :, np.newaxis]
        return cls(weights, found.name or "")

    def plot(
        self,
        ax: Any = None,
        *,
        channel: int | None = None,
        same_scale: bool = False,
        n_columns: int | None = None,
        figsize: tuple[float, float] | None = None,
        max_tiles: int = 256,
        **imshow_params: Any,
    ) -> FiltersDisplay:
        """Draw the filters as one mosaic, on a ground that is no colour of theirs.

        The numbers on the left say which filter each row begins with. Where each filter fills
        a row, those below are its input channels.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.
        channel : int, optional
            Show only this input channel. By default three channels are shown
            as colours; of any other number, each filter fills a row with one
            tile a channel.
        same_scale : bool, default=False
            Whether black and white mean the same in every filter, rather than
            the least and greatest weight of each. The colour bar says which weights.
        n_columns : int, optional
            Tiles in a row; nearly a square by default.
        figsize : (float, float), optional
            Of a new figure, in inches.
        max_tiles : int, default=256
            How many tiles are drawn at most; the title says so where there are more.
        **imshow_params
            For :meth:`matplotlib.axes.Axes.imshow`: ``cmap``, say.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `max_tiles` or `n_columns` is below 1, or there is no such `channel`.
        """
        if max_tiles < 1:
            raise ValueError(f"max_tiles must be at least 1; got {max_tiles!r}.")
        if n_columns is not None and n_columns < 1:
            raise ValueError(f"n_columns must be at least 1; got {n_columns!r}.")
        n_channels = self.filters.shape[1]
        if channel is not None and not 0 <= channel < n_channels:
            raise ValueError(
                f"channel must be from 0 to {n_channels - 1}, as the filters have {n_channels} "
                f"input channels; got {channel!r}."
            )
        self.figure_, self.axes_ = one_axes(ax, figsize)
        tiles, per_filter = self._tiles(channel, max_tiles)
        in_colour = tiles.ndim == 4
        shown = tiles if same_scale and not in_colour else _stretched(tiles, same_scale)
        columns = n_columns or (per_filter if per_filter > 1 else math.ceil(math.sqrt(len(tiles))))
        picture = show_picture(self.axes_, mosaic(shown, columns), **imshow_params)
        self.axes_.set_facecolor(GROUND)
        self._number(len(tiles), tiles.shape[1:3], columns, per_filter)
        if not in_colour:
            self._explain_colours(picture, same_scale)
        n_tiles = self._n_tiles(channel)
        note = f"\nthe first {len(tiles)} of {n_tiles:,} tiles" if n_tiles > len(tiles) else ""
        self.axes_.set_title(f"{self.layer_name}{note}", parse_math=False)
        return self

    def _n_tiles(self, channel: int | None) -> int:
        n, channels = self.filters.shape[:2]
        return n if channel is not None or channels == 3 else n * channels

    def _tiles(self, channel: int | None, most: int) -> tuple[np.ndarray, int]:
        """Tiles of shape (n, height, width[, 3]), and how many a filter has."""
        channels, height, width = self.filters.shape[1:]
        if channel is not None:
            return self.filters[:most, channel], 1
        if channels == 3:
            return np.moveaxis(self.filters[:most], 1, -1), 1
        per_filter = min(channels, most)
        filters = self.filters[: most // per_filter, :per_filter]
        return filters.reshape(-1, height, width), per_filter

    def _number(self, n: int, size: tuple[int, ...], n_columns: int, per_filter: int) -> None:
        """Write which filter each row begins with, and below full rows the channels."""
        height, width = size
        rows = np.arange(math.ceil(n / n_columns))
        rows = rows[:: math.ceil(len(rows) / MOST_NUMBERS)]
        self.axes_.set_yticks(rows * (height + 1) + (height - 1) / 2)
        self.axes_.set_yticklabels(rows * n_columns // per_filter)
        self.axes_.set_ylabel("filter")
        if n_columns == per_filter > 1:
            columns = np.arange(n_columns)[:: math.ceil(n_columns / MOST_NUMBERS)]
            self.axes_.set_xticks(columns * (width + 1) + (width - 1) / 2)
            self.axes_.set_xticklabels(columns)
            self.axes_.set_xlabel("input channel")
        self.axes_.tick_params(length=0, labelsize="small")

    def _explain_colours(self, picture: Any, same_scale: bool) -> None:
        """A colour bar: the weights, or that each tile has a scale of its own."""
        bar = self.figure_.colorbar(picture, ax=self.axes_, shrink=0.6, aspect=15)
        if same_scale:
            bar.set_label("weight")
        else:
            bar.set_ticks([0.0, 1.0])
            bar.set_ticklabels(["least", "greatest"])
            bar.set_label("weight of each tile")


def _has_filters(layer: Any) -> bool:
    weights = getattr(layer, "W", None)
    return hasattr(layer, "num_filters") and hasattr(weights, "eval")


def _stretched(tiles: np.ndarray, same_scale: bool) -> np.ndarray:
    """Tiles brought into [0, 1], each by itself or all alike."""
    axes = None if same_scale else tuple(range(1, tiles.ndim))
    low = tiles.min(axis=axes, keepdims=True)
    high = tiles.max(axis=axes, keepdims=True)
    return (tiles - low) / np.where(high > low, high - low, 1.0)
