"""A first convolution, its pooling and their rectify in one pass over the images.

oneDNN computes them one after the other, through memory: see `kernels.jit.conv_pool`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from convnet_features.kernels.contract import ConvStage, PoolStage
from convnet_features.kernels.jit.conv_pool import ARGUMENTS, ConvPool
from convnet_features.kernels.jit.geometry import Geometry
from convnet_features.kernels.machine import Machine
from convnet_features.kernels.onednn.generated import (
    LARGEST_WINDOW,
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

__all__ = ["find_conv_pool", "geometry_of_one_pass"]


def find_conv_pool(
    primitives: Primitives,
    conv: ConvStage,
    pool: PoolStage,
    x: MemoryDesc,
    w_shape: tuple[int, ...],
    training: bool,
    num_threads: int,
    wanted: Callable[[MemoryDesc], MemoryDesc],
) -> OwnConvolution | None:
    """What computes two stages at once, where there is such a routine that is better than oneDNN.

    `wanted` says how the next stage wants pooled images that would otherwise be
    laid out so; in training, that is up to the gradients.
    """
    if x != primitives.strided(x.shape):
        return None
    geometry = geometry_of_one_pass(conv, pool, x.shape, w_shape, training, primitives.machine)
    if geometry is None:
        return None
    instead = substitute(primitives, conv, pool, x, w_shape, training)
    if instead is None:
        return None
    assert instead.pooled is not None
    pooled = instead.pooled if training else wanted(instead.pooled)
    undo = "rectify" if "rectify" in (conv.activation, pool.activation) else "linear"
    routine = _routine(
        primitives, geometry, x.shape[0], pooled, undo == "rectify", training, num_threads
    )
    if routine is None:
        return None
    w = primitives.blocked_filters(w_shape, geometry.lanes)
    return OwnConvolution(routine, instead, x, w, pooled, undo)


def geometry_of_one_pass(
    conv: ConvStage,
    pool: PoolStage,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    training: bool,
    machine: Machine,
) -> Geometry | None:
    """What a routine for two stages at once depends on, on a machine.

    None where there is no such routine, where oneDNN does better (images have
    channels enough to fill a vector, say), and where no code can be generated.
    """
    count, channels, rows, columns = w_shape
    window, stride = pool.pool.window, pool.pool.stride
    work = math.prod(w_shape[1:]) * math.prod(conv.conv.output_shape(x_shape, w_shape))
    suits = (
        {conv.activation, pool.activation} <= {"linear", "rectify"}
        and conv.bias
        and pool.pool.mode == "max"
        and not any(pool.pool.padding)
        and math.prod(window) <= LARGEST_WINDOW
        # What windows share would be computed again and again.
        and stride[0] >= window[0]
        and stride[1] >= window[1]
        and channels == x_shape[1]
        # Last, because it loads LLVM.
        and is_worth_it(work, training, machine)
    )
    if not suits:
        return None
    lanes = machine.lanes
    _, _, height, width = x_shape
    image, filters = (channels, height, width), (count, rows, columns)
    geometry = Geometry(conv.conv, pool.pool, image, filters, lanes)
    fits = channels < lanes and count % lanes == 0 and geometry.windows_are_inside
    return geometry if fits else None


def _routine(
    primitives: Primitives,
    geometry: Geometry,
    n_samples: int,
    y: MemoryDesc,
    rectify: bool,
    training: bool,
    num_threads: int,
) -> Routine | None:
    """The routine that computes pooled images laid out as `y`; None for an unknown layout.

    It takes filters laid out by `Primitives.blocked_filters`.
    """
    layout = known_layout(primitives, y, geometry.lanes)
    if layout is None:
        return None
    library, machine = primitives.library, primitives.machine
    kernel, module = generated(
        machine,
        ConvPool,
        geometry,
        layout,
        rectify,
        training,
        machine.registers,
        openmp(library),
    )
    return Routine(
        library,
        f"pooled convolution of {(n_samples, *geometry.image)} with {geometry.filters}, "
        f"{geometry.conv}, {geometry.pool}",
        module.address("forward"),
        module,
        ARGUMENTS,
        {"n_samples": n_samples},
        kernel.scratch(num_threads),
    )
