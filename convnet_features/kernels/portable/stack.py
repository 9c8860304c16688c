"""Runs of stages as one computation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from convnet_features.kernels.contract import (
    ConvStage,
    DenseStage,
    MaskStage,
    PoolStage,
    StackKernel,
    Stage,
    learnt,
)
from convnet_features.kernels.portable.conv_pool import ConvPoolStep
from convnet_features.kernels.portable.steps import (
    Arrays,
    Chain,
    ConvStep,
    DenseStep,
    Gradients,
    MaskStep,
    PoolStep,
    Step,
)
from convnet_features.kernels.portable.threads import compute_parts, split

__all__ = ["PortableStack"]


@dataclass(frozen=True)
class _Workspace:
    parts: list[slice]
    #: What the steps saved for each part.
    saved: list[Any]


class PortableStack(StackKernel):
    """Every part of the samples through all stages, several parts at a time.

    Parameters
    ----------
    stages : tuple of Stage
    """

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        self._chain = Chain(_steps(stages))
        self._learnt = learnt(stages)

    def forward(self, x: np.ndarray, params: Arrays) -> np.ndarray:
        parts = split(len(x))
        return _joined(
            compute_parts(
                lambda part: self._forward(parts[part], x, params, training=False)[0],
                len(parts),
            )
        )

    def forward_training(self, x: np.ndarray, params: Arrays) -> tuple[np.ndarray, Any]:
        parts = split(len(x))
        done = compute_parts(
            lambda part: self._forward(parts[part], x, params, training=True), len(parts)
        )
        return _joined([y for y, _ in done]), _Workspace(parts, [saved for _, saved in done])

    def backward(
        self,
        workspace: Any,
        x: np.ndarray,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grad: bool,
    ) -> Gradients:
        parts = workspace.parts
        done = compute_parts(
            lambda part: self._chain.backward(
                workspace.saved[part],
                self._params(params, parts[part]),
                gy[parts[part]],
                input_grad,
            ),
            len(parts),
        )
        # In the order of the parts, whichever was ready first.
        grads = [reduce(np.add, of_param) for of_param in zip(*(g for _, g in done), strict=True)]
        gx = _joined([gx for gx, _ in done if gx is not None]) if input_grad else None
        return gx, grads

    def _forward(
        self, part: slice, x: np.ndarray, params: Arrays, training: bool
    ) -> tuple[np.ndarray, Any]:
        return self._chain.forward(x[part], self._params(params, part), training)

    def _params(self, params: Arrays, part: slice) -> Arrays:
        """Those of a part of the samples: masks have a row for each sample."""
        return [
            param if of_all else param[part]
            for param, of_all in zip(params, self._learnt, strict=True)
        ]


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


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
        elif isinstance(stage, MaskStage):
            steps.append(MaskStep())
        elif not isinstance(stage, ConvStage):
            raise TypeError(f"{stage} needs all samples at once")
        elif isinstance(following, PoolStage) and ConvPoolStep.joins(stage, following):
            steps.append(ConvPoolStep(stage, following))
            joined = True
        else:
            steps.append(ConvStep(stage))
    return steps
