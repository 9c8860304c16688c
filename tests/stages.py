"""Chains of stages, as tests of kernels ask about them."""

from __future__ import annotations

from collections.abc import Sequence

from convnet_features.kernels.contract import StackKernel, Stage, StageGraph
from convnet_features.kernels.registry import get_kernels

__all__ = ["chain_output_shape", "learnt", "onednn_alone"]


def chain_output_shape(
    stages: Sequence[Stage], x_shape: Sequence[int], param_shapes: Sequence[Sequence[int]]
) -> tuple[int, ...]:
    """The shape of a chain's result."""
    return tuple(StageGraph.chain(stages).output_shapes([x_shape], param_shapes)[0])


def learnt(stages: Sequence[Stage]) -> list[bool]:
    """For each parameter of a chain, whether it has a gradient."""
    return StageGraph.chain(stages).learnt


def onednn_alone(stages: Sequence[Stage]) -> StackKernel:
    """oneDNN's kernel of a chain, without the portable one for numbers that are not finite."""
    return StackKernel(get_kernels("onednn").stack(stages).kernel.fast)
