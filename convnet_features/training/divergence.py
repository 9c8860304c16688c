"""Which layer's values left the finite numbers first."""

from __future__ import annotations

import numpy as np

from ..network.model import Model

__all__ = ["first_divergence"]


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
