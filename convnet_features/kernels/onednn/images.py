"""Convolution and pooling on their own, outside of stacks.

Convolutions work on channels-last images and return such: a transposed view of
a NumPy array that the next kernel takes as it is. Poolings keep the layout that
they get.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from convnet_features.kernels.contract import (
    Conv2DKernel,
    Conv2DSpec,
    Pool2DKernel,
    Pool2DSpec,
)
from convnet_features.kernels.onednn.arrays import (
    CHANNELS_LAST,
    PLAIN,
    all_float32,
    flipped,
    images,
    plain,
)
from convnet_features.kernels.onednn.declarations import Arg, Query
from convnet_features.kernels.onednn.primitives import MemoryDesc, Primitive, UnsupportedError
from convnet_features.kernels.onednn.program import Program, Value
from convnet_features.kernels.onednn.program_cache import ProgramCache
from convnet_features.kernels.onednn.stack_forward import describe_images
from convnet_features.kernels.onednn.support import (
    fits,
    supports_convolution,
    supports_pooling,
)

__all__ = ["OneDNNConv2D", "OneDNNPool2D"]

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
        ready, layout = _channels_last_if_one(gy)
        program = self._program("grad_input", (w, gy), tuple(x_shape), w.shape, (layout,))
        if program is None:
            return self._portable.grad_input(x_shape, w, gy)
        gx, shown = empty_images(tuple(x_shape), CHANNELS_LAST)
        program.execute({"gy": ready, "w": self._oriented(w), "gx": gx})
        return shown

    def grad_weights(self, x: np.ndarray, w_shape: Shape, gy: np.ndarray) -> np.ndarray:
        """See `Conv2DKernel.grad_weights`."""
        ready_x, x_layout = _channels_last_if_one(x)
        ready_gy, gy_layout = _channels_last_if_one(gy)
        layouts = (x_layout, gy_layout)
        program = self._program("grad_weights", (x, gy), x.shape, tuple(w_shape), layouts)
        if program is None:
            return self._portable.grad_weights(x, w_shape, gy)
        gw = np.empty(w_shape, dtype=np.float32)
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
        supported = supports_convolution(self.spec) and fits(x_shape, w_shape, y_shape)
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
        primitive = self._with_best_layouts(
            x_shape,
            y_shape,
            lambda x, y: primitives.convolution_forward(
                self.spec, x, primitives.any(w_shape), None, y
            ),
        )
        x = program.external("x", describe_images(primitives, x_shape, x_layout))
        w = program.external("w", primitives.strided(w_shape))
        y = program.external("y", describe_images(primitives, y_shape, CHANNELS_LAST))
        run_into(
            program,
            primitive,
            {
                Arg.SRC: program.reorder(x, primitive.desc(Query.SRC, x_shape)),
                Arg.WEIGHTS: program.reorder(w, primitive.desc(Query.WEIGHTS, w_shape)),
            },
            Arg.DST,
            primitive.desc(Query.DST, y_shape),
            y,
        )

    def _build_grad_input(
        self, program: Program, x_shape: Shape, w_shape: Shape, gy_layout: str
    ) -> None:
        primitives = self._primitives
        y_shape = self.spec.output_shape(x_shape, w_shape)
        hint = self._hint(x_shape, w_shape, y_shape)
        primitive = self._with_best_layouts(
            x_shape,
            y_shape,
            lambda gx, gy: primitives.convolution_backward_data(
                self.spec, gx, primitives.any(w_shape), gy, hint
            ),
        )
        gy = program.external("gy", describe_images(primitives, y_shape, gy_layout))
        w = program.external("w", primitives.strided(w_shape))
        gx = program.external("gx", describe_images(primitives, x_shape, CHANNELS_LAST))
        run_into(
            program,
            primitive,
            {
                Arg.DIFF_DST: program.reorder(gy, primitive.desc(Query.DIFF_DST, y_shape)),
                Arg.WEIGHTS: program.reorder(w, primitive.desc(Query.WEIGHTS, w_shape)),
            },
            Arg.DIFF_SRC,
            primitive.desc(Query.DIFF_SRC, x_shape),
            gx,
        )

    def _build_grad_weights(
        self, program: Program, x_shape: Shape, w_shape: Shape, x_layout: str, gy_layout: str
    ) -> None:
        primitives = self._primitives
        y_shape = self.spec.output_shape(x_shape, w_shape)
        hint = self._hint(x_shape, w_shape, y_shape)
        primitive = self._with_best_layouts(
            x_shape,
            y_shape,
            lambda x, gy: primitives.convolution_backward_weights(
                self.spec, x, primitives.any(w_shape), None, gy, hint
            ),
        )
        x = program.external("x", describe_images(primitives, x_shape, x_layout))
        gy = program.external("gy", describe_images(primitives, y_shape, gy_layout))
        gw = program.external("gw", primitives.strided(w_shape))
        run_into(
            program,
            primitive,
            {
                Arg.SRC: program.reorder(x, primitive.desc(Query.SRC, x_shape)),
                Arg.DIFF_DST: program.reorder(gy, primitive.desc(Query.DIFF_DST, y_shape)),
            },
            Arg.DIFF_WEIGHTS,
            primitive.desc(Query.DIFF_WEIGHTS, w_shape),
            gw,
        )

    def _hint(self, x_shape: Shape, w_shape: Shape, y_shape: Shape) -> Primitive:
        """The forward convolution, which gradients want to be told of."""
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
        x_last = describe_images(primitives, x_shape, CHANNELS_LAST)
        y_last = describe_images(primitives, y_shape, CHANNELS_LAST)
        for x, y in ((x_last, y_last), (x_any, y_last)):
            try:
                return make(x, y)
            except UnsupportedError:
                continue
        return make(x_any, y_any)


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
        supported = supports_pooling(self.spec) and fits(x_shape, y_shape)
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
        arguments = {Arg.SRC: program.external("x", x), Arg.DST: program.external("y", y)}
        program.run(primitive, arguments)

    def _build_grad(self, program: Program, x_shape: Shape, layout: str, gy_layout: str) -> None:
        primitives = self._primitives
        x, y = self._descs(x_shape, layout)
        forward = primitives.pooling_forward(self.spec, x, y, training=True)
        backward = primitives.pooling_backward(self.spec, x, y, forward)
        gy = program.external("gy", describe_images(primitives, y.shape, gy_layout))
        arguments = {
            Arg.DIFF_DST: program.reorder(gy, y),
            Arg.DIFF_SRC: program.external("gx", x),
        }
        workspace = forward.desc(Query.WORKSPACE)
        if workspace.size:
            arguments[Arg.WORKSPACE] = program.temporary(workspace)
            program.run(
                forward,
                {
                    Arg.SRC: program.external("x", x),
                    Arg.DST: program.temporary(y),
                    Arg.WORKSPACE: arguments[Arg.WORKSPACE],
                },
            )
        program.run(backward, arguments)

    def _descs(self, x_shape: Shape, layout: str) -> tuple[MemoryDesc, MemoryDesc]:
        y_shape = self.spec.output_shape(x_shape)
        return (
            describe_images(self._primitives, x_shape, layout),
            describe_images(self._primitives, y_shape, layout),
        )


def run_into(
    program: Program,
    primitive: Primitive,
    arguments: dict[int, Value],
    result: int,
    desc: MemoryDesc,
    target: Value,
) -> None:
    """Run `primitive` with its result in `target`, by way of another layout if need be."""
    direct = target.desc == desc
    value = target if direct else program.temporary(desc)
    program.run(primitive, {**arguments, result: value})
    if not direct:
        program.reorder_into(value, target)


def empty_images(shape: Shape, layout: str) -> tuple[np.ndarray, np.ndarray]:
    """New images as they lie in memory, and as callers see them: (n, channels, rows, columns)."""
    if layout == PLAIN:
        array = np.empty(shape, dtype=np.float32)
        return array, array
    n_samples, channels, rows, columns = shape
    array = np.empty((n_samples, rows, columns, channels), dtype=np.float32)
    return array, array.transpose(0, 3, 1, 2)


def _channels_last_if_one(x: np.ndarray) -> tuple[np.ndarray, str]:
    """`images`, but images of one channel count as channels-last, which they are as well."""
    ready, layout = images(x)
    if layout == PLAIN and x.shape[1] == 1:
        return ready.reshape(x.shape[0], x.shape[2], x.shape[3], 1), CHANNELS_LAST
    return ready, layout
