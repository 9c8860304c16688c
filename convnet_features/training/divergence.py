"""The error of a training that leaves the finite numbers: when, and which layer went first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..exceptions import DivergenceError
from ..network.model import Model

__all__ = ["divergence", "first_divergence"]

_ITSELF = "Every layer's output is finite: the loss itself is not."


def divergence(
    where: str,
    model: Model,
    loss: float = 0.0,
    images: Any = None,
    learning_rate: float | None = None,
) -> DivergenceError:
    """The error to raise after a batch that gave a loss, or left parameters, without a value.

    Parameters
    ----------
    where : str
        The epoch and the batch.
    model : Model
    loss : float
    images : ndarray of shape (n_samples, n_channels, height, width), or list, optional
        The batch, float32 and scaled; of several inputs, one for each. Looked at where
        the loss is not finite.
    learning_rate : float, optional
        The one that was too large.
    """
    if math.isfinite(loss):
        # Rectifiers make 0 of NaN, so the loss may be finite all the same.
        what, images = "Parameters left the finite numbers", None
    else:
        what = f"The loss became {loss}"
    now = "" if learning_rate is None else f" than {learning_rate:g}"
    place = first_divergence(model, images)
    remedy = _of_no_probabilities(model, images) if place == _ITSELF else None
    remedy = remedy or (
        f"Use a smaller update_learning_rate{now}, or scale X so that its values are near 1."
    )
    return DivergenceError(f"{what} at {where}: training diverged. {place} {remedy}")


def _of_no_probabilities(model: Model, images: Any) -> str | None:
    """The remedy where the loss is for probabilities, and the network gives other numbers."""
    output, needed = model.network.output, {"classes": "softmax", "labels": "sigmoid"}
    if model.target not in needed:
        return None
    (given,) = _outputs(model, [output.name], images)
    sums = given.sum(axis=1) if model.target == "classes" else np.ones(1)
    inside = given.min() >= 0 and given.max() <= 1 and np.allclose(sums, 1, atol=1e-3)
    if inside and not _is_no_probability(getattr(output, "nonlinearity", None)):
        return None
    return (
        f"Layer {output.name!r} gives numbers from {given.min():g} to {given.max():g}, which are "
        f"no probabilities of {model.target}; give it nonlinearity="
        f"lasagne.nonlinearities.{needed[model.target]}, or a loss that takes any numbers."
    )


def _outputs(model: Model, names: list[str], images: Any) -> Sequence[np.ndarray]:
    program = model.program(names)
    data = images if isinstance(images, list) else [images]
    return program.function(*data, *model.values, *model.streams(program.n_generators))


def _is_no_probability(nonlinearity: Any) -> bool:
    """Whether this is one of Lasagne's nonlinearities that may leave [0, 1], such as rectify."""
    from lasagne.nonlinearities import sigmoid, softmax

    of_lasagne = getattr(nonlinearity, "__module__", None) == "lasagne.nonlinearities"
    return of_lasagne and nonlinearity not in (sigmoid, softmax)


def first_divergence(model: Model, images: Any = None) -> str:
    """The first place, from the images to the loss, where a batch meets NaN or infinity.

    Parameters
    ----------
    model : Model
        With the parameters that the batch met.
    images : ndarray of shape (n_samples, n_channels, height, width), or list, optional
        The batch, as for `divergence`; without it only parameters are looked at.

    Returns
    -------
    str
        A sentence that names the layer.
    """
    data = images if isinstance(images, list) else [0.0 if images is None else images]
    if not all(np.isfinite(each).all() for each in data):
        return "The images themselves hold NaN or infinity (after augmentation)."
    for name, layer in model.network.layers.items():
        for param in layer.get_params():
            if not np.isfinite(param.get_value(borrow=True)).all():
                return f"Layer {name!r} was the first: its parameter {param.name!r} is not finite."
    if images is None:
        return "Every parameter is finite."
    names = list(model.network.layers)
    outputs = _outputs(model, names, images)
    for name, output in zip(names, outputs, strict=True):
        if not np.isfinite(output).all():
            return f"Layer {name!r} was the first whose output is not finite."
    return _ITSELF
