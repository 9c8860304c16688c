"""The functions of ``nolearn.lasagne.visualize``, each one line on a display."""

from __future__ import annotations

import os
from typing import Any

from .activations import ActivationMapsDisplay
from .architecture import ArchitectureDisplay
from .filters import FiltersDisplay
from .learning_curves import LearningCurvesDisplay
from .occlusion import OcclusionDisplay
from .saliency import SaliencyDisplay

__all__ = [
    "draw_to_file",
    "draw_to_notebook",
    "plot_conv_activity",
    "plot_conv_weights",
    "plot_loss",
    "plot_occlusion",
    "plot_saliency",
]


def plot_loss(net: Any) -> LearningCurvesDisplay:
    """Draw the losses of training and validation.

    Parameters
    ----------
    net : estimator or Pipeline
        A fitted network.

    Returns
    -------
    LearningCurvesDisplay
        Drawn.
    """
    return LearningCurvesDisplay.from_estimator(net).plot()


def plot_conv_weights(layer: Any, figsize: tuple[float, float] = (6, 6)) -> FiltersDisplay:
    """Draw the filters of a layer: ``plot_conv_weights(net.layers_["conv2d1"])``.

    Parameters
    ----------
    layer : Lasagne layer, estimator or Pipeline
        A convolutional layer; of an estimator, its first one is drawn.
    figsize : (float, float), default=(6, 6)
        In inches.

    Returns
    -------
    FiltersDisplay
        Drawn.
    """
    return FiltersDisplay.from_estimator(layer).plot(figsize=figsize)


def plot_conv_activity(
    layer: Any, x: Any, figsize: tuple[float, float] = (8, 4)
) -> ActivationMapsDisplay:
    """Draw what a layer makes of one image.

    Parameters
    ----------
    layer : Lasagne layer, estimator or Pipeline
        A layer with maps; of an estimator, its first convolution is drawn.
    x : ndarray of shape (1, channels, height, width)
        One image.
    figsize : (float, float), default=(8, 4)
        In inches.

    Returns
    -------
    ActivationMapsDisplay
        Drawn.
    """
    return ActivationMapsDisplay.from_estimator(layer, x).plot(figsize=figsize)


def plot_occlusion(
    net: Any, X: Any, target: Any, square_length: int = 7, figsize: Any = None
) -> OcclusionDisplay:
    """Draw what predictions depend on, by covering parts of the images.

    Parameters
    ----------
    net : estimator or Pipeline
        A fitted network.
    X : array-like of shape (n_samples, channels, height, width)
        Images.
    target : array-like of shape (n_samples,)
        Their classes.
    square_length : int, default=7
        The side of the square that covers.
    figsize : (float, float), optional
        In inches.

    Returns
    -------
    OcclusionDisplay
        Drawn.
    """
    return OcclusionDisplay.from_estimator(net, X, target, square=square_length).plot(
        figsize=figsize
    )


def plot_saliency(net: Any, X: Any, figsize: Any = None) -> SaliencyDisplay:
    """Draw the gradient of predictions with respect to the images.

    Parameters
    ----------
    net : estimator or Pipeline
        A fitted network.
    X : array-like of shape (n_samples, channels, height, width)
        Images.
    figsize : (float, float), optional
        In inches.

    Returns
    -------
    SaliencyDisplay
        Drawn.
    """
    return SaliencyDisplay.from_estimator(net, X).plot(figsize=figsize)


def draw_to_file(
    layers: Any,
    filename: str | os.PathLike[str],
    output_shape: bool = True,
    verbose: bool = False,
    **savefig_params: Any,
) -> ArchitectureDisplay:
    """Draw the graph of layers into a file.

    Parameters
    ----------
    layers : estimator, Pipeline, Lasagne layer, or sequence of layers
        What to draw. A `NeuralNet` need not be fitted, but initialised.
    filename : path
        Its ending says the format: .png, .svg, .pdf.
    output_shape : bool, default=True
        Whether boxes tell the shapes of outputs.
    verbose : bool, default=False
        Whether boxes tell the layers' arguments.
    **savefig_params
        For :meth:`matplotlib.figure.Figure.savefig`.

    Returns
    -------
    ArchitectureDisplay
        Drawn.
    """
    display = draw_to_notebook(layers, output_shape=output_shape, verbose=verbose)
    display.savefig(filename, **savefig_params)
    return display


def draw_to_notebook(
    layers: Any, output_shape: bool = True, verbose: bool = False
) -> ArchitectureDisplay:
    """Draw the graph of layers; a notebook shows it.

    Parameters
    ----------
    layers : estimator, Pipeline, Lasagne layer, or sequence of layers
        What to draw. A `NeuralNet` need not be fitted, but initialised.
    output_shape : bool, default=True
        Whether boxes tell the shapes of outputs.
    verbose : bool, default=False
        Whether boxes tell the layers' arguments.

    Returns
    -------
    ArchitectureDisplay
        Drawn.
    """
    display = ArchitectureDisplay.from_estimator(layers)
    return display.plot(output_shape=output_shape, verbose=verbose)
