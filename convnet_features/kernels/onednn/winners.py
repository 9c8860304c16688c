"""The gradients of a convolution behind which a max pooling stands, from the winners alone.

oneDNN would first write the gradient of the convolved images, most of which is
zeros, and then multiply all of it: see `kernels.jit.pooled_convolution`.

NaN and infinite gradients spread as they do in oneDNN. Infinite pixels that won
no window do not: oneDNN would multiply them by zero, which is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

from convnet_features.kernels.jit.compiler import CompiledModule
from convnet_features.kernels.jit.pooled_convolution import (
    FILTERS_ARGUMENTS,
    IMAGES_ARGUMENTS,
    PooledConvolution,
)
from convnet_features.kernels.onednn.binding.objects import MemoryDesc
from convnet_features.kernels.onednn.binding.primitives import Primitives
from convnet_features.kernels.onednn.plan.choice import Case
from convnet_features.kernels.onednn.program.code_cache import compiled, openmp
from convnet_features.kernels.onednn.program.routine import Routine
from convnet_features.kernels.onednn.stack_plan import Record

__all__ = ["Winners", "emit_winners"]


@dataclass(frozen=True)
class Winners:
    """Routines for one convolution and its pooling, and the layouts that they want.

    Attributes
    ----------
    x, w, pooled : MemoryDesc
        Of the images and their gradient, of the filters and theirs, and of the
        pooled images' gradient.
    """

    primitives: Primitives
    kernels: PooledConvolution
    module: CompiledModule
    x: MemoryDesc
    w: MemoryDesc
    pooled: MemoryDesc

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


def emit_winners(primitives: Primitives, case: Case, pooling: Record) -> Winners | None:
    """Routines for the gradients of a convolution and `pooling` behind it.

    None where images are laid out otherwise than in blocks.
    """
    geometry = case.geometry
    if not _blocked(primitives, pooling, geometry.lanes):
        return None
    kernels, module = compiled(
        primitives.machine,
        PooledConvolution,
        geometry,
        primitives.machine.registers,
        openmp(primitives.library),
    )
    return Winners(
        primitives,
        kernels,
        module,
        primitives.blocked(case.x_shape, geometry.lanes),
        primitives.blocked(case.w_shape, geometry.lanes),
        pooling.y_desc,
    )


def _blocked(primitives: Primitives, pooling: Record, lanes: int) -> bool:
    """Are pooled images in blocks of so many channels, and one byte for each says who won?"""
    desc, winners = pooling.y_desc, pooling.workspace
    if winners is None or winners.desc.size * 4 != desc.size:
        return False
    return desc == primitives.blocked(desc.shape, lanes)
