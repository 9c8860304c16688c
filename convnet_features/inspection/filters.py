"""The filters of a convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from .drawing import Display, mosaic, one_axes, show_picture
from .fitted_network import find_layer

__all__ = ["FiltersDisplay"]


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
        weights = np.array(found.W.get_value())
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
        **imshow_params: Any,
    ) -> FiltersDisplay:
        """Draw the filters as one mosaic.

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
            the least and greatest weight of each.
        n_columns : int, optional
            Tiles in a row; nearly a square by default.
        figsize : (float, float), optional
            Of a new figure, in inches.
        **imshow_params
            For :meth:`matplotlib.axes.Axes.imshow`: ``cmap``, say.

        Returns
        -------
        self
        """
        tiles, columns = self._tiles(channel)
        self.figure_, self.axes_ = one_axes(ax, figsize)
        sheet = mosaic(_stretched(tiles, same_scale), n_columns or columns)
        show_picture(self.axes_, sheet, **imshow_params)
        self.axes_.set_title(self.layer_name)
        return self

    def _tiles(self, channel: int | None) -> tuple[np.ndarray, int | None]:
        """Tiles of shape (n, height, width[, 3]), and how many stand in a row."""
        n, channels, height, width = self.filters.shape
        if channel is not None:
            return self.filters[:, channel], None
        if channels == 3:
            return np.moveaxis(self.filters, 1, -1), None
        tiles = self.filters.reshape(n * channels, height, width)
        return tiles, channels if channels > 1 else None


def _has_filters(layer: Any) -> bool:
    weights = getattr(layer, "W", None)
    return hasattr(layer, "num_filters") and hasattr(weights, "get_value")


def _stretched(tiles: np.ndarray, same_scale: bool) -> np.ndarray:
    """Tiles brought into [0, 1], each by itself or all alike."""
    axes = None if same_scale else tuple(range(1, tiles.ndim))
    low = tiles.min(axis=axes, keepdims=True)
    high = tiles.max(axis=axes, keepdims=True)
    return (tiles - low) / np.where(high > low, high - low, 1.0)
