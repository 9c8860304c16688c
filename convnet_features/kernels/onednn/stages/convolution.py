"""Convolutions, by oneDNN or by generated code.

`convolve`, `filter_gradient` and `image_gradient` are oneDNN's own steps, for graphs and for
convolutions outside of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...contract import ConvStage, SizedNode
from ..binding.declarations import Arg, Query
from ..binding.objects import MemoryDesc, Primitive
from ..plan.activations import applied_activation, undone_activation
from ..plan.candidates import (
    POOLED_CONVOLUTION,
    WINOGRAD,
    WINOGRAD_OF_FILTERS,
)
from ..plan.case import Case
from ..plan.choice import Choice, Option
from ..program.program import Program
from ..program.storage import Value
from . import pooled_convolution, winograd
from .backward import BackwardEmitter
from .forward import ForwardEmitter, Tail
from .forward_plan import Record
from .generated_convolution import GeneratedConvolution

__all__ = ["backward", "convolve", "filter_gradient", "forward", "image_gradient"]

#: Where a result goes that comes in a certain layout.
Place = Callable[[MemoryDesc], Value]


def forward(emit: ForwardEmitter, node: SizedNode, stage: ConvStage) -> None:
    """Convolve, and perhaps pool, by the first option that knows the layouts at hand."""
    x_shape, w_shape = node.x_shapes[0], node.param_shapes[0]
    stage.conv.check_channels(x_shape, w_shape)
    choice = emit.choice(node)
    for option in choice.options:
        generated = _generated(emit, option, choice.case, node)
        if generated is not None:
            behind = tuple([each.number for each in generated.tail.nodes])
            emit.take(choice, option._replace(nodes=(*option.nodes, *behind)))
            generated.emit(emit, node)
            return
    _by_onednn(emit, node, stage)


def _generated(
    emit: ForwardEmitter, option: Option, case: Case | None, node: SizedNode
) -> GeneratedConvolution | None:
    """The generated code of an option; None where it is oneDNN's, or layouts do not fit."""
    if case is None or option.candidate not in (POOLED_CONVOLUTION, WINOGRAD):
        return None
    tail = Tail()
    if option.candidate is WINOGRAD and case.conv.activation == "linear":
        tail = emit.sum_behind(node)
    result = tail.nodes[-1].value if tail.nodes else emit.nodes[option.nodes[-1]].value
    x, number = emit.x(node).desc, emit.program.num_threads
    wanted = partial(_wanted, emit, result)
    if option.candidate is POOLED_CONVOLUTION:
        return pooled_convolution.forward(emit.primitives, case, x, number, wanted)
    last = tail.nodes[-1] if tail.nodes else emit.nodes[option.nodes[-1]]
    return winograd.forward(
        emit.primitives, case, x, number, wanted, tail, partial(emit.part, last, strided=True)
    )


def _wanted(emit: ForwardEmitter, value: int, desc: MemoryDesc) -> MemoryDesc:
    """How a convolution that reads a value wants it laid out; `desc` if none does."""
    for number in emit.readers[value]:
        node = emit.nodes[number]
        if (stage := node.stage.convolution) is not None:
            return _wanted_by(emit, node, stage, desc)
    return desc


def _wanted_by(
    emit: ForwardEmitter, node: SizedNode, stage: ConvStage, desc: MemoryDesc
) -> MemoryDesc:
    primitives = emit.primitives
    if any(each.candidate is WINOGRAD for each in emit.choice(node).options):
        return desc
    activation, _ = _activations(emit, node, stage)
    convolution = primitives.convolution_forward(
        stage.conv,
        primitives.any(desc.shape),
        primitives.any(primitives.filters(stage.conv, node.param_shapes[0]).shape),
        primitives.strided(node.y_shape[1:2]) if stage.bias else None,
        primitives.any(node.y_shape),
        activation,
    )
    return convolution.desc(Query.SRC, desc.shape)


def _activations(emit: ForwardEmitter, node: SizedNode, stage: ConvStage) -> tuple[str, str]:
    """(what the convolution applies, what its gradient undoes)."""
    following = emit.following(node)
    behind = following.stage if following else None
    return applied_activation(stage, behind), undone_activation(stage, behind)


def _by_onednn(emit: ForwardEmitter, node: SizedNode, stage: ConvStage) -> None:
    primitives = emit.primitives
    activation, undo = _activations(emit, node, stage)
    tail = emit.take_tail(node, adds=True)
    w_name, w_shape, b_name, b_desc = emit.weights(node)
    w = emit.parameter(w_name, primitives.filters(stage.conv, w_shape))
    b = None if b_desc is None else emit.parameter(b_name, b_desc)
    x_shape, y_shape = node.x_shapes[0], node.y_shape
    primitive = primitives.convolution_forward(
        stage.conv,
        primitives.any(x_shape),
        primitives.any(w.desc.shape),
        b_desc,
        primitives.any(y_shape),
        activation,
        emit.key.training,
        tail.then,
    )
    x = emit.input(emit.x(node), primitive.desc(Query.SRC, x_shape))
    y = convolve(
        emit.program,
        primitive,
        x,
        w,
        b,
        y_shape,
        lambda desc: emit.tail_result(node, tail, desc, undo),
    )
    details = {"hint": primitive, "w_shape": w.desc.shape, "w": w_name, "b": b_name}
    emit.record_with_tail(node, tail, undo, x, y, **details)


