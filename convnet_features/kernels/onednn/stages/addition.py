"""Sums of several inputs of one shape."""

from __future__ import annotations

from ...contract import SizedNode, SumStage
from ..binding.declarations import Arg
from ..program.storage import Value
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record

__all__ = ["backward", "forward"]


def forward(emit: ForwardEmitter, node: SizedNode, stage: SumStage) -> None:
    """Add one input after the other; the last addition applies the activation."""
    emit.check_alike(node, node.x_shapes)
    given = emit.xs(node)
    plain = emit.primitives.strided(node.y_shape)
    # What a convolution made is laid out as the next one wants it.
    desc = next((value.desc for value in given if value.desc != plain), plain)
    first, *others = (emit.input(value, desc, read_again=False) for value in given)
    tail = emit.take_tail(node)
    y = emit.tail_result(node, tail, desc, stage.activation)
    for number, other in enumerate(others, start=1):
        end = (stage.activation, tail.then) if number == len(others) else ()
        emit.program.run(
            emit.primitives.addition(desc, *end),
            {Arg.SRC: first, Arg.SRC_1: other, Arg.DST: y},
        )
        first = y
    descs = (desc,) * len(given)
    emit.record_with_tail(node, tail, stage.activation, given[0], y, x_descs=descs)


def backward(emit: BackwardEmitter, record: Record, stage: SumStage, gradient: Value) -> None:
    """Pass the gradient on to every input."""
    for value in record.inputs:
        if emit.needs[value]:
            emit.add(value, gradient, shared=True)
