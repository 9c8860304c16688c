"""Displays of what a network has learnt, in the manner of scikit-learn's.

``XDisplay.from_estimator(...)`` computes, ``display.plot(ax=...)`` draws and
leaves ``display.figure_`` and ``display.axes_``. Matplotlib is imported when
something is drawn, and not before. Confusion matrices come from
`sklearn.metrics.ConfusionMatrixDisplay`.

The functions have the names of ``nolearn.lasagne.visualize``.
"""

from .activations import ActivationMapsDisplay, LayerActivationsDisplay
from .architecture import ArchitectureDisplay
from .embedding import FeatureEmbeddingDisplay
from .errors import MisclassifiedDisplay
from .explanation import explain
from .filters import FiltersDisplay
from .grad_cam import GradCAMDisplay
from .learning_curves import LearningCurvesDisplay
from .nolearn_names import (
    draw_to_file,
    draw_to_notebook,
    plot_conv_activity,
    plot_conv_weights,
    plot_loss,
    plot_occlusion,
    plot_saliency,
)
from .occlusion import OcclusionDisplay
from .photographs import show_images
from .saliency import SaliencyDisplay

__all__ = [
    "ActivationMapsDisplay",
    "ArchitectureDisplay",
    "FeatureEmbeddingDisplay",
    "FiltersDisplay",
    "GradCAMDisplay",
    "LayerActivationsDisplay",
    "LearningCurvesDisplay",
    "MisclassifiedDisplay",
    "OcclusionDisplay",
    "SaliencyDisplay",
    "draw_to_file",
    "draw_to_notebook",
    "explain",
    "plot_conv_activity",
    "plot_conv_weights",
    "plot_loss",
    "plot_occlusion",
    "plot_saliency",
    "show_images",
]
