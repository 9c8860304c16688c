"""What is given to oneDNN at all; the rest goes to the portable kernels unasked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    Pool2DSpec,
    PoolStage,
    Stage,
    StageGraph,
)

__all__ = ["fits", "supports_convolution", "supports_graph", "supports_pooling"]

Shape = tuple[int, ...]
#: oneDNN's generated code computes addresses in 32 bits.
LARGEST_ARRAY = 2**31 // 4
LARGEST_STEP = 2**15


def fits(*shapes: Shape) -> bool:
    """Is no array empty, and none too large for 32-bit addresses?"""
    return all(0 < math.prod(shape) < LARGEST_ARRAY for shape in shapes)


def supports_convolution(spec: Conv2DSpec) -> bool:
    """Are the numbers ordinary?"""
    return max(*spec.stride, *spec.padding[0], *spec.padding[1]) < LARGEST_STEP


def supports_pooling(spec: Pool2DSpec) -> bool:
    """Is this a kind of pooling that oneDNN has, with ordinary numbers?"""
    # Windows that overhang are told to oneDNN as padding, which leaves no room for more of it.
    clipped_padding = not spec.ignore_border and any(spec.padding)
    largest = max(*spec.window, *spec.stride, *spec.padding)
    return spec.mode != "sum" and not clipped_padding and largest < LARGEST_STEP


def supports_graph(
    graph: StageGraph, x_shapes: Sequence[Shape], param_shapes: Sequence[Shape]
) -> bool:
    """Is every stage one for oneDNN, with arrays that fit?"""
    return fits(*x_shapes) and all(
        fits(node.y_shape, *node.param_shapes) and _supports(node.stage)
        for node in graph.walk(x_shapes, param_shapes)
    )


def _supports(stage: Stage) -> bool:
    if isinstance(stage, PoolStage):
        return supports_pooling(stage.pool)
    return not isinstance(stage, ConvStage) or supports_convolution(stage.conv)
