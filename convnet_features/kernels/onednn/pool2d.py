"""A pooling on its own, outside of graphs: images keep the layout that they come in."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..contract import Pool2DKernel, Pool2DSpec, check_gradient
from .binding.arrays import all_float32, empty_images, images
from .binding.declarations import Query
from .binding.objects import MemoryDesc
from .plan.support import fits, unsupported_pooling
from .program.program import Program
from .program.program_cache import ProgramCache
from .stages.pooling import pool, pool_gradient

__all__ = ["OneDNNPool2D"]

Shape = tuple[int, ...]


class OneDNNPool2D(Pool2DKernel):
    """A pooling by oneDNN, or by `portable` where that is better."""

    def __init__(self, spec: Pool2DSpec, programs: ProgramCache, portable: Pool2DKernel) -> None:
        self.spec = spec
        self._programs = programs
        self._primitives = programs.primitives
        self._portable = portable

    def forward(self, x: np.ndarray) -> np.ndarray:
        """See `Pool2DKernel.forward`."""
        ready, layout = images(x)
        program = self._program("forward", (x,), x.shape, (layout,))
        if program is None or self._loses_maxima(ready):
            return self._portable.forward(x)
        y, shown = empty_images(self.spec.output_shape(x.shape), layout)
        program.execute({"x": ready, "y": y})
        return shown

    def grad(self, x: np.ndarray, gy: np.ndarray) -> np.ndarray:
        """See `Pool2DKernel.grad`; maxima are looked for again."""
        check_gradient(gy, self.spec.output_shape(x.shape))
        ready_x, layout = images(x)
        ready_gy, gy_layout = images(gy)
        program = self._program("grad", (x, gy), x.shape, (layout, gy_layout))
        if program is None or self._loses_maxima(ready_x):
            return self._portable.grad(x, gy)
        gx, shown = empty_images(x.shape, layout)
        program.execute({"x": ready_x, "gy": ready_gy, "gx": gx})
        return shown

    def _loses_maxima(self, x: np.ndarray) -> bool:
        """Are there NaNs, which oneDNN's maximum overlooks, or -inf, which it makes finite?"""
        return self.spec.mode == "max" and not np.isfinite(x.min())

    def _program(
        self,
        what: str,
        arrays: tuple[np.ndarray, ...],
        x_shape: Shape,
        layouts: tuple[str, ...],
    ) -> Program | None:
        y_shape = self.spec.output_shape(x_shape)
        supported = not unsupported_pooling(self.spec) and fits(x_shape, y_shape)
        if not (all_float32(arrays) and supported):
            return None
        build: Callable[..., None] = getattr(self, f"_build_{what}")
        work = math.prod(x_shape)
        return self._programs.get(
            (self.spec, what, x_shape, layouts),
            work,
            lambda program: build(program, x_shape, *layouts),
        )

    def _build_forward(self, program: Program, x_shape: Shape, layout: str) -> None:
        primitives = self._primitives
        x, y = self._descs(x_shape, layout)
        primitive = primitives.pooling_forward(self.spec, x, y)
        pool(program, primitive, program.external("x", x), program.external("y", y))

    def _build_grad(self, program: Program, x_shape: Shape, layout: str, gy_layout: str) -> None:
        primitives = self._primitives
        x, y = self._descs(x_shape, layout)
        forward = primitives.pooling_forward(self.spec, x, y, training=True)
        backward = primitives.pooling_backward(self.spec, x, y, forward)
        gy = program.external("gy", primitives.images(y.shape, gy_layout))
        workspace = None
        if forward.desc(Query.WORKSPACE).size:
            workspace = pool(
                program, forward, program.external("x", x), program.temporary(y), program.temporary
            )
        gx = program.external("gx", x)
        pool_gradient(program, backward, program.reorder(gy, y), gx, workspace)

    def _descs(self, x_shape: Shape, layout: str) -> tuple[MemoryDesc, MemoryDesc]:
        y_shape = self.spec.output_shape(x_shape)
        return (
            self._primitives.images(x_shape, layout),
            self._primitives.images(y_shape, layout),
        )
