"""Chains of stages, as tests of kernels ask about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from convnet_features.kernels.contract import Arrays, GraphKernel, Kernels, Stage, StageGraph
from convnet_features.kernels.registry import get_kernels
from convnet_features.kernels.steps import KernelStep

__all__ = ["Chain", "chain", "chain_output_shape", "learnt", "onednn_alone"]


class Chain:
    """The graph kernel of a chain of stages: one array of images or rows in, one result out.

    Parameters
    ----------
    kernel : GraphKernel
        Of a chain.
    """

    def __init__(self, kernel: GraphKernel) -> None:
        self.kernel = kernel

    def forward(self, x: np.ndarray, params: Arrays) -> np.ndarray:
        """See `GraphKernel.forward`."""
        return self.kernel.forward((x,), params)[0]

    def prepare(self, params: Arrays) -> Callable[[np.ndarray], np.ndarray]:
        """See `GraphKernel.prepare`."""
        prepared = self.kernel.prepare(params)
        return lambda x: prepared((x,))[0]

    def explain(self, x: np.ndarray, params: Arrays, **options: Any) -> list[KernelStep]:
        """See `GraphKernel.explain`."""
        return self.kernel.explain((x,), params, **options)

    def forward_training(self, x: np.ndarray, params: Arrays) -> tuple[np.ndarray, Any]:
        """See `GraphKernel.forward_training`."""
        (y,), workspace = self.kernel.forward_training((x,), params)
        return y, workspace

    def statistics(self, workspace: Any) -> list[np.ndarray]:
        """See `GraphKernel.statistics`."""
        return self.kernel.statistics(workspace)

    def backward(
        self,
        workspace: Any,
        x: np.ndarray,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grad: bool,
    ) -> tuple[np.ndarray | None, list[np.ndarray]]:
        """See `GraphKernel.backward`."""
        (gx,), gradients = self.kernel.backward(workspace, (x,), params, (y,), (gy,), (input_grad,))
        return gx, gradients


def chain(kernels: Kernels, stages: Sequence[Stage]) -> Chain:
    """The kernel of stages one after the other."""
    return Chain(kernels.graph(StageGraph.chain(stages)))


def chain_output_shape(
    stages: Sequence[Stage], x_shape: Sequence[int], param_shapes: Sequence[Sequence[int]]
) -> tuple[int, ...]:
    """The shape of a chain's result."""
    return tuple(StageGraph.chain(stages).output_shapes([x_shape], param_shapes)[0])


def learnt(stages: Sequence[Stage]) -> list[bool]:
    """For each parameter of a chain, whether it has a gradient."""
    return StageGraph.chain(stages).learnt


def onednn_alone(stages: Sequence[Stage]) -> Chain:
    """oneDNN's kernel of a chain, without the portable one for numbers that are not finite."""
    return Chain(chain(get_kernels("onednn"), stages).kernel.fast)
