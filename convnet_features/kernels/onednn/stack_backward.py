"""The backward program of a stack, of what was chosen with its forward program."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from convnet_features.kernels.contract import (
    ConcatStage,
    ConvStage,
    DenseStage,
    MaskStage,
    NormStage,
    PoolStage,
    SumStage,
)
from convnet_features.kernels.onednn.binding.declarations import Arg, Query
from convnet_features.kernels.onednn.binding.objects import MemoryDesc, Primitive, UnsupportedError
from convnet_features.kernels.onednn.binding.primitives import Primitives
from convnet_features.kernels.onednn.plan.choice import (
    FILTERING,
    FILTERING_OF_FILTERS,
    WINNERS,
    Choice,
    Option,
    Taken,
)
from convnet_features.kernels.onednn.program.buffers import BufferPool
from convnet_features.kernels.onednn.program.program import Program
from convnet_features.kernels.onednn.program.storage import Value
from convnet_features.kernels.onednn.stack_plan import ForwardPlan, Record
from convnet_features.kernels.onednn.winners import Winners, emit_winners
from convnet_features.kernels.onednn.winograd import (
    FilterGradient,
    Filtering,
    emit_filter_gradient,
    emit_image_gradient,
)

__all__ = ["build_backward"]


def build_backward(
    primitives: Primitives,
    pool: BufferPool,
    plan: ForwardPlan,
    given: Sequence[bool],
    input_grads: Sequence[bool],
    num_threads: int,
) -> Program:
    """Make the program of the gradients, for `num_threads` threads.

    The caller's arrays are called ``x0``, ``y0``, ``p0``, ... as in the forward
    program, ``gy0``, ... for the gradients of the results that come in, where
    `given`, ``gp0``, ... for those of the parameters and ``gx0``, ..., plain, for those of the
    inputs, where `input_grads`. Gradients that nothing given depends on are
    not among the program's arrays.
    """
    return _Builder(primitives, pool, plan, given, input_grads, num_threads).build()


class _Builder:
    def __init__(
        self,
        primitives: Primitives,
        pool: BufferPool,
        plan: ForwardPlan,
        given: Sequence[bool],
        input_grads: Sequence[bool],
        num_threads: int,
    ) -> None:
        self.primitives = primitives
        self.plan = plan
        self.graph = plan.graph
        self.readers = plan.graph.readers
        self.given = given
        self.input_grads = input_grads
        self.needs = plan.graph.needs_gradient(input_grads)
        self.records = {record.value: record for record in plan.records}
        self.program = Program(primitives, pool, num_threads, plan.program.saved)
        #: Parts of the gradient of each value, by those who read it.
        self.parts: dict[int, list[Value]] = {}
        #: Storages that several nodes read: nobody may work in them in place.
        self.shared: set[int] = set()

    def build(self) -> Program:
        for number, (value, given) in enumerate(zip(self.graph.outputs, self.given, strict=True)):
            if given:
                desc = self.primitives.strided(self.plan.y_shapes[number])
                self._add(value, self.program.external(f"gy{number}", desc), shared=True)
        for record in reversed(self.plan.records):
            self.program.purpose = None
            gradient = self._total(record)
            if gradient is not None and self.needs[record.value]:
                self._differentiate(record, self._undo(record, gradient))
        self.program.purpose = None
        for number, needed in enumerate(self.input_grads):
            if needed:
                self._leave(number)
        return self.program.finish()

    def _differentiate(self, record: Record, gradient: Value) -> None:
        match record.stage:
            case PoolStage():
                self._pool_or_both(record, gradient)
            case ConvStage():
                self._convolve(record, gradient)
            case _:
                self._by_onednn(record, gradient)

    def _by_onednn(self, record: Record, gradient: Value) -> None:
        (choice,) = self._choices(record)
        self._take(choice, choice.options[-1])
        match record.stage:
            case DenseStage():
                self._multiply(record, gradient)
            case NormStage():
                self._normalise(record, gradient)
            case MaskStage():
                self._mask(record, gradient)
            case SumStage():
                self._split_sum(record, gradient)
            case ConcatStage():
                self._split_channels(record, gradient)

    def _choices(self, record: Record) -> tuple[Choice, ...]:
        """What was chosen for the gradient of a node's result."""
        return self.plan.choices.gradients[record.value - self.graph.n_inputs]

    def _take(self, choice: Choice, option: Option) -> None:
        """Note what the next steps are for, and those before that only made ready for them."""
        self.program.claim(Taken(choice, option))

    # Gradients that come from several nodes

    def _add(self, value: int, gradient: Value, shared: bool = False) -> None:
        """Note a part of a value's gradient."""
        self.parts.setdefault(value, []).append(gradient)
        if shared:
            self.shared.add(id(gradient.storage))

    def _total(self, record: Record) -> Value | None:
        """The gradient of a node's result; None if nothing given depends on it."""
        parts = self.parts.pop(record.value, [])
        return self._sum(parts, record.y_desc) if parts else None

    def _sum(self, parts: Sequence[Value], desc: MemoryDesc) -> Value:
        if len(parts) == 1:
            return parts[0]
        first, *others = (self.program.reorder(part, desc) for part in parts)
        result = self.program.temporary(desc)
        for other in others:
            arguments = {Arg.SRC: first, Arg.SRC_1: other, Arg.DST: result}
            self.program.run(self.primitives.addition(desc), arguments)
            first = result
        return result

    def _leave(self, number: int) -> None:
        """The gradient of an input, to the caller."""
        parts = self.parts.pop(number, [])
        if parts:
            plain = self.primitives.strided(self.plan.key.x_shapes[number])
            gradient = self._sum(parts, plain)
            gx = self.program.external(f"gx{number}", plain)
            if gradient is not gx:
                self.program.reorder_into(gradient, gx)

    # The stages

    def _undo(self, record: Record, gradient: Value) -> Value:
        """The gradient before the stage's activation."""
        if record.undo == "linear":
            return gradient
        desc = record.y_desc
        gradient = self.program.reorder(gradient, desc)
        result = gradient
        if id(gradient.storage) in self.shared:
            result = self.program.temporary(desc)
        y = self._read(record.y, desc)
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

    def _pool_or_both(self, record: Record, gradient: Value) -> None:
        """The gradient of a pooling, or at once those of the convolution in front of it."""
        (choice,) = self._choices(record)
        option = choice.options[0]
        if option.candidate is WINNERS and choice.case is not None:
            winners = emit_winners(self.primitives, choice.case, record)
            if winners is not None:
                self._take(choice, option)
                self._convolve_winners(winners, record, gradient)
                return
        self._take(choice, choice.options[-1])
        self._pool(record, gradient)

    def _pool(self, record: Record, gradient: Value) -> None:
        assert isinstance(record.stage, PoolStage)
        assert record.hint is not None
        gradient = self.program.reorder(gradient, record.y_desc)
        primitive = self.primitives.pooling_backward(
            record.stage.pool, record.x_desc, record.y_desc, record.hint
        )
        result = self._gradient_of_input(record, record.x_desc)
        arguments = {Arg.DIFF_DST: gradient, Arg.DIFF_SRC: result}
        if record.workspace is not None:
            arguments[Arg.WORKSPACE] = self.program.recall(record.workspace)
        self.program.run(primitive, arguments)

    def _normalise(self, record: Record, gradient: Value) -> None:
        program, primitives, desc = self.program, self.primitives, record.x_desc
        assert isinstance(record.stage, NormStage)
        assert record.hint is not None
        shape = desc.shape
        images = primitives.strided((*shape, 1, 1)) if len(shape) == 2 else desc
        x = self._read(record.x, desc)
        result = self._gradient_of_input(record, desc)
        channels, number = primitives.strided(shape[1:2]), record.number
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

    def _mask(self, record: Record, gradient: Value) -> None:
        desc = record.y_desc
        result = self._gradient_of_input(record, desc)
        arguments = {
            Arg.SRC: self.program.reorder(gradient, desc),
            Arg.SRC_1: self.program.external(record.mask, desc),
            Arg.DST: result,
        }
        self.program.run(self.primitives.multiplication(desc), arguments)

    def _split_sum(self, record: Record, gradient: Value) -> None:
        for value in record.inputs:
            if self.needs[value]:
                self._add(value, gradient, shared=True)

    def _split_channels(self, record: Record, gradient: Value) -> None:
        gradient = self.program.reorder(gradient, record.y_desc)
        start = 0
        for value, desc in zip(record.inputs, record.x_descs, strict=True):
            channels = desc.shape[1]
            if self.needs[value]:
                part = self.primitives.channels(record.y_desc, start, channels)
                own = self.program.temporary(desc)
                self.program.reorder_into(self.program.view(gradient, part), own)
                self._add(value, own)
            start += channels

    def _convolve_winners(self, winners: Winners, pooling: Record, gradient: Value) -> None:
        program, record = self.program, self.records[pooling.inputs[0]]
        assert pooling.workspace is not None
        g = program.reorder(gradient, winners.pooled)
        won = program.recall(pooling.workspace)
        x = self._read(record.x, record.x_desc)
        gw = program.temporary(winners.w)
        b_desc = self.primitives.strided((record.w_shape[0],))
        gb = program.external(f"g{record.b}", b_desc) if record.b else program.temporary(b_desc)
        arguments = {"x": program.reorder(x, winners.x), "g": g, "winners": won}
        program.call(winners.filters(), {**arguments, "gw": gw, "gb": gb})
        plain = self.primitives.strided(record.w_shape)
        program.reorder_into(gw, program.external(f"g{record.w}", plain))
        if not self.needs[record.inputs[0]]:
            return
        w = program.reorder(program.external(record.w, plain), winners.w)
        result = self._gradient_of_input(record, winners.x)
        arguments = {"w": w, "g": g, "winners": won, "gx": result}
        program.call(winners.images(program.num_threads), arguments)

    def _convolve(self, record: Record, gradient: Value) -> None:
        gradient = self.program.reorder(gradient, record.y_desc)
        of_filters, of_images = self._choices(record)
        self._filters(of_filters, record, gradient)
        if self.needs[record.inputs[0]]:
            self._images(of_images, record, gradient)

    def _images(self, choice: Choice, record: Record, gradient: Value) -> None:
        """The gradient of a convolution's images."""
        option, case = choice.options[0], choice.case
        if option.candidate is FILTERING and case is not None:
            filtering = emit_image_gradient(
                self.primitives, case, record.y_desc, record.x_desc, self.program.num_threads
            )
            if filtering is not None:
                self._take(choice, option)
                self._filter(filtering, record, gradient)
                return
        self._take(choice, choice.options[-1])
        self._images_by_onednn(record, gradient)

    def _images_by_onednn(self, record: Record, gradient: Value) -> None:
        assert isinstance(record.stage, ConvStage)
        assert record.hint is not None
        primitives, spec, hint = self.primitives, record.stage.conv, record.hint
        primitive = self._concrete_or_any(
            lambda gx, gy: primitives.convolution_backward_data(
                spec, gx, primitives.any(record.w_shape), gy, hint
            ),
            record.x_desc,
            record.y_desc,
        )
        w = self.program.external(record.w, primitives.strided(record.w_shape))
        desc = primitive.desc(Query.DIFF_SRC, record.x_desc.shape)
        result = self._gradient_of_input(record, desc)
        arguments = {
            Arg.DIFF_DST: self.program.reorder(
                gradient, primitive.desc(Query.DIFF_DST, record.y_desc.shape)
            ),
            Arg.WEIGHTS: self.program.reorder(w, primitive.desc(Query.WEIGHTS, record.w_shape)),
            Arg.DIFF_SRC: result,
        }
        self.program.run(primitive, arguments)

    def _filter(self, filtering: Filtering, record: Record, gradient: Value) -> None:
        """The gradient of a convolution's images, by minimal filtering."""
        program, primitives = self.program, self.primitives
        w = program.external(record.w, primitives.strided(record.w_shape))
        w = program.reorder(w, primitives.blocked(record.w_shape, primitives.machine.lanes))
        prepared = program.temporary(filtering.prepared)
        program.call(filtering.prepare, {"w": w, "u": prepared})
        result = self._gradient_of_input(record, record.x_desc)
        program.call(filtering.routine, {"x": gradient, "w": prepared, "y": result})

    def _filters(self, choice: Choice, record: Record, gradient: Value) -> None:
        """The gradients of a convolution's filters and biases."""
        option, case = choice.options[0], choice.case
        if option.candidate is FILTERING_OF_FILTERS and case is not None:
            own = emit_filter_gradient(
                self.primitives, case, record.x_desc, record.y_desc, self.program.num_threads
            )
            if own is not None:
                self._take(choice, option)
                self._accumulate(own, record, gradient)
                return
        self._take(choice, choice.options[-1])
        self._filters_by_onednn(record, gradient)

    def _filters_by_onednn(self, record: Record, gradient: Value) -> None:
        assert isinstance(record.stage, ConvStage)
        assert record.hint is not None
        primitives, spec, hint = self.primitives, record.stage.conv, record.hint
        b_desc = primitives.strided((record.w_shape[0],)) if record.b else None
        primitive = self._concrete_or_any(
            lambda x, gy: primitives.convolution_backward_weights(
                spec, x, primitives.any(record.w_shape), b_desc, gy, hint
            ),
            record.x_desc,
            record.y_desc,
        )
        x = self._read(record.x, record.x_desc)
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
        x = self._read(record.x, record.x_desc)
        sums, gw = program.temporary(own.sums), program.temporary(own.gw)
        b_desc = primitives.strided((record.w_shape[0],))
        gb = program.external(f"g{record.b}", b_desc) if record.b else program.temporary(b_desc)
        program.call(own.accumulate, {"x": x, "g": gradient, "sums": sums})
        program.call(own.finish, {"sums": sums, "gw": gw, "gb": gb})
        plain = primitives.strided(record.w_shape)
        program.reorder_into(gw, program.external(f"g{record.w}", plain))

    def _multiply(self, record: Record, gradient: Value) -> None:
        self._weights(record, gradient)
        if not self.needs[record.inputs[0]]:
            return
        primitives = self.primitives
        n_inputs, n_units = record.w_shape
        w = self.program.external(record.w, primitives.strided(record.w_shape))
        transposed = self.program.view(w, primitives.strided((n_units, n_inputs), (1, n_units)))
        (value,) = record.inputs
        result = self.program.temporary(record.x_desc)
        self._product(gradient, transposed, result)
        self._add(value, self.program.view(result, primitives.strided(self._shape(value))))

    def _weights(self, record: Record, gradient: Value) -> None:
        """The gradients of a dense stage's weights, x' gy, and biases, 1' gy.

        As matrix products: oneDNN's inner product would do the same, but on
        plain weights with a code that takes 20 to 70 ms at its first use.
        """
        primitives, program = self.primitives, self.program
        n_samples, n_units = gradient.desc.shape
        n_inputs = record.w_shape[0]
        x = self._read(record.x, record.x_desc)
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

    def _read(self, place: Value | str, desc: MemoryDesc) -> Value:
        """What the forward program saved, or an array of the caller's."""
        if isinstance(place, Value):
            return self.program.recall(place)
        value = self.program.external(place, desc)
        return value if value.desc == desc else self.program.view(value, desc)

    def _shape(self, value: int) -> tuple[int, ...]:
        if value < self.graph.n_inputs:
            return self.plan.key.x_shapes[value]
        return self.records[value].y_desc.shape

    def _gradient_of_input(self, record: Record, desc: MemoryDesc) -> Value:
        """Where the gradient of a node's only input goes: straight to the caller if it can."""
        (value,) = record.inputs
        result = self._callers_array(value, desc) or self.program.temporary(desc)
        self._add(value, result)
        return result

    def _callers_array(self, value: int, desc: MemoryDesc) -> Value | None:
        """The caller's array for an input's gradient, if the whole of it comes in this layout."""
        if value >= self.graph.n_inputs or not self.input_grads[value]:
            return None
        plain = self.primitives.strided(self.plan.key.x_shapes[value])
        if len(self.readers[value]) > 1 or plain != desc:
            return None
        return self.program.external(f"gx{value}", plain)

    def _concrete_or_any(
        self, make: Callable[[MemoryDesc, MemoryDesc], Primitive], x: MemoryDesc, y: MemoryDesc
    ) -> Primitive:
        """With the layouts that the images have, else with those that oneDNN prefers."""
        try:
            return make(x, y)
        except UnsupportedError:
            any_of = self.primitives.any
            return make(any_of(x.shape), any_of(y.shape))
