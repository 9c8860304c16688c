"""Inputs behind each other along the channels."""

from __future__ import annotations

from ...contract import ConcatStage, SizedNode
from ..plan.layouts import layout_of_joined
from ..program.storage import Value
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record

__all__ = ["backward", "forward"]


def forward(emit: ForwardEmitter, node: SizedNode, stage: ConcatStage) -> None:
    """Copy each input to its channels of the result, but for those that were written there."""
    emit.check_alike(node, [(shape[0], *shape[2:]) for shape in node.x_shapes])
    primitives, given = emit.primitives, emit.xs(node)
    y = emit.joined.get(node.value)
    if y is None:
        layout = primitives.layout_of(given[0].desc)
        layout = layout_of_joined(layout, [x_shape[1] for x_shape in node.x_shapes])
        y = emit.result(node, primitives.laid_out(node.y_shape, layout), "linear")
    start = 0
    for value in given:
        channels = value.desc.shape[1]
        if not emit.is_in_place(value, y, start):
            part = primitives.channels(y.desc, start, channels)
            emit.program.reorder_into(value, emit.program.view(y, part))
        start += channels
    emit.record(node, "linear", given[0], y, x_descs=tuple([value.desc for value in given]))


def backward(emit: BackwardEmitter, record: Record, stage: ConcatStage, gradient: Value) -> None:
    """Give each input its channels of the gradient."""
    gradient = emit.program.reorder(gradient, record.y_desc)
    start = 0
    for value, desc in zip(record.inputs, record.x_descs, strict=True):
        channels = desc.shape[1]
        if emit.needs[value]:
            part = emit.primitives.channels(record.y_desc, start, channels)
            own = emit.program.temporary(desc)
            emit.program.reorder_into(emit.program.view(gradient, part), own)
            emit.add(value, own)
        start += channels
