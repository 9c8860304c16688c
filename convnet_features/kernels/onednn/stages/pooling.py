"""Pooling, alone or behind a convolution."""

from __future__ import annotations

from ...contract import PoolStage, SizedNode
from ..binding.declarations import Arg, Query
from ..plan.activations import commutes
from ..plan.candidates import POOLED_GRADIENT
from ..program.storage import Value
from . import pooled_convolution
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record

__all__ = ["backward", "forward"]


def forward(emit: ForwardEmitter, node: SizedNode, stage: PoolStage) -> None:
    """Pool by oneDNN; in training it notes where each maximum was."""
    primitives, program, value = emit.primitives, emit.program, emit.x(node)
    activation, undo = _activations(emit, node, stage)
    primitive = primitives.pooling_forward(
        stage.pool, value.desc, primitives.any(node.y_shape), emit.key.training
    )
    y = emit.result(node, primitive.desc(Query.DST, node.y_shape), undo)
    arguments = {Arg.SRC: value, Arg.DST: y}
    workspace = None
    if emit.key.training:
        desc = primitive.desc(Query.WORKSPACE)
        if desc.size:
            workspace = arguments[Arg.WORKSPACE] = program.save(desc)
    program.run(primitive, arguments)
    if activation != "linear":
        emit.activate(activation, y)
    emit.record(node, undo, value, y, hint=primitive, workspace=workspace)


def _activations(emit: ForwardEmitter, node: SizedNode, stage: PoolStage) -> tuple[str, str]:
    """(what follows the pooling, what its gradient undoes)."""
    maker = emit.graph.maker(node.inputs[0])
    before = None if maker is None else emit.nodes[maker]
    alone = before is not None and emit.following(before) is node
    if before is not None and alone and commutes(before.stage, stage):
        return "linear", "rectify"
    return stage.activation, stage.activation


def backward(emit: BackwardEmitter, record: Record, stage: PoolStage, gradient: Value) -> None:
    """The gradient of a pooling, or at once the gradients of the convolution in front of it."""
    (choice,) = emit.choices(record)
    option = choice.options[0]
    if option.candidate is POOLED_GRADIENT and choice.case is not None:
        routines = pooled_convolution.gradient(emit.primitives, choice.case, record)
        if routines is not None:
            emit.take(choice, option)
            routines.emit(emit, record, gradient)
            return
    emit.take(choice, choice.options[-1])
    _by_onednn(emit, record, stage, gradient)


def _by_onednn(emit: BackwardEmitter, record: Record, stage: PoolStage, gradient: Value) -> None:
    assert record.hint is not None
    gradient = emit.program.reorder(gradient, record.y_desc)
    primitive = emit.primitives.pooling_backward(
        stage.pool, record.x_desc, record.y_desc, record.hint
    )
    result = emit.gradient_of_input(record, record.x_desc)
    arguments = {Arg.DIFF_DST: gradient, Arg.DIFF_SRC: result}
    if record.workspace is not None:
        arguments[Arg.WORKSPACE] = emit.program.recall(record.workspace)
    emit.program.run(primitive, arguments)
