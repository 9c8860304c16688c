"""Pooling, alone or behind a convolution.

`pool` and `pool_gradient` are oneDNN's own steps, for graphs and for poolings outside of them.
"""

from __future__ import annotations

from collections.abc import Callable

from ...contract import PoolStage, SizedNode
from ..binding.declarations import Arg, Query
from ..binding.objects import MemoryDesc, Primitive
from ..plan.activations import commutes
from ..plan.candidates import POOLED_GRADIENT
from ..program.program import Program
from ..program.storage import Value
from . import pooled_convolution
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record

__all__ = ["backward", "forward", "pool", "pool_gradient"]


def forward(emit: ForwardEmitter, node: SizedNode, stage: PoolStage) -> None:
    """Pool by oneDNN; in training it notes where each maximum was."""
    primitives, value = emit.primitives, emit.x(node)
    activation, undo = _activations(emit, node, stage)
    primitive = primitives.pooling_forward(
        stage.pool, value.desc, primitives.any(node.y_shape), emit.key.training
    )
    y = emit.result(node, primitive.desc(Query.DST, node.y_shape), undo)
    keep = emit.program.save if emit.key.training else None
    workspace = pool(emit.program, primitive, value, y, keep)
    if activation != "linear":
        emit.activate(activation, y)
    emit.record(node, undo, value, y, hint=primitive, workspace=workspace)


def pool(
    program: Program,
    primitive: Primitive,
    x: Value,
    y: Value,
    keep: Callable[[MemoryDesc], Value] | None = None,
) -> Value | None:
    """Emit a pooling; returns where `keep` has it note the maxima, if it does."""
    arguments, workspace = {Arg.SRC: x, Arg.DST: y}, None
    if keep is not None:
        desc = primitive.desc(Query.WORKSPACE)
        if desc.size:
            workspace = arguments[Arg.WORKSPACE] = keep(desc)
    program.run(primitive, arguments)
    return workspace


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
    workspace = record.workspace and emit.program.recall(record.workspace)
    pool_gradient(emit.program, primitive, gradient, result, workspace)


def pool_gradient(
    program: Program, primitive: Primitive, gy: Value, gx: Value, workspace: Value | None
) -> None:
    """Emit the gradient of a pooling, given what `pool` returned."""
    arguments = {Arg.DIFF_DST: gy, Arg.DIFF_SRC: gx}
    if workspace is not None:
        arguments[Arg.WORKSPACE] = workspace
    program.run(primitive, arguments)
