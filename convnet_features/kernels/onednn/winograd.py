"""Convolutions by minimal filtering: see `kernels.jit.winograd`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from convnet_features.kernels.contract import Conv2DSpec, ConvStage, PoolStage
from convnet_features.kernels.jit.minimal_filtering import TapTransform, Tiling
from convnet_features.kernels.jit.winograd import ARGUMENTS, FILTERS_ARGUMENTS, Winograd
from convnet_features.kernels.jit.winograd_gradient import (
    ACCUMULATE_ARGUMENTS,
    FINISH_ARGUMENTS,
    WinogradGradient,
)
from convnet_features.kernels.machine import Machine
from convnet_features.kernels.onednn.generated import (
    generated,
    is_worth_it,
    openmp,
)
from convnet_features.kernels.onednn.objects import MemoryDesc
from convnet_features.kernels.onednn.own_convolution import (
    OwnConvolution,
    known_layout,
    substitute,
)
from convnet_features.kernels.onednn.primitives import Primitives
from convnet_features.kernels.onednn.routine import Routine
from convnet_features.kernels.onednn.stack_plan import Record

__all__ = [
    "FilterGradient",
    "Filtering",
    "find_filter_gradient",
    "find_image_gradient",
    "find_winograd",
    "is_filtered",
    "is_joined",
]

#: Rows and columns of filters, beyond which there would be too much code.
MOST_TAPS = 7
#: What share of the multiplications may be left; transforming takes its time too.
SHARE = 0.65
#: Bytes of scratch memory that a thread may need: for images so wide, oneDNN.
SCRATCH = 4 << 20
#: Bytes of a filters' gradient, product by product, beyond which it would go through memory.
SUMS = 3 << 19


def is_filtered(
    conv: Conv2DSpec,
    activation: str,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    training: bool,
    machine: Machine,
) -> bool:
    """Is minimal filtering worth it for this convolution, on this machine?

    `activation` is what its results are given. oneDNN may still want images in
    a layout that our code does not know.
    """
    count, channels, *taps = w_shape
    y_shape = conv.output_shape(x_shape, w_shape)
    results = math.prod(y_shape[2:])
    if (
        activation not in ("linear", "rectify")
        or conv.stride != (1, 1)
        or max(taps) > MOST_TAPS
        or x_shape[1] != channels
        or not results
        # Whole filters beside the image: for these oneDNN has no such code for gradients.
        or any(max(pad) >= n for pad, n in zip(conv.padding, taps, strict=True))
    ):
        return False
    n_products = math.prod(TapTransform(n).n_products for n in taps)
    n_tiles = math.prod(-(-n // 2) for n in y_shape[2:])
    if n_products * n_tiles > SHARE * math.prod(taps) * results:
        return False
    # Last, because it loads LLVM.
    if not is_worth_it(math.prod(w_shape[1:]) * math.prod(y_shape), training, machine):
        return False
    return channels % machine.lanes == 0 and count % machine.lanes == 0


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
    machine = primitives.machine
    if not is_filtered(conv.conv, activation, x.shape, w_shape, training, machine):
        return None
    instead = substitute(primitives, conv, pool, x, w_shape, training)
    if instead is None:
        return None
    lanes = machine.lanes
    result = instead.pooled or instead.y
    if not training:
        result = wanted(result)
    if known_layout(primitives, x, lanes) is None:
        x = primitives.blocked(x.shape, lanes)
    x_layout, y_layout = (known_layout(primitives, desc, lanes) for desc in (x, result))
    if x_layout is None or y_layout is None or 0 in result.shape:
        return None
    tiling = Tiling(
        *_sizes(x.shape, w_shape),
        conv.conv.padding,
        x_layout,
        y_layout,
        pool is not None,
        conv.bias,
        activation == "rectify",
        training and pool is not None,
    )
    found = _filtering(primitives, tiling, x.shape[0], num_threads)
    if found is None:
        return None
    return OwnConvolution(
        found.routine,
        instead,
        x,
        primitives.blocked_filters(w_shape, lanes),
        result,
        undo,
        found.prepare,
        found.prepared,
    )


@dataclass(frozen=True)
class Filtering:
    """The two routines of a minimal filtering.

    Attributes
    ----------
    routine, prepare : Routine
        Of the images, and of the filters.
    prepared : MemoryDesc
        Of what the latter makes for the former.
    """

    routine: Routine
    prepare: Routine
    prepared: MemoryDesc


def find_image_gradient(
    primitives: Primitives, record: Record, num_threads: int
) -> Filtering | None:
    """What computes the gradient of a convolution's images by minimal filtering.

    It takes the gradient of the results as `record` has those, filters by
    `Primitives.blocked`, and lays its result out as the images are. None where
    oneDNN does better.
    """
    conv, x, y = record.stage, record.y_desc, record.x_desc
    assert isinstance(conv, ConvStage)
    count, channels, *taps = record.w_shape
    w_shape = (channels, count, *taps)
    padding = tuple(
        (n - 1 - before, n - 1 - after)
        for n, (before, after) in zip(taps, conv.conv.padding, strict=True)
    )
    if min(map(min, padding)) < 0:
        return None
    turned = Conv2DSpec(conv.conv.stride, padding, conv.conv.flip_filters)  # type: ignore[arg-type]
    tiling = _of_gradient(primitives, turned, x, y, w_shape, transposed=True)
    if tiling is None:
        return None
    return _filtering(primitives, tiling, x.shape[0], num_threads)


@dataclass(frozen=True)
class FilterGradient:
    """The two routines of a filters' gradient by minimal filtering.

    Attributes
    ----------
    accumulate, finish : Routine
    sums, gw : MemoryDesc
        Of what the former leaves to the latter, and of the gradient.
    """

    accumulate: Routine
    finish: Routine
    sums: MemoryDesc
    gw: MemoryDesc


def find_filter_gradient(
    primitives: Primitives, record: Record, num_threads: int
) -> FilterGradient | None:
    """What computes the gradients of a convolution's filters and biases by minimal filtering.

    It takes images, and the gradient of the results, as `record` has them. None
    where oneDNN does better.
    """
    conv, x, y, w_shape = record.stage, record.x_desc, record.y_desc, record.w_shape
    assert isinstance(conv, ConvStage)
    tiling = _of_gradient(primitives, conv.conv, x, y, w_shape)
    if tiling is None:
        return None
    library = primitives.library
    kernel, module = generated(
        primitives.machine,
        WinogradGradient,
        tiling,
        num_threads,
        primitives.machine.registers,
        openmp(library),
    )
    of_one_thread = 4 * kernel.sums_size // num_threads
    if kernel.scratch(1) > SCRATCH or of_one_thread > SUMS:
        return None
    what = f"of {x.shape} with {w_shape}, {conv.conv}"
    accumulate = Routine(
        library,
        f"gradient by the filters by minimal filtering {what}",
        module.address("accumulate"),
        module,
        ACCUMULATE_ARGUMENTS,
        {"n_samples": x.shape[0]},
        kernel.scratch(num_threads),
    )
    finish = Routine(
        library,
        f"end of the gradient by the filters by minimal filtering {what}",
        module.address("finish"),
        module,
        FINISH_ARGUMENTS,
        {},
        0,
    )
    return FilterGradient(
        accumulate,
        finish,
        primitives.strided((kernel.sums_size,)),
        primitives.blocked_filters(w_shape, tiling.lanes),
    )


def _of_gradient(
    primitives: Primitives,
    conv: Conv2DSpec,
    x: MemoryDesc,
    y: MemoryDesc,
    w_shape: tuple[int, ...],
    transposed: bool = False,
) -> Tiling | None:
    """The tiles of a gradient; None where minimal filtering is not for it, or for its layouts."""
    machine = primitives.machine
    if not is_filtered(conv, "linear", x.shape, w_shape, True, machine):
        return None
    lanes = machine.lanes
    x_layout, y_layout = (known_layout(primitives, desc, lanes) for desc in (x, y))
    if x_layout is None or y_layout is None:
        return None
    return Tiling(
        *_sizes(x.shape, w_shape),
        conv.padding,
        x_layout,
        y_layout,
        pooled=False,
        biased=False,
        rectify=False,
        training=False,
        transposed=transposed,
    )


def _sizes(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...]
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Of an image, and of the filters without their channels."""
    _, channels, height, width = x_shape
    count, _, rows, columns = w_shape
    return (channels, height, width), (count, rows, columns)


def _filtering(
    primitives: Primitives, tiling: Tiling, n_samples: int, num_threads: int
) -> Filtering | None:
    """The routines; None if a thread would need too much memory."""
    library = primitives.library
    kernel, module = generated(
        primitives.machine, Winograd, tiling, primitives.machine.registers, openmp(library)
    )
    if kernel.scratch(1) > SCRATCH:
        return None
    what = f"of {(n_samples, *tiling.image)} with {tiling.filters}, padding {tiling.padding}"
    routine = Routine(
        library,
        f"minimal filtering {what}{', pooled' if tiling.pooled else ''}",
        module.address("forward"),
        module,
        ARGUMENTS,
        {"n_samples": n_samples},
        kernel.scratch(num_threads),
    )
    prepare = Routine(
        library,
        f"filters for minimal filtering {what}",
        module.address("filters"),
        module,
        FILTERS_ARGUMENTS,
        {},
        0,
    )
    return Filtering(routine, prepare, primitives.strided((kernel.u_size,)))
