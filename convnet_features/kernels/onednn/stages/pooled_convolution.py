"""A convolution and the max pooling behind it, and their gradient, by generated code.

Forward, pixels stay in registers until their maximum is known (`kernels.jit.pooled_convolution`);
oneDNN computes one after the other, through memory. Backward, only the places of the maxima are
multiplied (`kernels.jit.pooled_convolution_gradient`); oneDNN would first write the gradient of the
convolved images, most of which is zeros, and then multiply all of it.

NaN and infinite gradients spread as they do in oneDNN. Infinite pixels that were no maximum do
not: oneDNN would multiply them by zero, which is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...jit.compiler import CompiledModule
from ...jit.geometry import Geometry
from ...jit.pooled_convolution import ARGUMENTS, PooledConvolution
from ...jit.pooled_convolution_gradient import (
    FILTERS_ARGUMENTS,
    IMAGES_ARGUMENTS,
    PooledConvolutionGradient,
)
from ..binding.objects import MemoryDesc
from ..binding.primitives import Primitives
from ..plan.activations import pooled_activation
from ..plan.case import Case
from ..program.code_cache import compiled
from ..program.routine import Routine
from ..program.storage import Value
from .backward import BackwardEmitter
from .forward_plan import Record
from .generated_convolution import (
    GeneratedConvolution,
    known_layout,
    replaced_primitives,
)

__all__ = ["PooledGradient", "forward", "gradient"]


def forward(
    primitives: Primitives,
    case: Case,
    x: MemoryDesc,
    num_threads: int,
    wanted: Callable[[MemoryDesc], MemoryDesc],
) -> GeneratedConvolution | None:
    """What computes a convolution and its pooling at once; None for layouts that it does not know.

    `wanted` says how the next stage wants pooled images that would otherwise be
    laid out so; in training, that is up to the gradients.
    """
    assert case.pool is not None
    if x != primitives.strided(x.shape):
        return None
    replaced = replaced_primitives(primitives, case.conv, case.pool, x, case.w_shape, case.training)
    if replaced is None:
        return None
    assert replaced.pooled is not None
    pooled = replaced.pooled if case.training else wanted(replaced.pooled)
    geometry, undo = case.geometry, pooled_activation(case.conv, case.pool)
    routine = _routine(
        primitives, geometry, x.shape[0], pooled, undo == "rectify", case.training, num_threads
    )
    if routine is None:
        return None
    w = primitives.blocked_filters(case.w_shape, geometry.lanes)
    return GeneratedConvolution(routine, replaced, x, w, pooled, undo)


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
        primitives,
        PooledConvolution,
        geometry,
        layout,
        rectify,
        training,
        machine.registers,
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


@dataclass(frozen=True)
class PooledGradient:
    """Routines for one convolution and its pooling, and the layouts that they want.

    Attributes
    ----------
    x, w, pooled : MemoryDesc
        Of the images and their gradient, of the filters and theirs, and of the
        pooled images' gradient.
    """

    primitives: Primitives
    kernels: PooledConvolutionGradient
    module: CompiledModule
    x: MemoryDesc
    w: MemoryDesc
    pooled: MemoryDesc

    def emit(self, emit: BackwardEmitter, pooling: Record, gradient: Value) -> None:
        """Emit the steps for the gradients of the convolution in front of a pooling."""
        program, record = emit.program, emit.records[pooling.inputs[0]]
        assert pooling.workspace is not None
        g = program.reorder(gradient, self.pooled)
        positions = program.recall(pooling.workspace)
        x = emit.read(record.x, record.x_desc)
        gw = program.temporary(self.w)
        gb = emit.gradient_of_bias(record)
        arguments = {"x": program.reorder(x, self.x), "g": g, "positions": positions}
        program.call(self.filters(), {**arguments, "gw": gw, "gb": gb})
        program.reorder_into(gw, emit.gradient_of_parameter(record))
        if not emit.needs[record.inputs[0]]:
            return
        w = program.reorder(emit.parameter(record), self.w)
        result = emit.gradient_of_input(record, self.x)
        arguments = {"w": w, "g": g, "positions": positions, "gx": result}
        program.call(self.images(program.num_threads), arguments)

    def filters(self) -> Routine:
        """The gradients of filters and biases."""
        return self._routine("filters", FILTERS_ARGUMENTS, self.kernels.filters_scratch())

    def images(self, num_threads: int) -> Routine:
        """The gradient of the images."""
        return self._routine("images", IMAGES_ARGUMENTS, self.kernels.images_scratch(num_threads))

    def _routine(self, name: str, arguments: tuple[str, ...], scratch: int) -> Routine:
        geometry = self.kernels.geometry
        classes, starts = geometry.places
        return Routine(
            self.primitives.library,
            f"gradient by the {name} of a pooled convolution of {self.x.shape} with "
            f"{self.w.shape}, {geometry.conv}, {geometry.pool}",
            self.module.address(name),
            self.module,
            arguments,
            {"classes": classes, "starts": starts, "n_samples": self.x.shape[0]},
            scratch,
        )


def gradient(primitives: Primitives, case: Case, pooling: Record) -> PooledGradient | None:
    """Routines for the gradients of a convolution and `pooling` behind it.

    None where images are laid out otherwise than in blocks.
    """
    geometry = case.geometry
    if not _blocked(primitives, pooling, geometry.lanes):
        return None
    kernels, module = compiled(
        primitives,
        PooledConvolutionGradient,
        geometry,
        primitives.machine.registers,
    )
    return PooledGradient(
        primitives,
        kernels,
        module,
        primitives.blocked(case.x_shape, geometry.lanes),
        primitives.blocked(case.w_shape, geometry.lanes),
        pooling.y_desc,
    )


def _blocked(primitives: Primitives, pooling: Record, lanes: int) -> bool:
    """Are pooled images in blocks of so many channels, with a byte for the place of each?"""
    desc, positions = pooling.y_desc, pooling.workspace
    if positions is None or positions.desc.size * 4 != desc.size:
        return False
    return desc == primitives.blocked(desc.shape, lanes)
