"""The names of ``nolearn.lasagne.visualize``: `convnet_features.inspection` draws."""

from __future__ import annotations

from ..inspection import (
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
    "plot_conv_activity",
    "plot_conv_weights",
    "plot_loss",
    "plot_occlusion",
    "plot_saliency",
]
