"""The stages of a graph, each with its gradient, and chains of them.

A step's `forward` returns its result and what its `backward` needs of it.
Images between steps are (n_samples, n_channels, height, width) arrays, most of
them transposed views of channels-last memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ..contract import (
    Arrays,
    ConvStage,
    DenseStage,
    ElementwiseStage,
    MaskStage,
    PoolStage,
    Stage,
    check_product,
)
from . import functions
from .convolution import PortableConv2D
from .elementwise import activate, activation_gradient
from .pooling import PortablePool2D

__all__ = [
    "STEPS",
    "Chain",
    "ConvStep",
    "DenseStep",
    "ElementwiseStep",
    "MaskStep",
    "PoolStep",
    "Step",
    "StepGradients",
]

#: With respect to the input (None where nobody asked), and to each parameter.
StepGradients = tuple[np.ndarray | None, list[np.ndarray]]


class Step(Protocol):
    """One stage, or several as one."""

    n_params: int

    def forward(self, x: np.ndarray, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        """The result, and what `backward` needs (anything unless `training`)."""

    def backward(
        self, saved: Any, params: Arrays, gy: np.ndarray, input_grad: bool
    ) -> StepGradients:
        """The gradients, given what `forward` saved."""


class ConvStep:
    def __init__(self, stage: ConvStage) -> None:
        self.n_params = stage.n_params
        self._stage = stage
        self._kernel = PortableConv2D(stage.conv)

    def forward(self, x: np.ndarray, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        y = self._kernel.forward(x, params[0])
        if self._stage.bias:
            y += params[1][:, None, None]
        y = activate(y, self._stage.activation)
        return y, (x, y)

    def backward(
        self, saved: Any, params: Arrays, gy: np.ndarray, input_grad: bool
    ) -> StepGradients:
        x, y = saved
        gy = activation_gradient(gy, y, self._stage.activation)
        grads = [self._kernel.grad_weights(x, params[0].shape, gy)]
        if self._stage.bias:
            grads.append(gy.sum(axis=(0, 2, 3)))
        gx = self._kernel.grad_input(x.shape, params[0], gy) if input_grad else None
        return gx, grads


class PoolStep:
    n_params = 0

    def __init__(self, stage: PoolStage) -> None:
        self._stage = stage
        self._kernel = PortablePool2D(stage.pool)

    def forward(self, x: np.ndarray, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        y = activate(self._kernel.forward(x), self._stage.activation)
        return y, (x, y)

    def backward(
        self, saved: Any, params: Arrays, gy: np.ndarray, input_grad: bool
    ) -> StepGradients:
        x, y = saved
        if not input_grad:
            return None, []
        return self._kernel.grad(x, activation_gradient(gy, y, self._stage.activation)), []


class DenseStep:
    def __init__(self, stage: DenseStage) -> None:
        self.n_params = stage.n_params
        self._stage = stage

    def forward(self, x: np.ndarray, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        check_product(x.shape, params[0].shape)
        rows = x.reshape(len(x), int(np.prod(x.shape[1:])))
        y = rows @ params[0].astype(x.dtype, copy=False)
        if self._stage.bias:
            y += params[1]
        y = activate(y, self._stage.activation)
        return y, (x.shape, rows, y)

    def backward(
        self, saved: Any, params: Arrays, gy: np.ndarray, input_grad: bool
    ) -> StepGradients:
        x_shape, rows, y = saved
        gy = activation_gradient(gy, y, self._stage.activation)
        grads = [rows.T @ gy]
        if self._stage.bias:
            grads.append(gy.sum(axis=0))
        gx = (gy @ params[0].T).reshape(x_shape) if input_grad else None
        return gx, grads


class MaskStep:
    n_params = 1

    def __init__(self, stage: MaskStage) -> None:
        pass

    def forward(self, x: np.ndarray, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        return x * params[0], None

    def backward(
        self, saved: Any, params: Arrays, gy: np.ndarray, input_grad: bool
    ) -> StepGradients:
        return (gy * params[0] if input_grad else None), []


class ElementwiseStep:
    n_params = 0

    def __init__(self, stage: ElementwiseStage) -> None:
        self._stage = stage

    def forward(self, x: np.ndarray, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        return functions.value(self._stage, x), x

    def backward(
        self, saved: Any, params: Arrays, gy: np.ndarray, input_grad: bool
    ) -> StepGradients:
        return (gy * functions.derivative(self._stage, saved) if input_grad else None), []


class Chain:
    """Steps one after the other.

    Parameters
    ----------
    steps : sequence of Step
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self.n_params = sum(step.n_params for step in steps)

    def forward(self, x: np.ndarray, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        saved = []
        start = 0
        for step in self._steps:
            stop = start + step.n_params
            x, of_step = step.forward(x, params[start:stop], training)
            start = stop
            if training:
                saved.append(of_step)
        return x, saved

    def backward(
        self, saved: Any, params: Arrays, gy: np.ndarray, input_grad: bool
    ) -> StepGradients:
        grads: list[np.ndarray] = []
        g: np.ndarray | None = gy
        stop = len(params)
        for step, of_step in zip(reversed(self._steps), reversed(saved), strict=True):
            start = stop - step.n_params
            if g is None:
                break
            # Below the lowest step with parameters, only the input's gradient is of use.
            g, of_params = step.backward(of_step, params[start:stop], g, input_grad or start > 0)
            grads[:0] = of_params
            stop = start
        return g, grads


#: What computes each kind of stage of one input whose samples have nothing to do with each other.
STEPS: dict[type[Stage], Callable[..., Step]] = {
    ConvStage: ConvStep,
    PoolStage: PoolStep,
    DenseStage: DenseStep,
    MaskStage: MaskStep,
    ElementwiseStage: ElementwiseStep,
}