def convolve(
    program: Program,
    primitive: Primitive,
    x: Value,
    w: Value,
    b: Value | None,
    y_shape: tuple[int, ...],
    place: Place,
) -> Value:
    """Emit a convolution, its images and filters laid out as oneDNN wants them."""
    arguments = {
        Arg.SRC: program.reorder(x, primitive.desc(Query.SRC, x.desc.shape)),
        Arg.WEIGHTS: program.reorder(w, primitive.desc(Query.WEIGHTS, w.desc.shape)),
    }
    if b is not None:
        arguments[Arg.BIAS] = b
    y = arguments[Arg.DST] = place(primitive.desc(Query.DST, y_shape))
    program.run(primitive, arguments)
    return y


def backward(emit: BackwardEmitter, record: Record, stage: ConvStage, gradient: Value) -> None:
    """The gradients of filters and biases, and of the images where something needs it."""
    gradient = emit.program.reorder(gradient, record.y_desc)
    of_filters, of_images = emit.choices(record)
    _filters(emit, of_filters, record, stage, gradient)
    if emit.needs[record.inputs[0]]:
        _images(emit, of_images, record, stage, gradient)


def _filters(
    emit: BackwardEmitter, choice: Choice, record: Record, stage: ConvStage, gradient: Value
) -> None:
    """The gradients of a convolution's filters and biases."""
    option, case = choice.options[0], choice.case
    if option.candidate is WINOGRAD_OF_FILTERS and case is not None:
        routines = winograd.filter_gradient(emit, case, record)
        if routines is not None:
            emit.take(choice, option)
            routines.emit(emit, record, gradient)
            return
    emit.take(choice, choice.options[-1])
    _filters_by_onednn(emit, record, stage, gradient)


def _filters_by_onednn(
    emit: BackwardEmitter, record: Record, stage: ConvStage, gradient: Value
) -> None:
    program, primitives, hint = emit.program, emit.primitives, record.hint
    assert hint is not None
    b_desc = primitives.strided(record.y_desc.shape[1:2]) if record.b else None
    primitive = emit.concrete_or_any(
        lambda x, gy: primitives.convolution_backward_weights(
            stage.conv, x, primitives.any(record.w_shape), b_desc, gy, hint
        ),
        record.x_desc,
        record.y_desc,
    )
    x = emit.read(record.x, record.x_desc)
    gw = emit.gradient_of_parameter(record)
    gb = None if b_desc is None else program.external(f"g{record.b}", b_desc)
    filter_gradient(program, primitive, x, gradient, gw, gb)


def filter_gradient(
    program: Program, primitive: Primitive, x: Value, gy: Value, gw: Value, gb: Value | None
) -> None:
    """Emit the gradients of a convolution's filters and biases."""
    result = program.room_for(gw, primitive.desc(Query.DIFF_WEIGHTS, gw.desc.shape))
    arguments = {
        Arg.SRC: program.reorder(x, primitive.desc(Query.SRC, x.desc.shape)),
        Arg.DIFF_DST: program.reorder(gy, primitive.desc(Query.DIFF_DST, gy.desc.shape)),
        Arg.DIFF_WEIGHTS: result,
    }
    if gb is not None:
        arguments[Arg.DIFF_BIAS] = gb
    program.run(primitive, arguments)
    program.bring(result, gw)


def _images(
    emit: BackwardEmitter, choice: Choice, record: Record, stage: ConvStage, gradient: Value
) -> None:
    """The gradient of a convolution's images."""
    option, case = choice.options[0], choice.case
    if option.candidate is WINOGRAD and case is not None:
        routines = winograd.image_gradient(emit, case, record)
        if routines is not None:
            emit.take(choice, option)
            routines.emit(emit, record, gradient)
            return
    emit.take(choice, choice.options[-1])
    _images_by_onednn(emit, record, stage, gradient)


def _images_by_onednn(
    emit: BackwardEmitter, record: Record, stage: ConvStage, gradient: Value
) -> None:
    primitives, hint = emit.primitives, record.hint
    assert hint is not None
    primitive = emit.concrete_or_any(
        lambda gx, gy: primitives.convolution_backward_data(
            stage.conv, gx, primitives.any(record.w_shape), gy, hint
        ),
        record.x_desc,
        record.y_desc,
    )
    image_gradient(
        emit.program,
        primitive,
        emit.parameter(record),
        gradient,
        record.x_desc.shape,
        lambda desc: emit.gradient_of_input(record, desc),
    )


def image_gradient(
    program: Program,
    primitive: Primitive,
    w: Value,
    gy: Value,
    x_shape: tuple[int, ...],
    place: Place,
) -> Value:
    """Emit the gradient of a convolution's images."""
    gx = place(primitive.desc(Query.DIFF_SRC, x_shape))
    arguments = {
        Arg.DIFF_DST: program.reorder(gy, primitive.desc(Query.DIFF_DST, gy.desc.shape)),
        Arg.WEIGHTS: program.reorder(w, primitive.desc(Query.WEIGHTS, w.desc.shape)),
        Arg.DIFF_SRC: gx,
    }
    program.run(primitive, arguments)
    return gx
