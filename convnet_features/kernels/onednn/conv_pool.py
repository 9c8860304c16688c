"""A first convolution, its pooling and their rectify in one pass over the images.

oneDNN computes them one after the other, through memory: see `kernels.jit.conv_pool`.
"""

from __future__ import annotations

from collections.abc import Callable

from convnet_features.kernels.jit.conv_pool import ARGUMENTS, ConvPool
from convnet_features.kernels.jit.geometry import Geometry
from convnet_features.kernels.onednn.binding.objects import MemoryDesc
from convnet_features.kernels.onednn.binding.primitives import Primitives
from convnet_features.kernels.onednn.own_convolution import (
    OwnConvolution,
    known_layout,
    substitute,
)
from convnet_features.kernels.onednn.plan.choice import Case, pooled_activation
from convnet_features.kernels.onednn.program.code_cache import compiled, openmp
from convnet_features.kernels.onednn.program.routine import Routine

__all__ = ["emit_one_pass"]


def emit_one_pass(
    primitives: Primitives,
    case: Case,
    x: MemoryDesc,
    num_threads: int,
    wanted: Callable[[MemoryDesc], MemoryDesc],
) -> OwnConvolution | None:
    """What computes a convolution and its pooling at once; None for layouts that it does not know.

    `wanted` says how the next stage wants pooled images that would otherwise be
    laid out so; in training, that is up to the gradients.
    """
    assert case.pool is not None
    if x != primitives.strided(x.shape):
        return None
    instead = substitute(primitives, case.conv, case.pool, x, case.w_shape, case.training)
    if instead is None:
        return None
    assert instead.pooled is not None
    pooled = instead.pooled if case.training else wanted(instead.pooled)
    geometry, undo = case.geometry, pooled_activation(case.conv, case.pool)
    routine = _routine(
        primitives, geometry, x.shape[0], pooled, undo == "rectify", case.training, num_threads
    )
    if routine is None:
        return None
    w = primitives.blocked_filters(case.w_shape, geometry.lanes)
    return OwnConvolution(routine, instead, x, w, pooled, undo)


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
    kernel, module = compiled(
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
