"""What is given to oneDNN at all, and why other things are not."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...contract import (
    Conv2DSpec,
    Pool2DSpec,
    SizedNode,
    Stage,
    StageGraph,
)
from . import thresholds

__all__ = [
    "fits",
    "has_primitives",
    "unsupported",
    "unsupported_convolution",
    "unsupported_pooling",
]

Shape = tuple[int, ...]


def fits(*shapes: Shape) -> bool:
    """Is no array empty, and none too large for 32-bit addresses?"""
    return all(0 < math.prod(shape) < thresholds.LARGEST_ARRAY for shape in shapes)


def unsupported_convolution(spec: Conv2DSpec) -> str | None:
    """Why a convolution is not given to oneDNN; None if it is."""
    if (
        max(*spec.stride, *spec.padding[0], *spec.padding[1], *spec.dilation)
        < thresholds.LARGEST_STEP
    ):
        return None
    return f"oneDNN has no strides, paddings or dilations of {thresholds.LARGEST_STEP} and more"


def unsupported_pooling(spec: Pool2DSpec) -> str | None:
    """Why a pooling is not given to oneDNN; None if it is."""
    if spec.mode == "sum":
        return "oneDNN has no sum pooling"
    # oneDNN takes windows that overhang as padding, which leaves no room for more padding.
    if not spec.ignore_border and any(spec.padding):
        return "oneDNN has no pooling with padding and with windows that overhang"
    if max(*spec.window, *spec.stride, *spec.padding) < thresholds.LARGEST_STEP:
        return None
    return f"oneDNN has no windows, strides or paddings of {thresholds.LARGEST_STEP} and more"


def has_primitives(stage: Stage) -> str | None:
    """Why a stage is not given to oneDNN; None if it is."""
    conv, pool = stage.convolution, stage.pooling
    if pool is not None:
        return unsupported_pooling(pool.pool)
    return None if conv is None else unsupported_convolution(conv.conv)


def unsupported(
    graph: StageGraph, x_shapes: Sequence[Shape], nodes: Sequence[SizedNode]
) -> str | None:
    """Why a graph is not given to oneDNN; None if it is."""
    sizes = [*x_shapes, *(shape for node in nodes for shape in (node.y_shape, *node.param_shapes))]
    if not fits(*sizes):
        return f"oneDNN takes arrays of 1 to {thresholds.LARGEST_ARRAY - 1:,} numbers"
    return next(filter(None, (has_primitives(stage) for stage in graph.stages)), None)
