"""A first convolution, its pooling and their rectify in one pass over the images.

oneDNN computes them one after the other, through memory: see `kernels.jit.conv_pool`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from convnet_features.kernels.contract import ConvStage, PoolStage
from convnet_features.kernels.jit.conv_pool import ARGUMENTS, ConvPool
from convnet_features.kernels.jit.geometry import Geometry, Layout
from convnet_features.kernels.onednn.arrays import CHANNELS_LAST
from convnet_features.kernels.onednn.declarations import Query
from convnet_features.kernels.onednn.generated import (
    LARGEST_WINDOW,
    generated,
    is_worth_it,
    lanes_of_registers,
    openmp,
    registers,
)
from convnet_features.kernels.onednn.objects import MemoryDesc, Primitive
from convnet_features.kernels.onednn.primitives import Primitives
from convnet_features.kernels.onednn.routine import Routine

__all__ = ["JoinedConvPool", "find_conv_pool"]


@dataclass(frozen=True)
class JoinedConvPool:
    """A routine for two stages, and the primitives that it stands for.

    Attributes
    ----------
    routine : Routine
    convolution, pooling : Primitive
        Never run: they say how the backward program's primitives want things to
        be laid out.
    w, y, pooled : MemoryDesc
        Of the filters, of the convolved images (of which there are none), and
        of the pooled ones.
    workspace : MemoryDesc
        Of who won.
    undo : str
        The activation whose derivative the gradient of the pooled images is
        multiplied by.
    """

    routine: Routine
    convolution: Primitive
    pooling: Primitive
    w: MemoryDesc
    y: MemoryDesc
    pooled: MemoryDesc
    workspace: MemoryDesc
    undo: str


def find_conv_pool(
    primitives: Primitives,
    conv: ConvStage,
    pool: PoolStage,
    x: MemoryDesc,
    w_shape: tuple[int, ...],
    training: bool,
    num_threads: int,
    wanted: Callable[[MemoryDesc], MemoryDesc],
) -> JoinedConvPool | None:
    """What computes two stages at once, where there is such a routine that is better than oneDNN.

    `wanted` says how the next stage wants pooled images that would otherwise be
    laid out so; in training, that is up to the gradients.
    """
    geometry = _geometry(primitives, conv, pool, x, w_shape, training)
    if geometry is None:
        return None
    y_shape = conv.conv.output_shape(x.shape, w_shape)
    convolution = primitives.convolution_forward(
        conv.conv,
        primitives.any(x.shape),
        primitives.any(w_shape),
        primitives.strided(w_shape[:1]),
        primitives.any(y_shape),
        training=training,
    )
    y = convolution.desc(Query.DST, y_shape)
    pooled_shape = pool.pool.output_shape(y_shape)
    pooling = primitives.pooling_forward(pool.pool, y, primitives.any(pooled_shape), training)
    pooled = pooling.desc(Query.DST, pooled_shape)
    workspace = pooling.desc(Query.WORKSPACE)
    if not training:
        pooled = wanted(pooled)
    elif workspace.size * 4 != pooled.size:
        return None
    undo = "rectify" if "rectify" in (conv.activation, pool.activation) else "linear"
    routine = _routine(
        primitives, geometry, x.shape[0], pooled, undo == "rectify", training, num_threads
    )
    if routine is None:
        return None
    w = primitives.blocked_filters(w_shape, geometry.lanes)
    return JoinedConvPool(routine, convolution, pooling, w, y, pooled, workspace, undo)


def _geometry(
    primitives: Primitives,
    conv: ConvStage,
    pool: PoolStage,
    x: MemoryDesc,
    w_shape: tuple[int, ...],
    training: bool,
) -> Geometry | None:
    """What a routine for two stages at once depends on.

    None where there is no such routine, where oneDNN does better (images have
    channels enough to fill a vector, say), and where this process cannot
    generate code.
    """
    count, channels, rows, columns = w_shape
    window, stride = pool.pool.window, pool.pool.stride
    work = math.prod(w_shape[1:]) * math.prod(conv.conv.output_shape(x.shape, w_shape))
    suits = (
        {conv.activation, pool.activation} <= {"linear", "rectify"}
        and conv.bias
        and pool.pool.mode == "max"
        and not any(pool.pool.padding)
        and math.prod(window) <= LARGEST_WINDOW
        # What windows share would be computed again and again.
        and stride[0] >= window[0]
        and stride[1] >= window[1]
        and channels == x.shape[1]
        and x == primitives.strided(x.shape)
        # Last, because it loads LLVM.
        and is_worth_it(work, training)
    )
    if not suits:
        return None
    lanes = lanes_of_registers()
    _, _, height, width = x.shape
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
    lanes = geometry.lanes
    layouts = {
        Layout.blocked(y.shape, lanes): primitives.blocked(y.shape, lanes),
        Layout.channels_last(y.shape, lanes): primitives.images(y.shape, CHANNELS_LAST),
    }
    layout = next((each for each, desc in layouts.items() if desc == y), None)
    if layout is None:
        return None
    library = primitives.library
    kernel, module = generated(
        ConvPool, geometry, layout, rectify, training, registers(), openmp(library)
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
