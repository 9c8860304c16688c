"""A convolution on its own, outside of graphs: the steps of `stages.convolution` alone.

It works on channels-last images and returns channels-last images: a transposed view of a
NumPy array, which the next kernel takes as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..contract import Conv2DKernel, Conv2DSpec, check_gradient
from ..memory import empty
from .binding.arrays import (
    all_float32,
    empty_images,
    flipped,
    images,
    plain,
)
from .binding.objects import MemoryDesc, Primitive
from .binding.primitives import first_supported
from .plan.layouts import CHANNELS_LAST, PLAIN
from .plan.support import fits, unsupported_convolution
from .program.program import Program
from .program.program_cache import ProgramCache
from .stages.convolution import convolve, filter_gradient, image_gradient

__all__ = ["OneDNNConv2D"]

Shape = tuple[int, ...]


class OneDNNConv2D(Conv2DKernel):
    """A convolution by oneDNN, or by `portable` where that is better."""

    def __init__(self, spec: Conv2DSpec, programs: ProgramCache, portable: Conv2DKernel) -> None:
        self.spec = spec
        self._programs = programs
        self._primitives = programs.primitives
        self._portable = portable

    def forward(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        """See `Conv2DKernel.forward`."""
        ready, layout = _channels_last_if_one(x)
        program = self._program("forward", (x, w), x.shape, w.shape, (layout,))
        if program is None:
            return self._portable.forward(x, w)
        y, shown = empty_images(self.spec.output_shape(x.shape, w.shape), CHANNELS_LAST)
        program.execute({"x": ready, "w": self._oriented(w), "y": y})
        return shown

    def grad_input(self, x_shape: Shape, w: np.ndarray, gy: np.ndarray) -> np.ndarray:
        """See `Conv2DKernel.grad_input`."""
        check_gradient(gy, self.spec.output_shape(x_shape, w.shape))
        ready, layout = _channels_last_if_one(gy)
        program = self._program("grad_input", (w, gy), tuple(x_shape), w.shape, (layout,))
        if program is None:
            return self._portable.grad_input(x_shape, w, gy)
        gx, shown = empty_images(tuple(x_shape), CHANNELS_LAST)
        program.execute({"gy": ready, "w": self._oriented(w), "gx": gx})
        return shown

    def grad_weights(self, x: np.ndarray, w_shape: Shape, gy: np.ndarray) -> np.ndarray:
        """See `Conv2DKernel.grad_weights`."""
        check_gradient(gy, self.spec.output_shape(x.shape, w_shape))
        ready_x, x_layout = _channels_last_if_one(x)
        ready_gy, gy_layout = _channels_last_if_one(gy)
        layouts = (x_layout, gy_layout)
        program = self._program("grad_weights", (x, gy), x.shape, tuple(w_shape), layouts)
        if program is None:
            return self._portable.grad_weights(x, w_shape, gy)
        gw = empty(w_shape)
        program.execute({"x": ready_x, "gy": ready_gy, "gw": gw})
        return self._oriented(gw)

    def _oriented(self, w: np.ndarray) -> np.ndarray:
        """Filters as oneDNN, which correlates, must see them; and back."""
        return flipped(w) if self.spec.flip_filters else plain(w)

    def _program(
        self,
        what: str,
        arrays: tuple[np.ndarray, ...],
        x_shape: Shape,
        w_shape: Shape,
        layouts: tuple[str, ...],
    ) -> Program | None:
        y_shape = self.spec.output_shape(x_shape, w_shape)
        supported = not unsupported_convolution(self.spec) and fits(x_shape, w_shape, y_shape)
        if not (all_float32(arrays) and supported):
            return None
        build: Callable[..., None] = getattr(self, f"_build_{what}")
        work = math.prod(w_shape) * math.prod(y_shape) // y_shape[1]
        return self._programs.get(
            (self.spec, what, x_shape, w_shape, layouts),
            work,
            lambda program: build(program, x_shape, w_shape, *layouts),
        )

    def _build_forward(
        self, program: Program, x_shape: Shape, w_shape: Shape, x_layout: str
    ) -> None:
        primitives = self._primitives
        y_shape = self.spec.output_shape(x_shape, w_shape)
        x = program.external("x", primitives.images(x_shape, x_layout))
        w = program.external("w", primitives.filters(self.spec, w_shape))
        y = program.external("y", primitives.images(y_shape, CHANNELS_LAST))
        primitive = self._with_best_layouts(
            x_shape,
            y_shape,
            lambda x, y: primitives.convolution_forward(
                self.spec, x, primitives.any(w.desc.shape), None, y
            ),
        )
        result = convolve(
            program, primitive, x, w, None, y_shape, lambda desc: program.room_for(y, desc)
        )
        program.bring(result, y)

    def _build_grad_input(
        self, program: Program, x_shape: Shape, w_shape: Shape, gy_layout: str
    ) -> None:
        primitives = self._primitives
        y_shape = self.spec.output_shape(x_shape, w_shape)
        gy = program.external("gy", primitives.images(y_shape, gy_layout))
        w = program.external("w", primitives.filters(self.spec, w_shape))
        gx = program.external("gx", primitives.images(x_shape, CHANNELS_LAST))
        hint = self._hint(x_shape, w.desc.shape, y_shape)
        primitive = self._with_best_layouts(
            x_shape,
            y_shape,
            lambda gx, gy: primitives.convolution_backward_data(
                self.spec, gx, primitives.any(w.desc.shape), gy, hint
            ),
        )
        result = image_gradient(
            program, primitive, w, gy, x_shape, lambda desc: program.room_for(gx, desc)
        )
        program.bring(result, gx)

    def _build_grad_weights(
        self, program: Program, x_shape: Shape, w_shape: Shape, x_layout: str, gy_layout: str
    ) -> None:
        primitives = self._primitives
        y_shape = self.spec.output_shape(x_shape, w_shape)
        x = program.external("x", primitives.images(x_shape, x_layout))
        gy = program.external("gy", primitives.images(y_shape, gy_layout))
        gw = program.external("gw", primitives.filters(self.spec, w_shape))
        hint = self._hint(x_shape, gw.desc.shape, y_shape)
        primitive = self._with_best_layouts(
            x_shape,
            y_shape,
            lambda x, gy: primitives.convolution_backward_weights(
                self.spec, x, primitives.any(gw.desc.shape), None, gy, hint
            ),
        )
        filter_gradient(program, primitive, x, gy, gw, None)

    def _hint(self, x_shape: Shape, w_shape: Shape, y_shape: Shape) -> Primitive:
        """The forward convolution: oneDNN needs it to describe its gradients."""
        any_of = self._primitives.any
        return self._primitives.convolution_forward(
            self.spec, any_of(x_shape), any_of(w_shape), None, any_of(y_shape), training=True
        )

    def _with_best_layouts(
        self, x_shape: Shape, y_shape: Shape, make: Callable[[MemoryDesc, MemoryDesc], Primitive]
    ) -> Primitive:
        """Channels-last on both sides if oneDNN can, else what it prefers."""
        primitives = self._primitives
        x_any, y_any = primitives.any(x_shape), primitives.any(y_shape)
        x_last = primitives.images(x_shape, CHANNELS_LAST)
        y_last = primitives.images(y_shape, CHANNELS_LAST)
        return first_supported(make, ((x_last, y_last), (x_any, y_last), (x_any, y_any)))


def _channels_last_if_one(x: np.ndarray) -> tuple[np.ndarray, str]:
    """`images`, but images of one channel count as channels-last, which they are as well."""
    ready, layout = images(x)
    if layout == PLAIN and x.shape[1] == 1:
        return ready.reshape(x.shape[0], x.shape[2], x.shape[3], 1), CHANNELS_LAST
    return ready, layout
