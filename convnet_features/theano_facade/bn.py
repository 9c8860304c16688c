"""``theano.tensor.nnet.bn``: normalisation by means and deviations."""

from __future__ import annotations

from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from .scope import within_scope

__all__ = ["batch_normalization", "batch_normalization_test", "batch_normalization_train"]


@within_scope
def batch_normalization(
    inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any, mode: str = "low_mem"
) -> Variable:
    """(inputs - mean) / std · gamma + beta."""
    return (pt.as_tensor_variable(inputs) - mean) * (gamma / std) + beta


@within_scope
def batch_normalization_train(
    inputs: Any,
    gamma: Any,
    beta: Any,
    axes: Any = "per-activation",
    epsilon: float = 1e-4,
    running_average_factor: Any = 0.1,
    running_mean: Any = None,
    running_var: Any = None,
) -> tuple[Variable, ...]:
    """Normalise by the mean and the variance of the batch itself.

    y = (x - mean) / sqrt(var + epsilon) · gamma + beta

    Parameters
    ----------
    inputs : tensor
    gamma, beta : tensor
        With as many axes as `inputs`, of length 1 along `axes`.
    axes : {'per-activation', 'spatial'} or tuple of int
        The axes that are averaged over: the first; all but the second; or these.
    epsilon : float, default=1e-4
    running_average_factor : float, default=0.1
        What a batch adds to the running averages.
    running_mean, running_var : tensor, optional
        Averages of the batches so far, of the shape of `gamma`.

    Returns
    -------
    out, mean, invstd : tensors
        `invstd` is 1 / sqrt(var + epsilon).
    new_running_mean, new_running_var : tensors, optional
        Where running averages came, for a function's updates. The new variance is unbiased.
    """
    inputs = pt.as_tensor_variable(inputs)
    axes = _axes(axes, inputs.ndim)
    gamma, beta = (_aligned(each, axes, inputs.ndim) for each in (gamma, beta))
    mean = inputs.mean(axis=axes, keepdims=True)
    var = inputs.var(axis=axes, keepdims=True)
    invstd = 1.0 / pt.sqrt(var + epsilon)
    results = [(inputs - mean) * (gamma * invstd) + beta, mean, invstd]
    factor = running_average_factor
    if running_mean is not None:
        running_mean = pt.as_tensor_variable(running_mean)
        moved = _aligned(running_mean, axes, inputs.ndim) * (1.0 - factor) + mean * factor
        results.append(_as(running_mean, moved, axes))
    if running_var is not None:
        running_var = pt.as_tensor_variable(running_var)
        count = pt.cast(pt.prod([inputs.shape[axis] for axis in axes]), inputs.dtype)
        unbiased = var * (count / (count - 1.0))
        moved = _aligned(running_var, axes, inputs.ndim) * (1.0 - factor) + unbiased * factor
        results.append(_as(running_var, moved, axes))
    return tuple(results)


@within_scope
def batch_normalization_test(
    inputs: Any,
    gamma: Any,
    beta: Any,
    mean: Any,
    var: Any,
    axes: Any = "per-activation",
    epsilon: float = 1e-4,
) -> Variable:
    """Normalise by a mean and a variance that are given.

    y = (x - mean) / sqrt(var + epsilon) · gamma + beta

    Parameters
    ----------
    inputs, gamma, beta, axes, epsilon
        As for `batch_normalization_train`.
    mean, var : tensor
        Of the shape of `gamma`.

    Returns
    -------
    tensor of the shape of `inputs`
    """
    inputs = pt.as_tensor_variable(inputs)
    axes = _axes(axes, inputs.ndim)
    gamma, beta, mean, var = (
        _aligned(each, axes, inputs.ndim) for each in (gamma, beta, mean, var)
    )
    return (inputs - mean) * (gamma / pt.sqrt(var + epsilon)) + beta


def _axes(axes: Any, n_axes: int) -> tuple[int, ...]:
    if axes == "per-activation":
        return (0,)
    if axes == "spatial":
        return (0, *range(2, n_axes))
    if isinstance(axes, str) or not axes:
        raise ValueError(
            "batch_normalization: axes must be 'per-activation', 'spatial' or a tuple of "
            f"integers; got {axes!r}."
        )
    return tuple(axes)


def _aligned(value: Any, axes: tuple[int, ...], n_axes: int) -> Variable:
    """`value` with all axes of the inputs, those of `axes` of length 1."""
    value = pt.as_tensor_variable(value)
    if value.ndim == n_axes:
        return pt.specify_broadcastable(value, *axes)
    others = [axis for axis in range(n_axes) if axis not in axes]
    if value.ndim != len(others):
        raise ValueError(
            f"batch_normalization: gamma, beta and averages must have {n_axes} axes, or "
            f"{len(others)}; got {value.ndim}."
        )
    return value.dimshuffle(
        [others.index(axis) if axis in others else "x" for axis in range(n_axes)]
    )


def _as(running: Variable, value: Variable, axes: tuple[int, ...]) -> Variable:
    """An update of `running`: of its own number of axes, and its dtype."""
    if running.ndim != value.ndim:
        value = value.dimshuffle([axis for axis in range(value.ndim) if axis not in axes])
    return pt.cast(value, running.dtype)
