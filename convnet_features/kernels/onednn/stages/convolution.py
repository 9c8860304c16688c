"""Convolutions, by oneDNN or by generated code."""

from __future__ import annotations

from ...contract import ConvStage, SizedNode
from ..binding.arrays import by_groups
from ..binding.declarations import Arg, Query
from ..binding.objects import MemoryDesc
from ..plan.activations import applied_activation, undone_activation
from ..plan.candidates import (
    POOLED_CONVOLUTION,
    WINOGRAD,
    WINOGRAD_OF_FILTERS,
)
from ..plan.case import Case
from ..plan.choice import Choice, Option
from ..program.storage import Value
from . import pooled_convolution, winograd
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record
from .generated_convolution import GeneratedConvolution

__all__ = ["backward", "forward"]

#: The candidates that are generated code.
GENERATED = {POOLED_CONVOLUTION: pooled_convolution.forward, WINOGRAD: winograd.forward}


def forward(emit: ForwardEmitter, node: SizedNode, stage: ConvStage) -> None:
    """Convolve, and perhaps pool, by the first option that knows the layouts at hand."""
    x_shape, w_shape = node.x_shapes[0], node.param_shapes[0]
    stage.conv.check_channels(x_shape, w_shape)
    choice = emit.choice(node)
    for option in choice.options:
        generated = _generated(emit, option, choice.case, node)
        if generated is not None:
            emit.take(choice, option)
            generated.emit(emit, node)
            return
    _by_onednn(emit, node, stage)


def _generated(
    emit: ForwardEmitter, option: Option, case: Case | None, node: SizedNode
) -> GeneratedConvolution | None:
    """The generated code of an option; None where it is oneDNN's, or layouts do not fit."""
    make = GENERATED.get(option.candidate)
    if make is None or case is None:
        return None
    result = emit.nodes[option.nodes[-1]].value
    return make(
        emit.primitives,
        case,
        emit.x(node).desc,
        emit.program.num_threads,
        lambda desc: _wanted(emit, result, desc),
    )


def _wanted(emit: ForwardEmitter, value: int, desc: MemoryDesc) -> MemoryDesc:
    """How a convolution that reads a value wants it laid out; `desc` if none does."""
    for number in emit.readers[value]:
        node = emit.nodes[number]
        if isinstance(node.stage, ConvStage):
            return _wanted_by(emit, node, node.stage, desc)
    return desc


def _wanted_by(
    emit: ForwardEmitter, node: SizedNode, stage: ConvStage, desc: MemoryDesc
) -> MemoryDesc:
    primitives, w_shape = emit.primitives, by_groups(stage.conv, node.param_shapes[0])
    if any(each.candidate is WINOGRAD for each in emit.choice(node).options):
        return desc
    activation, _ = _activations(emit, node, stage)
    convolution = primitives.convolution_forward(
        stage.conv,
        primitives.any(desc.shape),
        primitives.any(w_shape),
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
    w_name, w_shape, b_name, b_desc = emit.weights(node)
    w_shape = by_groups(stage.conv, w_shape)
    x_shape, y_shape = node.x_shapes[0], node.y_shape
    primitive = primitives.convolution_forward(
        stage.conv,
        primitives.any(x_shape),
        primitives.any(w_shape),
        b_desc,
        primitives.any(y_shape),
        activation,
        emit.key.training,
    )
    x = emit.input(emit.x(node), primitive.desc(Query.SRC, x_shape))
    w = emit.parameter(w_name, primitives.strided(w_shape))
    arguments = {
        Arg.SRC: x,
        Arg.WEIGHTS: emit.program.reorder(w, primitive.desc(Query.WEIGHTS, w_shape)),
    }
    if b_desc is not None:
        arguments[Arg.BIAS] = emit.parameter(b_name, b_desc)
    y_desc = primitive.desc(Query.DST, y_shape)
    y = arguments[Arg.DST] = emit.result(node, y_desc, undo)
    emit.program.run(primitive, arguments)
    emit.record(node, undo, x, y, hint=primitive, w_shape=w_shape, w=w_name, b=b_name)


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
    plain = emit.gradient_of_parameter(record)
    desc = primitive.desc(Query.DIFF_WEIGHTS, record.w_shape)
    result = plain if desc == plain.desc else program.temporary(desc)
    arguments = {
        Arg.SRC: program.reorder(x, primitive.desc(Query.SRC, record.x_desc.shape)),
        Arg.DIFF_DST: program.reorder(
            gradient, primitive.desc(Query.DIFF_DST, record.y_desc.shape)
        ),
        Arg.DIFF_WEIGHTS: result,
    }
    if b_desc is not None:
        arguments[Arg.DIFF_BIAS] = program.external(f"g{record.b}", b_desc)
    program.run(primitive, arguments)
    if result is not plain:
        program.reorder_into(result, plain)


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
    program, primitives, hint = emit.program, emit.primitives, record.hint
    assert hint is not None
    primitive = emit.concrete_or_any(
        lambda gx, gy: primitives.convolution_backward_data(
            stage.conv, gx, primitives.any(record.w_shape), gy, hint
        ),
        record.x_desc,
        record.y_desc,
    )
    w = emit.parameter(record)
    desc = primitive.desc(Query.DIFF_SRC, record.x_desc.shape)
    result = emit.gradient_of_input(record, desc)
    arguments = {
        Arg.DIFF_DST: program.reorder(
            gradient, primitive.desc(Query.DIFF_DST, record.y_desc.shape)
        ),
        Arg.WEIGHTS: program.reorder(w, primitive.desc(Query.WEIGHTS, record.w_shape)),
        Arg.DIFF_SRC: result,
    }
    program.run(primitive, arguments)
