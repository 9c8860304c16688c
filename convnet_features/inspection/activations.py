"""What layers make of one image: maps of convolutions, bars of dense layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .drawing import Display, as_picture, mosaic, panels, show_picture
from .fitted_network import checked_images, find_fitted_network, find_layer, is_layer, layer_output

__all__ = ["ActivationMapsDisplay", "LayerActivationsDisplay"]


class ActivationMapsDisplay(Display):
    """A layer's maps for one image, beside the image.

    Parameters
    ----------
    maps : ndarray of shape (n_maps, height, width)
        The activations, without dropout.
    image : ndarray of shape (channels, height, width)
        The image they are of, as it reached the network.
    layer_name : str, default=""
        The title.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Where it was last drawn.
    axes_ : ndarray of shape (2,)
        The axes of the image and of the maps.

    See Also
    --------
    FiltersDisplay : The filters that make the maps.
    LayerActivationsDisplay : The same for layers without maps.

    Examples
    --------
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> from convnet_features.datasets import load_digits_images
    >>> from convnet_features.inspection import ActivationMapsDisplay
    >>> X, y = load_digits_images()
    >>> extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X[:300], y[:300])
    >>> ActivationMapsDisplay.from_estimator(extractor, X[0], layer="maxpool1").maps.shape
    (32, 4, 4)
    """

    def __init__(self, maps: np.ndarray, image: np.ndarray, layer_name: str = "") -> None:
        self.maps = maps
        self.image = image
        self.layer_name = layer_name

    def _summary(self) -> str:
        n, height, width = self.maps.shape
        return f"{n} maps of {height}x{width} of {self.layer_name!r}"

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, layer: str | None = None
    ) -> ActivationMapsDisplay:
        """Compute a layer's maps.

        Parameters
        ----------
        estimator : estimator, Pipeline or Lasagne layer
            A fitted network, a Pipeline or search with one in it, or the layer
            itself. A Lasagne layer takes X on the network's own scale.
        X : array-like of shape (1, n_features), (1, channels, height, width) or of one image
            A single image.
        layer : str, optional
            A layer's name; the first convolution by default.

        Returns
        -------
        ActivationMapsDisplay
            Computed, not yet drawn.

        Raises
        ------
        ValueError
            If X holds more than one image, or the layer has no maps.
        """
        found = find_layer(estimator, layer, _has_maps, "maps")
        if is_layer(estimator):
            image = checked_images(X)
            maps = layer_output(found, image)
        else:
            fitted = find_fitted_network(estimator)
            image = fitted.image(X)
            maps = fitted.output(found.name, image)
        if len(maps) != 1:
            raise ValueError(f"X holds {len(maps)} images; this shows one: pass X[:1], say.")
        maps = maps[0] if maps.ndim == 4 else maps[0][:, np.newaxis]
        return cls(maps, image[0] if image.ndim == 4 else image[0][:, np.newaxis], found.name or "")

    def plot(
        self,
        ax: Any = None,
        *,
        same_scale: bool = True,
        n_columns: int | None = None,
        figsize: tuple[float, float] = (8.0, 4.0),
        **imshow_params: Any,
    ) -> ActivationMapsDisplay:
        """Draw the image and its maps.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, or two of them, optional
            Where to draw; one axes is divided; a new figure by default.
        same_scale : bool, default=True
            Whether a shade means the same in every map, rather than a share of
            each map's own range.
        n_columns : int, optional
            Maps in a row; nearly a square by default.
        figsize : (float, float), default=(8, 4)
            Of a new figure, in inches.
        **imshow_params
            For :meth:`matplotlib.axes.Axes.imshow`, of the maps.

        Returns
        -------
        self
        """
        maps = self.maps
        if not same_scale:
            peak = np.abs(maps).max(axis=(1, 2), keepdims=True)
            maps = maps / np.where(peak > 0, peak, 1.0)
        self.figure_, axes = panels(ax, 1, 2, figsize)
        self.axes_ = axes[0]
        show_picture(self.axes_[0], as_picture(self.image), cmap="gray_r")
        self.axes_[0].set_title("image")
        show_picture(self.axes_[1], mosaic(maps, n_columns), **{"cmap": "viridis", **imshow_params})
        self.axes_[1].set_title(self.layer_name)
        return self


def _has_maps(layer: Any) -> bool:
    return len(layer.output_shape) in (3, 4) and hasattr(layer, "input_layer")


class LayerActivationsDisplay(Display):
    """The activations of layers for one image, as bars.

    Parameters
    ----------
    activations : mapping of str to ndarray of shape (n_units,)
        One vector for each layer's name.
    labels : mapping of str to sequence, optional
        What a layer's units stand for: the classes, for the output.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Where it was last drawn.
    axes_ : ndarray of shape (n_layers,)
        One axes for each layer.

    See Also
    --------
    ActivationMapsDisplay : Maps of convolutions and poolings.

    Examples
    --------
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> from convnet_features.datasets import load_digits_images
    >>> from convnet_features.inspection import LayerActivationsDisplay
    >>> X, y = load_digits_images()
    >>> extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X[:300], y[:300])
    >>> display = LayerActivationsDisplay.from_estimator(extractor, X[0])
    >>> {name: values.shape for name, values in display.activations.items()}
    {'output': (10,), 'dense': (256,)}
    """

    def __init__(
        self,
        activations: Mapping[str, np.ndarray],
        labels: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self.activations = activations
        self.labels = labels or {}

    def _summary(self) -> str:
        return ", ".join(f"{len(v)} of {name!r}" for name, v in self.activations.items())

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, layers: str | Sequence[str] | None = None
    ) -> LayerActivationsDisplay:
        """Compute the activations of layers.

        Parameters
        ----------
        estimator : estimator or Pipeline
            A fitted network, or a Pipeline or search with one in it.
        X : array-like of shape (1, n_features), (1, channels, height, width) or of one image
            A single image.
        layers : str or sequence of str, optional
            Names of layers; the output and the feature layers by default.

        Returns
        -------
        LayerActivationsDisplay
            Computed, not yet drawn.
        """
        fitted = find_fitted_network(estimator)
        image, output = fitted.image(X), fitted.net.network_.name
        if layers is None:
            layers = [output, *fitted.feature_layers]
        names = [layers] if isinstance(layers, str) else list(dict.fromkeys(layers))
        activations = {name: fitted.output(name, image)[0].ravel() for name in names}
        labels = {} if fitted.classes is None else {output: list(fitted.classes)}
        return cls(activations, labels)

    def plot(
        self,
        ax: Any = None,
        *,
        figsize: tuple[float, float] | None = None,
        **bar_params: Any,
    ) -> LayerActivationsDisplay:
        """Draw one bar plot for each layer.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, or one for each layer, optional
            Where to draw; one axes is divided; a new figure by default.
        figsize : (float, float), optional
            Of a new figure, in inches.
        **bar_params
            For :meth:`matplotlib.axes.Axes.bar`.

        Returns
        -------
        self
        """
        n_layers = len(self.activations)
        self.figure_, axes = panels(ax, n_layers, 1, figsize or (8.0, 2.4 * n_layers))
        self.axes_ = axes[:, 0]
        for each, (name, values) in zip(self.axes_, self.activations.items(), strict=True):
            each.bar(np.arange(len(values)), values, **{"width": 0.8, **bar_params})
            each.set_title(f"{name}: {len(values)} units")
            each.set_ylabel("activation")
            each.margins(x=0.01)
            if name in self.labels:
                each.set_xticks(np.arange(len(values)), [str(label) for label in self.labels[name]])
        return self
