"""The backward program of a stack."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    NormStage,
    PoolStage,
)
from convnet_features.kernels.onednn.buffers import BufferPool
from convnet_features.kernels.onednn.declarations import Arg, Query
from convnet_features.kernels.onednn.objects import MemoryDesc, Primitive, UnsupportedError
from convnet_features.kernels.onednn.primitives import Primitives
from convnet_features.kernels.onednn.program import Program
from convnet_features.kernels.onednn.stack_plan import ForwardPlan, Record
from convnet_features.kernels.onednn.storage import Value
from convnet_features.kernels.onednn.winners import Winners, find_winners
from convnet_features.kernels.onednn.winograd import (
    FilterGradient,
    Filtering,
    find_filter_gradient,
    find_image_gradient,
)

__all__ = ["build_backward"]


def build_backward(
    primitives: Primitives,
    pool: BufferPool,
    plan: ForwardPlan,
    input_grad: bool,
    num_threads: int,
) -> Program:
    """Make the program of the gradients, for `num_threads` threads.

    The caller's arrays are called ``x``, ``y``, ``p0``, ... as in the forward
    program, ``gy`` for the gradient that comes in, ``g0``, ... for those of the
    parameters and ``gx``, plain, for that of the images.
    """
    return _Builder(primitives, pool, plan, input_grad, num_threads).build()


class _Builder:
    def __init__(
        self,
        primitives: Primitives,
        pool: BufferPool,
        plan: ForwardPlan,
        input_grad: bool,
        num_threads: int,
    ) -> None:
        self.primitives = primitives
        self.plan = plan
        self.input_grad = input_grad
        self.program = Program(primitives, pool, num_threads, plan.program.saved)

    def build(self) -> Program:
        records = self.plan.records
        lowest = 0 if self.input_grad else self._first_with_params()
        gradient = self.program.external("gy", self.primitives.strided(self.plan.y_shape))
        index = len(records)
        while index > lowest:
            index -= 1
            record = records[index]
            gradient = self._undo(record, gradient)
            goes_on = index > lowest or self.input_grad
            if index > lowest and (winners := self._winners(index)):
                index -= 1
                goes_on = index > lowest or self.input_grad
                gradient = self._convolve_winners(winners, record, gradient, index, goes_on)
            elif isinstance(record.stage, PoolStage):
                gradient = self._pool(record, gradient, index)
            elif isinstance(record.stage, ConvStage):
                gradient = self._convolve(record, gradient, index, goes_on)
            elif isinstance(record.stage, DenseStage):
                gradient = self._multiply(record, gradient, index, goes_on)
            elif isinstance(record.stage, NormStage):
                gradient = self._normalise(record, gradient, index)
            else:
                gradient = self._mask(record, gradient, index)
        if self.input_grad and gradient is not self.program.externals.get("gx"):
            self.program.reorder_into(gradient, self._gx())
        return self.program.finish()

    def _first_with_params(self) -> int:
        indices = [index for index, record in enumerate(self.plan.records) if record.w]
        return indices[0] if indices else len(self.plan.records)

    # The stages

    def _undo(self, record: Record, gradient: Value) -> Value:
        """The gradient before the stage's activation."""
        if record.undo == "linear":
            return gradient
        desc = record.y_desc
        gradient = self.program.reorder(gradient, desc)
        result = gradient
        if gradient is self.program.externals["gy"]:
            result = self.program.temporary(desc)
        y = self._saved_or_external(record.y, "y", desc)
        # Padding needs no care: the gradient is zero there, and stays so.
        flat = self.primitives.flat(desc)
        primitive = self.primitives.activation_backward(record.undo, flat)
        self.program.run(
            primitive,
            {
                Arg.DST: self.program.view(y, flat),
                Arg.DIFF_DST: self.program.view(gradient, flat),
                Arg.DIFF_SRC: self.program.view(result, flat),
            },
        )
        return result

    def _pool(self, record: Record, gradient: Value, index: int) -> Value:
        assert isinstance(record.stage, PoolStage)
        assert record.hint is not None
        gradient = self.program.reorder(gradient, record.y_desc)
        primitive = self.primitives.pooling_backward(
            record.stage.pool, record.x_desc, record.y_desc, record.hint
        )
        result = self._gradient_of_input(index, record.x_desc)
        arguments = {Arg.DIFF_DST: gradient, Arg.DIFF_SRC: result}
        if record.workspace is not None:
            arguments[Arg.WORKSPACE] = self.program.recall(record.workspace)
        self.program.run(primitive, arguments)
        return result

    def _normalise(self, record: Record, gradient: Value, index: int) -> Value:
        program, primitives, desc = self.program, self.primitives, record.x_desc
        assert isinstance(record.stage, NormStage)
        assert record.hint is not None
        shape = desc.shape
        images = primitives.strided((*shape, 1, 1)) if len(shape) == 2 else desc
        x = self._saved_or_external(record.x, "x", desc)
        result = self._gradient_of_input(index, desc)
        channels = primitives.strided(shape[1:2])
        before = self.plan.records[:index]
        number = sum(isinstance(each.stage, NormStage) for each in before)
        arguments = {
            Arg.SRC: program.view(x, images),
            Arg.DIFF_DST: program.view(program.reorder(gradient, desc), images),
            Arg.DIFF_SRC: program.view(result, images),
            Arg.MEAN: program.external(f"mean{number}", channels),
            Arg.VARIANCE: program.external(f"variance{number}", channels),
            Arg.SCALE: program.external(record.w, channels),
            Arg.DIFF_SCALE: program.external(f"g{record.w}", channels),
            Arg.DIFF_SHIFT: program.external(f"g{record.b}", channels),
        }
        rectified = record.workspace is not None
        if record.workspace is not None:
            arguments[Arg.WORKSPACE] = program.recall(record.workspace)
        primitive = primitives.normalisation_backward(
            images, record.stage.epsilon, rectified, record.hint
        )
        program.run(primitive, arguments)
        return result

    def _mask(self, record: Record, gradient: Value, index: int) -> Value:
        desc = record.y_desc
        result = self._gradient_of_input(index, desc)
        arguments = {
            Arg.SRC: self.program.reorder(gradient, desc),
            Arg.SRC_1: self.program.external(record.mask, desc),
            Arg.DST: result,
        }
        self.program.run(self.primitives.multiplication(desc), arguments)
        return result

    def _winners(self, index: int) -> Winners | None:
        records = self.plan.records
        return find_winners(self.primitives, records[index - 1], records[index])

    def _convolve_winners(
        self, winners: Winners, pooling: Record, gradient: Value, index: int, goes_on: bool
    ) -> Value:
        """A convolution's gradients, and its pooling's, at once."""
        program, record = self.program, self.plan.records[index]
        assert pooling.workspace is not None
        g = program.reorder(gradient, winners.pooled)
        won = program.recall(pooling.workspace)
        x = self._saved_or_external(record.x, "x", record.x_desc)
        gw = program.temporary(winners.w)
        b_desc = self.primitives.strided((record.w_shape[0],))
        gb = program.external(f"g{record.b}", b_desc) if record.b else program.temporary(b_desc)
        arguments = {"x": program.reorder(x, winners.x), "g": g, "winners": won}
        program.call(winners.filters(), {**arguments, "gw": gw, "gb": gb})
        plain = self.primitives.strided(record.w_shape)
        program.reorder_into(gw, program.external(f"g{record.w}", plain))
        if not goes_on:
            return gradient
        w = program.reorder(program.external(record.w, plain), winners.w)
        result = self._gradient_of_input(index, winners.x)
        arguments = {"w": w, "g": g, "winners": won, "gx": result}
        program.call(winners.images(program.num_threads), arguments)
        return result

    def _convolve(self, record: Record, gradient: Value, index: int, goes_on: bool) -> Value:
        assert isinstance(record.stage, ConvStage)
        assert record.hint is not None
        gradient = self.program.reorder(gradient, record.y_desc)
        self._filters(record, record.stage.conv, record.hint, gradient)
        if not goes_on:
            return gradient
        filtering = find_image_gradient(self.primitives, record, self.program.num_threads)
        if filtering is not None:
            return self._filter(filtering, record, gradient, index)
        primitives, spec, hint = self.primitives, record.stage.conv, record.hint
        primitive = self._concrete_or_any(
            lambda gx, gy: primitives.convolution_backward_data(
                spec, gx, primitives.any(record.w_shape), gy, hint
            ),
            record.x_desc,
            record.y_desc,
        )
        w = self.program.external(record.w, primitives.strided(record.w_shape))
        result = self._gradient_of_input(index, primitive.desc(Query.DIFF_SRC, record.x_desc.shape))
        arguments = {
            Arg.DIFF_DST: self.program.reorder(
                gradient, primitive.desc(Query.DIFF_DST, record.y_desc.shape)
            ),
            Arg.WEIGHTS: self.program.reorder(w, primitive.desc(Query.WEIGHTS, record.w_shape)),
            Arg.DIFF_SRC: result,
        }
        self.program.run(primitive, arguments)
        return result

    def _filter(self, filtering: Filtering, record: Record, gradient: Value, index: int) -> Value:
        """The gradient of a convolution's images, by minimal filtering."""
        program, primitives = self.program, self.primitives
        w = program.external(record.w, primitives.strided(record.w_shape))
        w = program.reorder(w, primitives.blocked(record.w_shape, primitives.machine.lanes))
        prepared = program.temporary(filtering.prepared)
        program.call(filtering.prepare, {"w": w, "u": prepared})
        result = self._gradient_of_input(index, record.x_desc)
        program.call(filtering.routine, {"x": gradient, "w": prepared, "y": result})
        return result

    def _filters(self, record: Record, spec: Conv2DSpec, hint: Primitive, gradient: Value) -> None:
        """The gradients of a convolution's filters and biases."""
        primitives = self.primitives
        own = find_filter_gradient(primitives, record, self.program.num_threads)
        if own is not None:
            self._accumulate(own, record, gradient)
            return
        b_desc = primitives.strided((record.w_shape[0],)) if record.b else None
        primitive = self._concrete_or_any(
            lambda x, gy: primitives.convolution_backward_weights(
                spec, x, primitives.any(record.w_shape), b_desc, gy, hint
            ),
            record.x_desc,
            record.y_desc,
        )
        x = self._saved_or_external(record.x, "x", record.x_desc)
        plain = self.program.external(f"g{record.w}", primitives.strided(record.w_shape))
        desc = primitive.desc(Query.DIFF_WEIGHTS, record.w_shape)
        result = plain if desc == plain.desc else self.program.temporary(desc)
        arguments = {
            Arg.SRC: self.program.reorder(x, primitive.desc(Query.SRC, record.x_desc.shape)),
            Arg.DIFF_DST: self.program.reorder(
                gradient, primitive.desc(Query.DIFF_DST, record.y_desc.shape)
            ),
            Arg.DIFF_WEIGHTS: result,
        }
        if b_desc is not None:
            arguments[Arg.DIFF_BIAS] = self.program.external(f"g{record.b}", b_desc)
        self.program.run(primitive, arguments)
        if result is not plain:
            self.program.reorder_into(result, plain)

    def _accumulate(self, own: FilterGradient, record: Record, gradient: Value) -> None:
        """The gradients of filters and biases, by minimal filtering."""
        program, primitives = self.program, self.primitives
        x = self._saved_or_external(record.x, "x", record.x_desc)
        sums, gw = program.temporary(own.sums), program.temporary(own.gw)
        b_desc = primitives.strided((record.w_shape[0],))
        gb = program.external(f"g{record.b}", b_desc) if record.b else program.temporary(b_desc)
        program.call(own.accumulate, {"x": x, "g": gradient, "sums": sums})
        program.call(own.finish, {"sums": sums, "gw": gw, "gb": gb})
        plain = primitives.strided(record.w_shape)
        program.reorder_into(gw, program.external(f"g{record.w}", plain))

    def _multiply(self, record: Record, gradient: Value, index: int, goes_on: bool) -> Value:
        assert isinstance(record.stage, DenseStage)
        self._weights(record, gradient)
        if not goes_on:
            return gradient
        primitives = self.primitives
        n_inputs, n_units = record.w_shape
        w = self.program.external(record.w, primitives.strided(record.w_shape))
        transposed = self.program.view(w, primitives.strided((n_units, n_inputs), (1, n_units)))
        result = self._gradient_of_input(index, record.x_desc)
        self._product(gradient, transposed, result)
        shape = self._input_shape(index)
        if shape == record.x_desc.shape:
            return result
        return self.program.view(result, primitives.strided(shape))

    def _weights(self, record: Record, gradient: Value) -> None:
        """The gradients of a dense stage's weights, x' gy, and biases, 1' gy.

        As matrix products: oneDNN's inner product would do the same, but on
        plain weights with a code that takes 20 to 70 ms at its first use.
        """
        primitives, program = self.primitives, self.program
        n_samples, n_units = gradient.desc.shape
        n_inputs = record.w_shape[0]
        x = self._saved_or_external(record.x, "x", record.x_desc)
        x = program.view(x, primitives.strided((n_inputs, n_samples), (1, n_inputs)))
        gw = program.external(f"g{record.w}", primitives.strided(record.w_shape))
        self._product(x, gradient, gw)
        if record.b:
            ones = program.constant(np.ones((1, n_samples), dtype=np.float32))
            gb = program.external(f"g{record.b}", primitives.strided((1, n_units)))
            self._product(ones, gradient, gb)

    def _product(self, a: Value, b: Value, result: Value) -> None:
        primitive = self.primitives.matmul(a.desc, b.desc, result.desc)
        self.program.run(primitive, {Arg.SRC: a, Arg.WEIGHTS: b, Arg.DST: result})

    # Where the values are

    def _saved_or_external(self, saved: Value | None, name: str, desc: MemoryDesc) -> Value:
        if saved is not None:
            return self.program.recall(saved)
        value = self.program.external(name, desc)
        return value if value.desc == desc else self.program.view(value, desc)

    def _input_shape(self, index: int) -> tuple[int, ...]:
        return self.plan.records[index - 1].y_desc.shape if index else self.plan.key.x_shape

    def _gx(self) -> Value:
        return self.program.external("gx", self.primitives.strided(self.plan.key.x_shape))

    def _gradient_of_input(self, index: int, desc: MemoryDesc) -> Value:
        """Where the gradient of a stage's input goes: straight to the caller if it can."""
        if index == 0 and self.input_grad:
            gx = self._gx()
            if gx.desc == desc:
                return gx
        return self.program.temporary(desc)

    def _concrete_or_any(
        self, make: Callable[[MemoryDesc, MemoryDesc], Primitive], x: MemoryDesc, y: MemoryDesc
    ) -> Primitive:
        """With the layouts that the images have, else with those that oneDNN prefers."""
        try:
            return make(x, y)
        except UnsupportedError:
            any_of = self.primitives.any
            return make(any_of(x.shape), any_of(y.shape))
