"""Batch normalisation as one operation forwards and one backwards."""

from __future__ import annotations

import functools
from typing import Any

from pytensor.gradient import DisconnectedType, disconnected_type, grad_undefined
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor import as_tensor_variable

from ..kernels.contract import Kernels
from ..kernels.portable import normalisation
from .base import Kernel, KernelOp, tensor_of

__all__ = ["BatchNorm", "BatchNormGrad", "ChannelAffine", "batch_normalisation", "channel_affine"]


class BatchNorm(KernelOp):
    """(x, gamma, beta) to (y, mean, 1 / standard deviation), with the batch's statistics."""

    __props__ = ("epsilon", "rectify")

    def __init__(self, epsilon: float, rectify: bool = False) -> None:
        self.epsilon = epsilon
        self.rectify = rectify

    def make_node(self, x: Any, gamma: Any, beta: Any) -> Apply:
        inputs = _checked("batch normalisation", x, gamma, beta)
        x = inputs[0]
        statistic = tensor_of(x.type.dtype, (x.type.shape[1],))
        return Apply(self, inputs, [x.type(), statistic(), statistic()])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        # The statistics are for running averages: no gradient goes through them.
        return [[True, False, False]] * 3

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        gy = output_grads[0]
        if isinstance(gy.type, DisconnectedType):
            return [disconnected_type() for _ in inputs]
        x, gamma, _ = inputs
        y, mean, inv_std = outputs
        grad = BatchNormGrad(self.rectify)
        return grad(x, gamma, mean, inv_std, y, gy, return_list=True)

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        epsilon, rectify = self.epsilon, self.rectify
        return lambda x, gamma, beta: normalisation.normalise(x, gamma, beta, epsilon, rectify)


class BatchNormGrad(KernelOp):
    """The gradients of `BatchNorm`: (x, gamma, mean, inv_std, y, gy) to (gx, ggamma, gbeta)."""

    __props__ = ("rectify",)

    def __init__(self, rectify: bool = False) -> None:
        self.rectify = rectify

    def make_node(self, x: Any, gamma: Any, *rest: Any) -> Apply:
        return Apply(self, [x, gamma, *rest], [x.type(), gamma.type(), gamma.type()])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        reason = "Batch normalisation has no second derivatives here."
        return [grad_undefined(self, i, value, reason) for i, value in enumerate(inputs)]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        return functools.partial(normalisation.normalise_gradient, rectify=self.rectify)


class ChannelAffine(KernelOp):
    """scale · x + shift, with a number for each channel."""

    __props__ = ("rectify",)

    def __init__(self, rectify: bool = False) -> None:
        self.rectify = rectify

    def make_node(self, x: Any, scale: Any, shift: Any) -> Apply:
        inputs = _checked("channel_affine", x, scale, shift)
        return Apply(self, inputs, [inputs[0].type()])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        x, scale, _ = inputs
        (gy,) = output_grads
        if self.rectify:
            gy = gy * (outputs[0] > 0).astype(x.dtype)
        axes = [0, *range(2, x.ndim)]
        spread = ["x", 0, *("x",) * (x.ndim - 2)]
        return [gy * scale.dimshuffle(*spread), (gy * x).sum(axis=axes), gy.sum(axis=axes)]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        rectify = self.rectify
        return lambda x, scale, shift: (normalisation.affine(x, scale, shift, rectify),)


def batch_normalisation(
    x: Any, gamma: Any, beta: Any, epsilon: float = 1e-4
) -> tuple[Variable, Variable, Variable]:
    """Normalise each channel of a batch to mean beta and standard deviation gamma.

    Parameters
    ----------
    x : tensor of shape (n_samples, n_channels) or (n_samples, n_channels, height, width)
    gamma, beta : vectors of shape (n_channels,)
    epsilon : float, default=1e-4
        Added to the variance.

    Returns
    -------
    y : tensor of the shape of x
    mean, inv_std : vectors of shape (n_channels,)
        The batch's; gradients do not go through them.

    Raises
    ------
    TypeError
        If x has another number of dimensions, or dtypes differ.

    References
    ----------
    Ioffe and Szegedy (2015), "Batch normalization".
    """
    y, mean, inv_std = BatchNorm(float(epsilon))(x, gamma, beta)
    return y, mean, inv_std


def channel_affine(x: Any, scale: Any, shift: Any) -> Variable:
    """scale · x + shift with one number a channel; shapes as in `batch_normalisation`."""
    return ChannelAffine()(x, scale, shift)


def _checked(who: str, *inputs: Any) -> list[Variable]:
    x, *channels = [as_tensor_variable(value) for value in inputs]
    if x.type.ndim not in (2, 4) or any(each.type.ndim != 1 for each in channels):
        raise TypeError(
            f"{who}: expected a matrix or images, and vectors with a number for each channel; got "
            f"{', '.join(str(each.type) for each in (x, *channels))}."
        )
    if len({each.type.dtype for each in (x, *channels)}) > 1:
        raise TypeError(
            f"{who}: all inputs must have one dtype; got "
            f"{', '.join(each.type.dtype for each in (x, *channels))}."
        )
    return [x, *channels]
