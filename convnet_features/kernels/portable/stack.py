"""Runs of stages as one computation."""

from __future__ import annotations

from typing import Any

import numpy as np

from convnet_features.kernels.contract import (
    DenseStage,
    PoolStage,
    StackKernel,
    Stage,
    stack_output_shape,
    stack_params,
)
from convnet_features.kernels.portable.conv_pool import ConvPoolStep
from convnet_features.kernels.portable.steps import (
    Arrays,
    Chain,
    ConvStep,
    DenseStep,
    Gradients,
    PoolStep,
    Step,
)

__all__ = ["PortableStack"]

#: What the largest result between two stages may take while nothing is kept for a gradient.
CHUNK_BYTES = 1 << 23


class PortableStack(StackKernel):
    """Stages one after the other, a convolution and the max pooling behind it as one.

    Parameters
    ----------
    stages : tuple of Stage
    """

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        self._stages = stages
        self._chain = Chain(_steps(stages))

    def forward(self, x: np.ndarray, params: Arrays) -> np.ndarray:
        step = self._samples_at_once(x, params)
        if len(x) <= step:
            return self._chain.forward(x, params, training=False)[0]
        y = np.empty(stack_output_shape(self._stages, x.shape, [p.shape for p in params]), x.dtype)
        for start in range(0, len(x), step):
            part = slice(start, start + step)
            y[part] = self._chain.forward(x[part], params, training=False)[0]
        return y

    def forward_training(self, x: np.ndarray, params: Arrays) -> tuple[np.ndarray, Any]:
        return self._chain.forward(x, params, training=True)

    def backward(
        self,
        workspace: Any,
        x: np.ndarray,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grad: bool,
    ) -> Gradients:
        return self._chain.backward(workspace, params, gy, input_grad)

    def _samples_at_once(self, x: np.ndarray, params: Arrays) -> int:
        """How many samples to send through all stages together."""
        shapes = [param.shape for param in params]
        largest = max(
            int(np.prod(self._result_shape(end, x.shape[1:], shapes)))
            for end in range(1, len(self._stages) + 1)
        )
        return max(1, CHUNK_BYTES // max(1, largest * x.itemsize))

    def _result_shape(
        self, end: int, sample_shape: tuple[int, ...], shapes: list[tuple[int, ...]]
    ) -> tuple[int, ...]:
        """The shape of one sample's result of the first `end` stages."""
        stages = self._stages[:end]
        return stack_output_shape(stages, (1, *sample_shape), shapes[: len(stack_params(stages))])


def _steps(stages: tuple[Stage, ...]) -> list[Step]:
    """A step for each stage, or for two that are better computed together."""
    steps: list[Step] = []
    joined = False
    for stage, following in zip(stages, (*stages[1:], None), strict=True):
        if joined:
            joined = False
        elif isinstance(stage, PoolStage):
            steps.append(PoolStep(stage))
        elif isinstance(stage, DenseStage):
            steps.append(DenseStep(stage))
        elif isinstance(following, PoolStage) and ConvPoolStep.joins(stage, following):
            steps.append(ConvPoolStep(stage, following))
            joined = True
        else:
            steps.append(ConvStep(stage))
    return steps
