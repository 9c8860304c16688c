"""Products with masks: dropout."""

from __future__ import annotations

from ...contract import MaskStage, SizedNode
from ..binding.declarations import Arg
from ..program.storage import Value
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record

__all__ = ["backward", "forward"]


def forward(emit: ForwardEmitter, node: SizedNode, stage: MaskStage) -> None:
    """Multiply by the mask."""
    name, value = f"p{node.first_param}", emit.x(node)
    shape = value.desc.shape
    if node.param_shapes[0] != shape:
        raise ValueError(f"a mask has shape {node.param_shapes[0]}, and what it multiplies {shape}")
    # Masks come plain; a dense stage, which mostly follows, wants its input so too.
    desc = emit.primitives.strided(shape)
    x = emit.program.reorder(value, desc)
    y = emit.result(node, desc, "linear")
    emit.program.run(
        emit.primitives.multiplication(desc),
        {Arg.SRC: x, Arg.SRC_1: emit.parameter(name, desc), Arg.DST: y},
    )
    emit.record(node, "linear", x, y, mask=name)


def backward(emit: BackwardEmitter, record: Record, stage: MaskStage, gradient: Value) -> None:
    """Multiply the gradient by the mask."""
    desc = record.y_desc
    result = emit.gradient_of_input(record, desc)
    arguments = {
        Arg.SRC: emit.program.reorder(gradient, desc),
        Arg.SRC_1: emit.program.external(record.mask, desc),
        Arg.DST: result,
    }
    emit.program.run(emit.primitives.multiplication(desc), arguments)
