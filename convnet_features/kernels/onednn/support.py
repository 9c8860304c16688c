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
    stack_output_shape,
)

__all__ = ["fits", "supports_convolution", "supports_pooling", "supports_stack"]

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


def supports_stack(stages: Sequence[Stage], x_shape: Shape, param_shapes: Sequence[Shape]) -> bool:
    """Is every stage one for oneDNN, with arrays that fit?"""
    shape, shapes = tuple(x_shape), iter(param_shapes)
    if not fits(shape):
        return False
    for stage in stages:
        own = [next(shapes) for _ in range(stage.n_params)]
        shape = stack_output_shape([stage], shape, own)
        if not fits(shape, *own):
            return False
        if isinstance(stage, PoolStage):
            if not supports_pooling(stage.pool):
                return False
        elif isinstance(stage, ConvStage) and not supports_convolution(stage.conv):
            return False
    return True
