"""Functions of each number that are not part of the stage in front."""

from __future__ import annotations

import math

from ...contract import ElementwiseStage, SizedNode
from ..binding.declarations import Arg
from ..binding.objects import MemoryDesc
from ..binding.post_ops import of_function
from ..binding.primitives import Primitives
from ..plan.layouts import CHANNELS_LAST
from ..program.storage import Value
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record

__all__ = ["backward", "forward"]


def forward(emit: ForwardEmitter, node: SizedNode, stage: ElementwiseStage) -> None:
    """Apply the function to all numbers, as they lie in memory."""
    primitives, value = emit.primitives, emit.x(node)
    x = emit.input(value, _layout(primitives, value.desc, stage))
    y = emit.result(node, x.desc, "linear")
    flat = primitives.flat(x.desc)
    emit.program.run(
        primitives.function_forward(of_function(stage), flat),
        {Arg.SRC: emit.program.view(x, flat), Arg.DST: emit.program.view(y, flat)},
    )
    emit.record(node, "linear", x, y)


def _layout(primitives: Primitives, desc: MemoryDesc, stage: ElementwiseStage) -> MemoryDesc:
    """The layout of the input; without padding where zeros, which padding is, would not stay."""
    padded = desc.size != 4 * math.prod(desc.shape)
    if padded and not stage.keeps_zero:
        return primitives.images(desc.shape, CHANNELS_LAST)
    return desc


def backward(
    emit: BackwardEmitter, record: Record, stage: ElementwiseStage, gradient: Value
) -> None:
    """Multiply the gradient by the derivative."""
    program, primitives, desc = emit.program, emit.primitives, record.x_desc
    gradient = program.reorder(gradient, desc)
    x = emit.read(record.x, desc)
    result = emit.gradient_of_input(record, desc)
    flat = primitives.flat(desc)
    program.run(
        primitives.function_backward(of_function(stage), flat),
        {
            Arg.SRC: program.view(x, flat),
            Arg.DIFF_DST: program.view(gradient, flat),
            Arg.DIFF_SRC: program.view(result, flat),
        },
    )
