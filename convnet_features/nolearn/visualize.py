"""The names of ``nolearn.lasagne.visualize``: `convnet_features.inspection` draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..inspection import (
    OcclusionDisplay,
    draw_to_file,
    draw_to_notebook,
    plot_conv_activity,
    plot_conv_weights,
    plot_loss,
    plot_occlusion,
    plot_saliency,
)

__all__ = [
    "draw_to_file",
    "draw_to_notebook",
    "occlusion_heatmap",
    "plot_conv_activity",
    "plot_conv_weights",
    "plot_loss",
    "plot_occlusion",
    "plot_saliency",
]


def occlusion_heatmap(net: Any, x: Any, target: Any, square_length: int = 7) -> np.ndarray:
    """The score of a class while a square covers an image, by the square's centre.

    Parameters
    ----------
    net : NeuralNet
        Fitted.
    x : array-like of shape (1, channels, height, width)
    target : int
        The class.
    square_length : int, default=7
        The side of the square that covers.

    Returns
    -------
    ndarray of shape (height, width)

    Raises
    ------
    ValueError
        If x is not one image.
    """
    x = np.asarray(x)
    if x.ndim != 4 or len(x) != 1:
        raise ValueError(
            f"occlusion_heatmap: x must be one image, of shape (1, channels, height, width); got "
            f"{x.shape}."
        )
    targets = np.reshape(target, 1)
    return OcclusionDisplay.from_estimator(net, x, targets, square=square_length).covered_scores[0]
