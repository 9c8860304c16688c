"""What is said where training leaves the finite numbers: when, and which layer went first."""

from __future__ import annotations

import math

import numpy as np

from ..exceptions import DivergenceError
from ..network.model import Model

__all__ = ["divergence", "first_divergence"]


def divergence(
    where: str,
    model: Model,
    loss: float = 0.0,
    images: np.ndarray | None = None,
    learning_rate: float | None = None,
) -> DivergenceError:
    """The error to raise after a batch that gave a loss, or left parameters, without a value.

    Parameters
    ----------
    where : str
        The epoch and the batch.
    model : Model
    loss : float
    images : ndarray of shape (n_samples, n_channels, height, width), optional
        The batch, float32 and scaled. Looked at where the loss is not finite.
    learning_rate : float, optional
        The one that was too large.
    """
    if math.isfinite(loss):
        # Rectifiers make 0 of NaN: the loss does not always tell.
        what, images = "Parameters left the finite numbers", None
    else:
        what = f"The loss became {loss}"
    now = "" if learning_rate is None else f" than {learning_rate:g}"
    return DivergenceError(
        f"{what} at {where}: training diverged. {first_divergence(model, images)} Use a smaller "
        f"update_learning_rate{now}, or scale X so that its values are near 1."
    )


def first_divergence(model: Model, images: np.ndarray | None = None) -> str:
    """The first place, from the images to the loss, where a batch meets NaN or infinity.

    Parameters
    ----------
    model : Model
        With the parameters that the batch met.
    images : ndarray of shape (n_samples, n_channels, height, width), optional
        The batch, float32 and scaled; without it only parameters are looked at.

    Returns
    -------
    str
        A sentence that names the layer.
    """
    if images is not None and not np.isfinite(images).all():
        return "The images themselves hold NaN or infinity (after augmentation)."
    for name, layer in model.network.layers.items():
        for param in layer.params:
            if not np.isfinite(param.get_value(borrow=True)).all():
                return f"Layer {name!r} was the first: its parameter {param.name!r} is not finite."
    if images is None:
        return "Every parameter is finite."
    names = list(model.network.layers)
    outputs = model.program(names).function(images, *model.values)
    for name, output in zip(names, outputs, strict=True):
        if not np.isfinite(output).all():
            return f"Layer {name!r} was the first whose output is not finite."
    return "Every layer's output is finite: the loss itself is not."
