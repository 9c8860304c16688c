"""Products of two inputs, one of them perhaps one number a channel or a pixel."""

from __future__ import annotations

from ...contract import ProductStage, SizedNode
from ..binding.declarations import Arg
from ..program.storage import Value
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record
from .joins import laid_out, spread_order, summed

__all__ = ["backward", "forward"]


def forward(emit: ForwardEmitter, node: SizedNode, stage: ProductStage) -> None:
    """Multiply the larger input by the other."""
    primitives = emit.primitives
    order = spread_order(node)
    given = laid_out(
        emit, node, lambda x, other: primitives.multiplication(x, other=other), read_again=True
    )
    x, other = (given[position] for position in order)
    tail = emit.take_tail(node)
    y = emit.tail_result(node, tail, x.desc, stage.activation)
    emit.program.run(
        primitives.multiplication(x.desc, stage.activation, tail.then, other.desc),
        {Arg.SRC: x, Arg.SRC_1: other, Arg.DST: y},
    )
    descs = tuple([value.desc for value in given])
    others = tuple([emit.place(value) for value in given[1:]])
    emit.record_with_tail(node, tail, stage.activation, given[0], y, x_descs=descs, others=others)


def backward(emit: BackwardEmitter, record: Record, stage: ProductStage, gradient: Value) -> None:
    """Give each input the gradient times the other one, added up where it was spread."""
    program, primitives, desc = emit.program, emit.primitives, record.y_desc
    gradient = program.reorder(gradient, desc)
    places = (record.x, *record.others)
    given = [emit.read(*each) for each in zip(places, record.x_descs, strict=True)]
    for value, other in zip(record.inputs, reversed(given), strict=True):
        if not emit.needs[value]:
            continue
        result = program.temporary(desc)
        program.run(
            primitives.multiplication(desc, other=other.desc),
            {Arg.SRC: gradient, Arg.SRC_1: other, Arg.DST: result},
        )
        emit.add(value, summed(emit, value, result))
