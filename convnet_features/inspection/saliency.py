"""Which pixels a prediction hangs on: its gradient with respect to the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..network.pixels import fits_float32
from .drawing import Display
from .fitted_network import find_fitted_network
from .gradients import gradients
from .occlusion import draw_explanations
from .prediction import chosen_columns

__all__ = ["SaliencyDisplay"]


class SaliencyDisplay(Display):
    """The gradient of a prediction with respect to the image.

    Where a small change of a pixel changes the score of the class most, the
    picture is darkest. The score is the network's own, before the softmax: at
    a probability of nearly one the softmax is flat, and hides what the score
    depends on.

    Parameters
    ----------
    images : ndarray of shape (n_samples, channels, height, width)
        The images, as they reached the network.
    gradients : ndarray of shape (n_samples, channels, height, width)
        The derivative of the score by each pixel.

    Attributes
    ----------
    saliency : ndarray of shape (n_samples, height, width)
        The greatest absolute derivative of a pixel's channels.
    figure_ : matplotlib.figure.Figure
        Where it was last drawn.
    axes_ : ndarray of shape (n_samples, 3)
        The axes of the image, the saliency, and both.

    See Also
    --------
    OcclusionDisplay : Asks the whole Pipeline, by covering parts of the image.

    References
    ----------
    K. Simonyan, A. Vedaldi and A. Zisserman, *Deep inside convolutional
    networks: visualising image classification models and saliency maps*, 2013,
    https://arxiv.org/abs/1312.6034.

    Examples
    --------
    >>> from convnet_features import ConvNetClassifier
    >>> from convnet_features.datasets import load_digits_images
    >>> from convnet_features.inspection import SaliencyDisplay
    >>> X, y = load_digits_images()
    >>> classifier = ConvNetClassifier(max_epochs=1, random_state=0).fit(X[:300], y[:300])
    >>> SaliencyDisplay.from_estimator(classifier, X[:2], y[:2]).saliency.shape
    (2, 8, 8)
    """

    def __init__(self, images: np.ndarray, gradients: np.ndarray) -> None:
        self.images = images
        self.gradients = gradients

    @property
    def saliency(self) -> np.ndarray:
        """The greatest absolute derivative, an ndarray of shape (n_samples, height, width)."""
        return np.abs(self.gradients).max(axis=1)

    def _summary(self) -> str:
        n, _, height, width = self.images.shape
        return f"{n} images of {height}x{width}"

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, target: Any = None, *, before_softmax: bool = True
    ) -> SaliencyDisplay:
        """Differentiate the network's prediction.

        Parameters
        ----------
        estimator : estimator or Pipeline
            A fitted network, or a Pipeline or search with one in it. What is
            differentiated is the network's own output, whatever stands behind it.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, channels, height, width)
            Images.
        target : array-like of shape (n_samples,) or scalar, optional
            The classes whose score is differentiated (for regressors and labels,
            the number of the output); by default the most probable class or label
            (of a network with ``tta``, without its views), or the first number.
        before_softmax : bool, default=True
            Whether to differentiate what the output layer's softmax (or
            sigmoid) is applied to, rather than the probability.

        Returns
        -------
        SaliencyDisplay
            Computed, not yet drawn.

        Raises
        ------
        ValueError
            If `target` fits neither the samples nor the classes.
        """
        fitted = find_fitted_network(estimator)
        images = fitted.images(X)
        values = fitted.output(fitted.net.network_.name, images)
        labels = np.arange(values.shape[1]) if fitted.model.target == "labels" else None
        columns = chosen_columns(target, fitted.classes if labels is None else labels, values)
        # The factor takes the derivative from the network's scale of pixels to that of X.
        scale = fitted.model.input_scale
        factor, rest = (scale, 1.0) if fits_float32(scale) else (1.0, scale)
        chosen = np.zeros(values.shape, dtype=np.float32)
        chosen[np.arange(len(images)), columns] = factor
        model, network = fitted.model, fitted.model.network
        _, by_pixel = gradients(
            model, network.input.name, images, [network.output.name], chosen, before_softmax
        )
        return cls(images, by_pixel if rest == 1.0 else by_pixel.astype(np.float64) * rest)

    def plot(
        self,
        ax: Any = None,
        *,
        figsize: tuple[float, float] | None = None,
        **imshow_params: Any,
    ) -> SaliencyDisplay:
        """Draw each image, its saliency, and both.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, or three for each image, optional
            Where to draw; one axes is divided; a new figure by default.
        figsize : (float, float), optional
            Of a new figure, in inches.
        **imshow_params
            For :meth:`matplotlib.axes.Axes.imshow`, of the saliency.

        Returns
        -------
        self
        """
        options = {"cmap": "Reds", "vmin": 0.0, **imshow_params}
        self.figure_, self.axes_ = draw_explanations(
            ax, self.images, self.saliency, "|gradient|", figsize, options
        )
        return self
