"""The gradients of a convolution behind which a max pooling stands, from the winners alone.

oneDNN would first write the gradient of the convolved images, most of which is
zeros, and then multiply all of it: see `kernels.jit.pooled_convolution`.

NaN and infinite gradients spread as they do in oneDNN. Infinite pixels that won
no window do not: oneDNN would multiply them by zero, which is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from convnet_features.kernels.contract import Conv2DSpec, ConvStage, Pool2DSpec, PoolStage
from convnet_features.kernels.jit.compiler import CompiledModule
from convnet_features.kernels.jit.geometry import Geometry
from convnet_features.kernels.jit.pooled_convolution import (
    FILTERS_ARGUMENTS,
    IMAGES_ARGUMENTS,
    PooledConvolution,
)
from convnet_features.kernels.machine import Machine
from convnet_features.kernels.onednn.generated import (
    LARGEST_WINDOW,
    generated,
    is_worth_it,
    openmp,
)
from convnet_features.kernels.onednn.objects import MemoryDesc
from convnet_features.kernels.onednn.primitives import Primitives
from convnet_features.kernels.onednn.routine import Routine
from convnet_features.kernels.onednn.stack_plan import Record

__all__ = ["Winners", "find_winners", "geometry_of_winners"]

#: Taps, for all places at an image's border and inside, beyond which there would be too much code.
MOST_TAPS = 1000


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


def geometry_of_winners(
    conv: Conv2DSpec,
    pool: Pool2DSpec,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    machine: Machine,
) -> Geometry | None:
    """What the gradients of a convolution and the pooling behind it depend on, on a machine.

    None where there are no routines for them, where oneDNN does better, and
    where no code can be generated.
    """
    _, channels, height, width = x_shape
    count, _, rows, columns = w_shape
    work = math.prod(w_shape[1:]) * math.prod(conv.output_shape(x_shape, w_shape))
    if (
        pool.mode != "max"
        or any(pool.padding)
        or math.prod(pool.stride) < 4
        or math.prod(pool.window) > LARGEST_WINDOW
        # Vectors of channels that are mostly padding are no better than zeros.
        or channels < machine.lanes
        or not is_worth_it(work, True, machine)
    ):
        return None
    image, filters = (channels, height, width), (count, rows, columns)
    geometry = Geometry(conv, pool, image, filters, machine.lanes)
    # Somewhere a filter lies all beside the image: oneDNN does not lay such out in blocks either.
    if not all(geometry.classes) or sum(map(len, geometry.classes)) > MOST_TAPS:
        return None
    return geometry


def find_winners(primitives: Primitives, before: Record, pooling: Record) -> Winners | None:
    """Routines for the gradients of `before`, a convolution, and `pooling` behind it.

    None where there are none: see `geometry_of_winners`; and where images are
    laid out otherwise than in blocks.
    """
    conv, pool, machine = before.stage, pooling.stage, primitives.machine
    if not (isinstance(conv, ConvStage) and isinstance(pool, PoolStage)):
        return None
    if before.undo != "linear":
        return None
    geometry = geometry_of_winners(
        conv.conv, pool.pool, before.x_desc.shape, before.w_shape, machine
    )
    if geometry is None or not _blocked(primitives, pooling, geometry.lanes):
        return None
    kernels, module = generated(
        machine, PooledConvolution, geometry, machine.registers, openmp(primitives.library)
    )
    return Winners(
        primitives,
        kernels,
        module,
        primitives.blocked(before.x_desc.shape, geometry.lanes),
        primitives.blocked(before.w_shape, geometry.lanes),
        pooling.y_desc,
    )


def _blocked(primitives: Primitives, pooling: Record, lanes: int) -> bool:
    """Are pooled images in blocks of so many channels, and one byte for each says who won?"""
    desc, winners = pooling.y_desc, pooling.workspace
    if winners is None or winners.desc.size * 4 != desc.size:
        return False
    return desc == primitives.blocked(desc.shape, lanes)
