"""Sums of several inputs, some of them perhaps one number a channel or a pixel."""

from __future__ import annotations

from ...contract import SizedNode, SumStage
from ..binding.declarations import Arg
from ..program.storage import Value
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record
from .joins import laid_out, spread_order, summed

__all__ = ["backward", "forward"]


def forward(emit: ForwardEmitter, node: SizedNode, stage: SumStage) -> None:
    """Add one input after the other; the last addition applies the activation."""
    primitives = emit.primitives
    order = spread_order(node)
    given = laid_out(
        emit, node, lambda x, other: primitives.addition(x, other=other), read_again=False
    )
    first, *others = (given[position] for position in order)
    desc = first.desc
    tail = emit.take_tail(node)
    y = emit.tail_result(node, tail, desc, stage.activation)
    for number, other in enumerate(others, start=1):
        end = (stage.activation, tail.then) if number == len(others) else ("linear", ())
        emit.program.run(
            primitives.addition(desc, *end, other.desc),
            {Arg.SRC: first, Arg.SRC_1: other, Arg.DST: y},
        )
        first = y
    descs = tuple([value.desc for value in given])
    emit.record_with_tail(node, tail, stage.activation, given[0], y, x_descs=descs)


def backward(emit: BackwardEmitter, record: Record, stage: SumStage, gradient: Value) -> None:
    """Pass the gradient on to every input, added up where the input was spread."""
    for value in record.inputs:
        if emit.needs[value]:
            own = summed(emit, value, gradient)
            emit.add(value, own, shared=own.storage is gradient.storage)
