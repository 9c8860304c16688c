"""Runs of stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convnet_features.kernels.contract import (
    ConvStage,
    DenseStage,
    PoolStage,
    StackKernel,
    Stage,
)
from convnet_features.kernels.portable.convolution import PortableConv2D
from convnet_features.kernels.portable.elementwise import activate, activation_gradient
from convnet_features.kernels.portable.pooling import PortablePool2D

__all__ = ["PortableStack"]

Arrays = Sequence[np.ndarray]


class _Conv:
    def __init__(self, stage: ConvStage) -> None:
        self.n_params = 1 + stage.bias
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
    ) -> tuple[np.ndarray | None, list[np.ndarray]]:
        x, y = saved
        gy = activation_gradient(gy, y, self._stage.activation)
        grads = [self._kernel.grad_weights(x, params[0].shape, gy)]
        if self._stage.bias:
            grads.append(gy.sum(axis=(0, 2, 3)))
        gx = self._kernel.grad_input(x.shape, params[0], gy) if input_grad else None
        return gx, grads


class _Pool:
    n_params = 0

    def __init__(self, stage: PoolStage) -> None:
        self._stage = stage
        self._kernel = PortablePool2D(stage.pool)

    def forward(self, x: np.ndarray, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        y = activate(self._kernel.forward(x), self._stage.activation)
        return y, (x, y)

    def backward(
        self, saved: Any, params: Arrays, gy: np.ndarray, input_grad: bool
    ) -> tuple[np.ndarray | None, list[np.ndarray]]:
        x, y = saved
        if not input_grad:
            return None, []
        return self._kernel.grad(x, activation_gradient(gy, y, self._stage.activation)), []


class _Dense:
    def __init__(self, stage: DenseStage) -> None:
        self.n_params = 1 + stage.bias
        self._stage = stage

    def forward(self, x: np.ndarray, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        rows = x.reshape(len(x), int(np.prod(x.shape[1:])))
        y = rows @ params[0].astype(x.dtype, copy=False)
        if self._stage.bias:
            y += params[1]
        y = activate(y, self._stage.activation)
        return y, (x.shape, rows, y)

    def backward(
        self, saved: Any, params: Arrays, gy: np.ndarray, input_grad: bool
    ) -> tuple[np.ndarray | None, list[np.ndarray]]:
        x_shape, rows, y = saved
        gy = activation_gradient(gy, y, self._stage.activation)
        grads = [rows.T @ gy]
        if self._stage.bias:
            grads.append(gy.sum(axis=0))
        gx = (gy @ params[0].T).reshape(x_shape) if input_grad else None
        return gx, grads


def _steps(stages: tuple[Stage, ...]) -> list[_Conv | _Pool | _Dense]:
    made: list[_Conv | _Pool | _Dense] = []
    for stage in stages:
        if isinstance(stage, ConvStage):
            made.append(_Conv(stage))
        elif isinstance(stage, PoolStage):
            made.append(_Pool(stage))
        else:
            made.append(_Dense(stage))
    return made


class PortableStack(StackKernel):
    """Stages one after the other.

    Parameters
    ----------
    stages : tuple of Stage
    """

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        self._steps = _steps(stages)

    def forward(self, x: np.ndarray, params: Arrays) -> np.ndarray:
        return self._run(x, params, training=False)[0]

    def forward_training(self, x: np.ndarray, params: Arrays) -> tuple[np.ndarray, Any]:
        return self._run(x, params, training=True)

    def backward(
        self,
        workspace: Any,
        x: np.ndarray,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grad: bool,
    ) -> tuple[np.ndarray | None, list[np.ndarray]]:
        grads: list[np.ndarray] = []
        g: np.ndarray | None = gy
        end = len(params)
        for index in reversed(range(len(self._steps))):
            step = self._steps[index]
            mine = params[end - step.n_params : end]
            end -= step.n_params
            # Below the lowest stage with parameters nobody asks for a gradient.
            needed = input_grad or end > 0
            if g is None:
                break
            g, of_params = step.backward(workspace[index], mine, g, needed)
            grads[:0] = of_params
        return (g if input_grad else None), grads

    def _run(self, x: np.ndarray, params: Arrays, training: bool) -> tuple[np.ndarray, list]:
        workspace = []
        start = 0
        y = x
        for step in self._steps:
            mine = params[start : start + step.n_params]
            start += step.n_params
            y, saved = step.forward(y, mine, training)
            if training:
                workspace.append(saved)
        return y, workspace
