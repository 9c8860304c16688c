"""Convolutions by Winograd's algorithm: see `kernels.jit.winograd`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ...jit.geometry import Layout
from ...jit.winograd import ARGUMENTS, FILTERS_ARGUMENTS, Winograd
from ...jit.winograd_gradient import (
    ACCUMULATE_ARGUMENTS,
    FINISH_ARGUMENTS,
    WinogradGradient,
)
from ...jit.winograd_transform import Tiling
from ..binding.objects import MemoryDesc
from ..binding.primitives import Primitives
from ..plan.activations import (
    applied_activation,
    pooled_activation,
    undone_activation,
)
from ..plan.case import Case
from ..program.code_cache import compiled
from ..program.routine import Routine
from ..program.storage import Value
from .backward import BackwardEmitter
from .forward import Part, Tail
from .forward_plan import Record
from .generated_convolution import (
    GeneratedConvolution,
    known_layout,
    replaced_primitives,
)

__all__ = [
    "FilterGradient",
    "TransformedConvolution",
    "filter_gradient",
    "forward",
    "image_gradient",
]


def forward(
    primitives: Primitives,
    case: Case,
    x: MemoryDesc,
    num_threads: int,
    wanted: Callable[[MemoryDesc], MemoryDesc],
    tail: Tail,
    part: Callable[[MemoryDesc], Part | None],
) -> GeneratedConvolution | None:
    """What computes a convolution, and a pooling or a sum behind it, by Winograd's algorithm.

    None for layouts that it does not know. `wanted` as for `pooled_convolution.forward`; `tail` is
    the sum; `part` says where results lie in what they are joined to.
    """
    conv, lanes = case.conv, primitives.machine.lanes
    pool = case.pool if case.is_joined else None
    replaced = replaced_primitives(primitives, conv, pool, x, case.w_shape, case.training)
    if replaced is None:
        return None
    result = replaced.pooled or replaced.y
    if not case.training:
        result = wanted(result)
    if known_layout(primitives, x, lanes) is None:
        x = primitives.blocked(x.shape, lanes)
    x_layout, y_layout = (known_layout(primitives, desc, lanes) for desc in (x, result))
    if x_layout is None or y_layout is None:
        return None
    place = None if case.training or tail.nodes else part(result)
    if place is not None and place.value.desc != result:
        whole = (place.n_channels, *result.shape[2:])
        result, y_layout = place.value.desc, Layout.channels_last(whole, lanes)
    if pool is not None:
        applied = undo = pooled_activation(conv, pool)
    else:
        applied = applied_activation(conv, case.pool)
        undo = undone_activation(conv, case.pool)
    for node in tail.nodes:
        applied = undo = node.stage.activation or "linear"
    tiling = replace(
        case.tiling,
        x=x_layout,
        y=y_layout,
        rectify=applied == "rectify",
        training=case.training and pool is not None,
        adds=bool(tail.nodes),
    )
    found = _transformed(primitives, tiling, x.shape[0], num_threads)
    return GeneratedConvolution(
        found.routine,
        replaced,
        x,
        primitives.blocked_filters(case.w_shape, lanes),
        result,
        undo,
        found.prepare,
        found.prepared,
        tail,
        None if place is None else place.value,
    )


@dataclass(frozen=True)
class TransformedConvolution:
    """The two routines of a convolution by Winograd's algorithm.

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

    def emit(self, emit: BackwardEmitter, record: Record, gradient: Value) -> None:
        """Emit the steps for the gradient of a convolution's images."""
        program, primitives = emit.program, emit.primitives
        w = emit.parameter(record)
        w = program.reorder(w, primitives.blocked(record.w_shape, primitives.machine.lanes))
        prepared = program.temporary(self.prepared)
        program.call(self.prepare, {"w": w, "u": prepared})
        result = emit.gradient_of_input(record, record.x_desc)
        program.call(self.routine, {"x": gradient, "w": prepared, "y": result})


def image_gradient(
    emit: BackwardEmitter, case: Case, record: Record
) -> TransformedConvolution | None:
    """What computes the gradient of a convolution's images by Winograd's algorithm.

    `case` is `Case.of_images`: the convolution of the results' gradient that is the
    gradient of the images. None for layouts that it does not know.
    """
    gradient = record.y_desc
    tiling = _tiling_of_gradient(emit.primitives, case, gradient, record.x_desc)
    if tiling is None:
        return None
    tiling = replace(tiling, transposed=True)
    return _transformed(emit.primitives, tiling, gradient.shape[0], emit.program.num_threads)


@dataclass(frozen=True)
class FilterGradient:
    """The two routines of a filters' gradient by Winograd's algorithm.

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

    def emit(self, emit: BackwardEmitter, record: Record, gradient: Value) -> None:
        """Emit the steps for the gradients of a convolution's filters and biases."""
        program = emit.program
        x = emit.read(record.x, record.x_desc)
        sums, gw = program.temporary(self.sums), program.temporary(self.gw)
        gb = emit.gradient_of_bias(record)
        program.call(self.accumulate, {"x": x, "g": gradient, "sums": sums})
        program.call(self.finish, {"sums": sums, "gw": gw, "gb": gb})
        program.reorder_into(gw, emit.gradient_of_parameter(record))


def filter_gradient(emit: BackwardEmitter, case: Case, record: Record) -> FilterGradient | None:
    """What computes the gradients of a convolution's filters and biases by Winograd's algorithm.

    None for layouts that it does not know.
    """
    primitives, x, num_threads = emit.primitives, record.x_desc, emit.program.num_threads
    tiling = _tiling_of_gradient(primitives, case, x, record.y_desc)
    if tiling is None:
        return None
    library = primitives.library
    kernel, module = compiled(
        primitives,
        WinogradGradient,
        tiling,
        num_threads,
        primitives.machine.registers,
    )
    what = f"of {x.shape} with {case.w_shape}, {case.spec}"
    accumulate = Routine(
        library,
        f"gradient by the filters by Winograd's algorithm {what}",
        module.address("accumulate"),
        module,
        ACCUMULATE_ARGUMENTS,
        {"n_samples": x.shape[0]},
        kernel.scratch(num_threads),
    )
    finish = Routine(
        library,
        f"end of the gradient by the filters by Winograd's algorithm {what}",
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


def _transformed(
    primitives: Primitives, tiling: Tiling, n_samples: int, num_threads: int
) -> TransformedConvolution:
    """The routines of a tiling."""
    library = primitives.library
    kernel, module = compiled(primitives, Winograd, tiling, primitives.machine.registers)
    what = f"of {(n_samples, *tiling.image)} with {tiling.filters}, padding {tiling.padding}"
    behind = ", pooled" if tiling.pooled else ", added" if tiling.adds else ""
    routine = Routine(
        library,
        f"Winograd convolution {what}{behind}",
        module.address("forward"),
        module,
        ARGUMENTS,
        {"n_samples": n_samples},
        kernel.scratch(num_threads),
    )
    prepare = Routine(
        library,
        f"filters for a Winograd convolution {what}",
        module.address("filters"),
        module,
        FILTERS_ARGUMENTS,
        {},
        0,
    )
    return TransformedConvolution(routine, prepare, primitives.strided((kernel.u_size,)))
