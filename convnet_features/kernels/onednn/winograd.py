"""Convolutions by minimal filtering: see `kernels.jit.winograd`."""

from __future__ import annotations

import math
from collections.abc import Callable

from convnet_features.kernels.contract import ConvStage, PoolStage
from convnet_features.kernels.jit.winograd import (
    ARGUMENTS,
    FILTERS_ARGUMENTS,
    TapTransform,
    Tiling,
    Winograd,
)
from convnet_features.kernels.onednn.generated import (
    generated,
    is_worth_it,
    lanes_of_registers,
    openmp,
    registers,
)
from convnet_features.kernels.onednn.objects import MemoryDesc
from convnet_features.kernels.onednn.own_convolution import (
    OwnConvolution,
    known_layout,
    substitute,
)
from convnet_features.kernels.onednn.primitives import Primitives
from convnet_features.kernels.onednn.routine import Routine

__all__ = ["find_winograd", "is_filtered", "is_joined"]

#: Rows and columns of filters, beyond which there would be too much code.
MOST_TAPS = 7
#: What share of the multiplications may be left; transforming takes its time too.
SHARE = 0.65
#: Bytes of scratch memory that a thread may need: for images so wide, oneDNN.
SCRATCH = 4 << 20


def is_filtered(
    conv: ConvStage, x_shape: tuple[int, ...], w_shape: tuple[int, ...], training: bool
) -> bool:
    """Is this a convolution that minimal filtering is worth it for, in this process?"""
    count, channels, *taps = w_shape
    y_shape = conv.conv.output_shape(x_shape, w_shape)
    results = math.prod(y_shape[2:])
    if conv.conv.stride != (1, 1) or max(taps) > MOST_TAPS or x_shape[1] != channels or not results:
        return False
    n_products = math.prod(TapTransform(n).n_products for n in taps)
    n_tiles = math.prod(-(-n // 2) for n in y_shape[2:])
    if n_products * n_tiles > SHARE * math.prod(taps) * results:
        return False
    # Last, because it loads LLVM.
    if not is_worth_it(math.prod(w_shape[1:]) * math.prod(y_shape), training):
        return False
    lanes = lanes_of_registers()
    return channels % lanes == 0 and count % lanes == 0


def is_joined(
    conv: ConvStage, pool: PoolStage, x_shape: tuple[int, ...], w_shape: tuple[int, ...]
) -> bool:
    """Is this a pooling whose windows are tiles, with nothing but a rectify beside it?"""
    *_, height, width = y_shape = conv.conv.output_shape(x_shape, w_shape)
    return (
        pool.pool.mode == "max"
        and pool.pool.window == pool.pool.stride == (2, 2)
        and not any(pool.pool.padding)
        and pool.pool.output_shape(y_shape)[2:] == (height // 2, width // 2)
        and {conv.activation, pool.activation} <= {"linear", "rectify"}
    )


def find_winograd(
    primitives: Primitives,
    conv: ConvStage,
    pool: PoolStage | None,
    activation: str,
    undo: str,
    x: MemoryDesc,
    w_shape: tuple[int, ...],
    training: bool,
    num_threads: int,
    wanted: Callable[[MemoryDesc], MemoryDesc],
) -> OwnConvolution | None:
    """What computes a convolution, and a pooling that `is_joined`, by minimal filtering.

    None where oneDNN does better. `activation` is what the result is given, and
    `undo` what its gradient undoes; `wanted` as for `find_conv_pool`.
    """
    if activation not in ("linear", "rectify") or not is_filtered(conv, x.shape, w_shape, training):
        return None
    instead = substitute(primitives, conv, pool, x, w_shape, training)
    if instead is None:
        return None
    lanes = lanes_of_registers()
    result = instead.pooled or instead.y
    if not training:
        result = wanted(result)
    if known_layout(primitives, x, lanes) is None:
        x = primitives.blocked(x.shape, lanes)
    x_layout, y_layout = (known_layout(primitives, desc, lanes) for desc in (x, result))
    if x_layout is None or y_layout is None or 0 in result.shape:
        return None
    _, *image = x.shape
    count, _, *taps = w_shape
    tiling = Tiling(
        tuple(image),  # type: ignore[arg-type]
        (count, *taps),  # type: ignore[arg-type]
        conv.conv.padding,
        x_layout,
        y_layout,
        pool is not None,
        conv.bias,
        activation == "rectify",
        training and pool is not None,
    )
    kernel, module = generated(Winograd, tiling, registers(), openmp(primitives.library))
    if kernel.scratch(1) > SCRATCH:
        return None
    what = f"of {x.shape} with {w_shape}, {conv.conv}"
    routine = Routine(
        primitives.library,
        f"minimal filtering {what}{f', {pool.pool}' if pool else ''}",
        module.address("forward"),
        module,
        ARGUMENTS,
        {"n_samples": x.shape[0]},
        kernel.scratch(num_threads),
    )
    prepare = Routine(
        primitives.library,
        f"filters for minimal filtering {what}",
        module.address("filters"),
        module,
        FILTERS_ARGUMENTS,
        {},
        0,
    )
    return OwnConvolution(
        routine,
        instead,
        x,
        primitives.blocked_filters(w_shape, lanes),
        result,
        undo,
        prepare,
        primitives.strided((kernel.u_size,)),
    )
