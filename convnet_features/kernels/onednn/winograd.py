"""Convolutions by minimal filtering: see `kernels.jit.winograd`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from convnet_features.kernels.jit.minimal_filtering import Tiling
from convnet_features.kernels.jit.winograd import ARGUMENTS, FILTERS_ARGUMENTS, Winograd
from convnet_features.kernels.jit.winograd_gradient import (
    ACCUMULATE_ARGUMENTS,
    FINISH_ARGUMENTS,
    WinogradGradient,
)
from convnet_features.kernels.onednn.binding.objects import MemoryDesc
from convnet_features.kernels.onednn.binding.primitives import Primitives
from convnet_features.kernels.onednn.own_convolution import (
    OwnConvolution,
    known_layout,
    substitute,
)
from convnet_features.kernels.onednn.plan.choice import (
    Case,
    applied_activation,
    pooled_activation,
    undone_activation,
)
from convnet_features.kernels.onednn.program.code_cache import compiled, openmp
from convnet_features.kernels.onednn.program.routine import Routine

__all__ = [
    "FilterGradient",
    "Filtering",
    "emit_filter_gradient",
    "emit_filtering",
    "emit_image_gradient",
]


def emit_filtering(
    primitives: Primitives,
    case: Case,
    x: MemoryDesc,
    num_threads: int,
    wanted: Callable[[MemoryDesc], MemoryDesc],
) -> OwnConvolution | None:
    """What computes a convolution, and a pooling of 2×2 behind it, by minimal filtering.

    None for layouts that it does not know. `wanted` as for `emit_one_pass`.
    """
    conv, lanes = case.conv, primitives.machine.lanes
    pool = case.pool if case.is_joined else None
    instead = substitute(primitives, conv, pool, x, case.w_shape, case.training)
    if instead is None:
        return None
    result = instead.pooled or instead.y
    if not case.training:
        result = wanted(result)
    if known_layout(primitives, x, lanes) is None:
        x = primitives.blocked(x.shape, lanes)
    x_layout, y_layout = (known_layout(primitives, desc, lanes) for desc in (x, result))
    if x_layout is None or y_layout is None:
        return None
    if pool is not None:
        applied = undo = pooled_activation(conv, pool)
    else:
        applied = applied_activation(conv, case.pool)
        undo = undone_activation(conv, case.pool)
    tiling = replace(
        case.tiling,
        x=x_layout,
        y=y_layout,
        rectify=applied == "rectify",
        training=case.training and pool is not None,
    )
    found = _filtering(primitives, tiling, x.shape[0], num_threads)
    return OwnConvolution(
        found.routine,
        instead,
        x,
        primitives.blocked_filters(case.w_shape, lanes),
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


def emit_image_gradient(
    primitives: Primitives, case: Case, x: MemoryDesc, y: MemoryDesc, num_threads: int
) -> Filtering | None:
    """What computes the gradient of a convolution's images by minimal filtering.

    `case` is `Case.of_images`: it takes the gradient of the results, laid out as
    `x`, filters by `Primitives.blocked`, and lays its result out as `y`. None for
    layouts that it does not know.
    """
    tiling = _tiling_of_gradient(primitives, case, x, y)
    if tiling is None:
        return None
    tiling = replace(tiling, transposed=True)
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


def emit_filter_gradient(
    primitives: Primitives, case: Case, x: MemoryDesc, y: MemoryDesc, num_threads: int
) -> FilterGradient | None:
    """What computes the gradients of a convolution's filters and biases by minimal filtering.

    It takes images, laid out as `x`, and the gradient of the results, as `y`. None
    for layouts that it does not know.
    """
    tiling = _tiling_of_gradient(primitives, case, x, y)
    if tiling is None:
        return None
    library = primitives.library
    kernel, module = compiled(
        primitives.machine,
        WinogradGradient,
        tiling,
        num_threads,
        primitives.machine.registers,
        openmp(library),
    )
    what = f"of {x.shape} with {case.w_shape}, {case.spec}"
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
        primitives.blocked_filters(case.w_shape, tiling.lanes),
    )


def _tiling_of_gradient(
    primitives: Primitives, case: Case, x: MemoryDesc, y: MemoryDesc
) -> Tiling | None:
    """The tiles of a gradient; None for layouts that our code does not know."""
    lanes = primitives.machine.lanes
    x_layout, y_layout = (known_layout(primitives, desc, lanes) for desc in (x, y))
    if x_layout is None or y_layout is None:
        return None
    return replace(case.tiling, x=x_layout, y=y_layout, biased=False, training=False)


def _filtering(
    primitives: Primitives, tiling: Tiling, n_samples: int, num_threads: int
) -> Filtering:
    """The routines of a tiling."""
    library = primitives.library
    kernel, module = compiled(
        primitives.machine, Winograd, tiling, primitives.machine.registers, openmp(library)
    )
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
